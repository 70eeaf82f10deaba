"""The texts of receipts, in the shapes that message centres write.

SMPP 3.4 appendix B shows one and calls it vendor specific: here is what is met.
"""

from collections.abc import Mapping
from typing import Final

SHAPES: Final[Mapping[str, str]] = {
    "standard": "id:{id} sub:{sub} dlvrd:{dlvrd} submit date:{submitted} done date:{done} "
    "stat:{stat} err:{err} text:{text}",
    "capital": "id:{id} sub:{sub} dlvrd:{dlvrd} submit date:{submitted} done date:{done} "
    "stat:{stat} err:{err} Text:{text}",
    "seconds": "id:{id} sub:{sub} dlvrd:{dlvrd} submit date:{submitted}07 done date:{done}07 "
    "stat:{stat} err:{err} text:{text}",
    "underscores": "id:{id} sub:{sub} dlvrd:{dlvrd} submit_date:{submitted} done_date:{done} "
    "stat:{stat} err:{err} text:{text}",
    "upper": "ID:{id} SUB:{sub} DLVRD:{dlvrd} SUBMIT DATE:{submitted} DONE DATE:{done} "
    "STAT:{stat} ERR:{err} TEXT:{text}",
    "minimal": "id:{id} stat:{stat}",
    "no-err": "id:{id} sub:{sub} dlvrd:{dlvrd} submit date:{submitted} done date:{done} "
    "stat:{stat} text:{text}",
    "no-dates": "id:{id} stat:{stat} err:{err}",
}
_FIELDS: Final = ("id", "sub", "dlvrd", "submitted", "done", "stat", "err", "text")


def write_shape(shape: str, **fields: str) -> str:
    """Fill a shape, by name or as a text with {id} {stat} and so on."""
    return SHAPES.get(shape, shape).format(**{"text": "", **fields})


def check_shape(shape: str) -> str:
    """Return a shape that can be filled; ValueError says why another cannot."""
    if shape in SHAPES:
        return shape
    if "{id}" not in shape:
        raise ValueError(f"no shape of that name, and no {{id}} in it; known: {', '.join(SHAPES)}")
    try:
        write_shape(shape, **dict.fromkeys(_FIELDS, ""))
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"a text of receipts may name {', '.join(_FIELDS)}") from error
    return shape
