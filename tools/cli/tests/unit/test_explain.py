"""Why a message went where it went, as it is drawn."""

import pytest

from yizhan_cli.commands import explain

STORY = {
    "message_id": "01a2073f5fb849b6f2a74de452e6b438",
    "accepted": {"country": "FR", "accepted_at": "2026-11-23T07:12:03.500Z"},
    "settled": {"status": "delivered"},
}
REFUSED = {
    "at": "2026-11-23T07:12:04Z",
    "what": "refused",
    "n": 1,
    "channel": "acme-eu",
    "reason": "carrier-error",
    "decision": {
        "why": "share",
        "routing": "cost (rule cheap-bulk)",
        "candidates": [
            {"channel": "apex", "state": "healthy", "score": 0.97, "note": "priority 10"},
            {"channel": "acme-eu", "state": "healthy", "score": 0.98, "note": "priority 10"},
        ],
        "excluded": {"delta": "its template for picked-up@2/fr is pending"},
    },
}


def test_an_attempt_shows_its_candidates_its_choice_and_who_was_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    explain._show_story(STORY, [REFUSED])
    told, said = capsys.readouterr()
    assert "attempt 1 on acme-eu: share, drawn by weight" in told
    assert "(policy cost (rule cheap-bulk))" in told
    rows = [line.split() for line in told.splitlines()]
    assert ["->", "acme-eu", "healthy", "0.98", "priority", "10"] in rows
    assert ["apex", "healthy", "0.97", "priority", "10"] in rows
    assert "its template for picked-up@2/fr is pending" in told
    assert "+0.500 s: refused, carrier-error" in said


def test_a_message_without_an_attempt_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    explain._show_story(STORY | {"settled": None}, [])
    assert "still open\nno attempt has ended yet" in capsys.readouterr().err
