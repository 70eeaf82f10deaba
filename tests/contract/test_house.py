import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PURE = ["yizhan_contracts", "yizhan_telecom"]
ALLOWED = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", *PURE}


def imported(package: str) -> Iterator[tuple[Path, str]]:
    for file in ROOT.glob(f"libs/*/src/{package}/**/*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from ((file, name.name.partition(".")[0]) for name in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield file, (node.module or "").partition(".")[0]


@pytest.mark.parametrize("package", PURE)
def test_pure_libs_import_pydantic_and_the_standard_library_only(package: str) -> None:
    known = ALLOWED | sys.stdlib_module_names
    assert {(file.name, name) for file, name in imported(package) if name not in known} == set()


@pytest.mark.parametrize("package", PURE)
def test_pure_libs_do_no_io(package: str) -> None:
    doors = {"asyncio", "http", "logging", "os", "socket", "subprocess", "threading", "urllib"}
    assert {(file.name, name) for file, name in imported(package) if name in doors} == set()


def test_lock_file_has_hashes_and_no_addresses() -> None:
    text = (ROOT / "requirements.lock").read_text()
    pinned = re.findall(r"^[A-Za-z0-9_.-]+==\S+", text, re.MULTILINE)
    assert len(pinned) > 50
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host", text)
    for block in re.split(r"\n(?=\S)", text.strip()):
        assert "--hash=sha256:" in block


def test_every_package_is_installed_by_make() -> None:
    makefile = (ROOT / "Makefile").read_text()
    packages = [file.parent.relative_to(ROOT) for file in ROOT.glob("*/*/pyproject.toml")]
    assert len(packages) >= 12
    assert [str(package) for package in packages if str(package) not in makefile] == []


@pytest.fixture(scope="module")
def hygiene() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hygiene", ROOT / ".ci" / "hygiene.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "line",
    [
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "url: mongodb://" + "root:hunter2@db",
        'api_key = "' + "a8f7" * 8 + '"',
        "AKIA" + "A1B2C3D4" * 2,
    ],
)
def test_secrets_are_found_but_not_shown(hygiene: ModuleType, tmp_path: Path, line: str) -> None:
    file = tmp_path / "file"
    file.write_text(f"harmless\n{line}\n")
    (complaint,) = hygiene.find_secrets(file)
    assert f"{file}:2: looks like" in complaint
    assert line not in complaint


@pytest.mark.parametrize(
    "line",
    [
        'secret_ref: "YIZHAN_SECRET_ONE"  # not-a-secret',
        "mongodb://${USER}:${PASSWORD}@db",
        "password: SecretStr",
        'token = "short"',
    ],
)
def test_references_to_secrets_are_no_secrets(
    hygiene: ModuleType, tmp_path: Path, line: str
) -> None:
    file = tmp_path / "file"
    file.write_text(line)
    assert hygiene.find_secrets(file) == []


def test_whitespace_is_repaired_once(hygiene: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one  \n\ntwo\n\n\n")
    assert hygiene.repair_whitespace(file)
    assert file.read_text() == "one\n\ntwo\n"
    assert hygiene.repair_whitespace(file) == []
