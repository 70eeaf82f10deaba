"""Word lists from files: what is in force, and that a change takes its place whole."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from services.ingest.tests.unit.fakes import FakeClock

from ingest.content.files import WordFiles
from ingest.content.words import WordList
from ingest.errors import BadCatalogue

SHIPPED = Path(__file__).parents[4] / "deploy/config/words"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def has(words: WordList, text: str) -> bool:
    return next(words.find(text), None) is not None


def test_lists_are_read_with_their_remarks(tmp_path: Path) -> None:
    write(tmp_path, "sensitive.txt", "\ufeff# remark\n\n casino # here\ncasino\n赌博\n")
    write(tmp_path, "accounts/shop.txt", "tomato\n")
    rules = WordFiles(tmp_path).current
    assert rules.sensitive.words == ("casino", "赌博")
    assert rules.marketing.words == ()
    assert rules.by_account["shop"].words == ("tomato",)


def test_a_folder_that_is_not_there_has_no_words(tmp_path: Path) -> None:
    assert WordFiles(tmp_path / "none").current.size == 0


@pytest.mark.parametrize(
    ("content", "said"), [(b"ok\n - \n", "line 2"), (b"\xff\xfe\x00", "UTF-8")]
)
def test_a_list_that_cannot_be_read_stops_the_start(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "sensitive.txt").write_bytes(content)
    with pytest.raises(BadCatalogue, match=said):
        WordFiles(tmp_path)


async def test_a_changed_list_takes_the_place_of_the_old_one_and_a_wrong_one_does_not(
    tmp_path: Path,
) -> None:
    write(tmp_path, "sensitive.txt", "casino\n")
    files, clock = WordFiles(tmp_path), FakeClock()
    before = files.current
    following = asyncio.create_task(files.follow(clock))
    try:
        write(tmp_path, "sensitive.txt", "casino\nroulette\n")
        await _until(lambda: files.current is not before)
        assert has(files.current.sensitive, "roulette")
        assert not has(before.sensitive, "roulette")
        good = files.current
        path = write(tmp_path, "sensitive.txt", "***\n")
        write(tmp_path, "marketing.txt", "discount\n")
        await _until(lambda: "marketing" in str(files.looked_at))
        assert files.current is good
        path.unlink()
        await _until(lambda: files.current is not good)
        assert has(files.current.marketing, "discount")
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def test_the_lists_that_are_shipped_are_read() -> None:
    rules = WordFiles(SHIPPED).current
    assert has(rules.sensitive, "网上赌-博")
    assert has(rules.marketing, "50% DISCOUNT")
    assert not has(rules.marketing, "discounted? no")


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.005)
