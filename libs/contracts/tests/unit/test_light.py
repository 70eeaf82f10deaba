"""The package stays light: every service and every command imports it at start."""

import subprocess
import sys


def test_importing_it_brings_pydantic_and_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import yizhan_contracts.topics; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {name for name in done.stdout.split() if not name.startswith("_sysconfigdata")}
    imported -= set(sys.stdlib_module_names)
    assert imported <= {
        "yizhan_contracts",
        "pydantic",
        "pydantic_core",
        "annotated_types",
        "typing_extensions",
        "typing_inspection",
    }
