"""The message protocol's own ``chain``, ``final`` and ``decide``, over its own facts.

The ledger's decisions are held against them. They are those of the model in which every order of
events was searched; a change of the protocol is tried there first. A fact is a tuple:
("f", n, outcome), ("rf", n, "dlv" or "fail"), ("nc", n), ("vf", "ans" or another).
"""

from dataclasses import dataclass

Item = tuple[object, ...]
LAST = 2


@dataclass(frozen=True)
class Setting:
    """The account's policy."""

    resends: bool
    calls: bool


def is_delivered(known: set[Item]) -> bool:
    return any(i[0] == "rf" and i[2] == "dlv" for i in known) or ("vf", "ans") in known


def chain(known: set[Item], setting: Setting) -> tuple[int, bool]:
    """Give the first attempt that may still end well, and whether there is none."""
    n = 1
    while n <= LAST and ("nc", n) not in known:
        in_doubt = setting.resends and ("f", n, "dbt") in known
        if not (("f", n, "ref") in known or ("rf", n, "fail") in known or in_doubt):
            return n, False
        n += 1
    return n, True


def final(known: set[Item], setting: Setting) -> str:
    """Give the status at the last deadline."""
    n, has_ended = chain(known, setting)
    held = {i[1] for i in known if i[0] == "f" and i[2] in ("sub", "dbt")}
    if is_delivered(known):
        return "delivered"
    if has_ended or (("f", n, "late") in known and n not in held):
        if has_ended or (held and all(("rf", m, "fail") in known for m in held)):
            return "failed"
        return "unknown" if held else "expired"
    return "unknown"


def decide(known: set[Item], setting: Setting) -> Item | None:
    """Decide what follows for a message that is accepted and not settled."""
    n, has_ended = chain(known, setting)
    if is_delivered(known):
        return ("settle", "delivered")
    if has_ended:
        is_called = any(i[0] == "vf" for i in known)
        return ("settle", "failed") if is_called or not setting.calls else ("call",)
    has_word_of_it = any(i[:2] == ("f", n) for i in known)
    if n > 1 and ("rf", n - 1, "fail") in known and not has_word_of_it:
        return ("reroute", n - 1)
    return None
