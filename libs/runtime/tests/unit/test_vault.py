"""The vault: what is sealed opens where it belongs, and nowhere else."""

import pytest

from yizhan_runtime import Misconfigured
from yizhan_runtime.vault import CannotOpen, Vault

SETTING = "YIZHAN_SOME_VAULT_KEYS"


def test_a_sealed_secret_is_not_in_the_clear_and_opens_where_it_belongs() -> None:
    vault = Vault(["material-of-the-test"], SETTING)
    sealed = vault.seal("a-secret", "key-1")
    assert "a-secret" not in sealed
    assert sealed != vault.seal("a-secret", "key-1")
    assert vault.open(sealed, "key-1") == "a-secret"
    with pytest.raises(CannotOpen):
        vault.open(sealed, "key-2")


def test_an_older_material_still_opens_and_a_lost_one_does_not() -> None:
    sealed = Vault(["old-material-of-the-test"], SETTING).seal("a-secret", "k")
    both = Vault(["new-material-of-the-test", "old-material-of-the-test"], SETTING)
    assert both.open(sealed, "k") == "a-secret"
    assert both.seal("a-secret", "k").partition(".")[0] != sealed.partition(".")[0]
    with pytest.raises(CannotOpen):
        Vault(["new-material-of-the-test"], SETTING).open(sealed, "k")


def test_a_material_that_is_too_short_is_refused() -> None:
    with pytest.raises(Misconfigured, match=SETTING):
        Vault(["short"], SETTING)
