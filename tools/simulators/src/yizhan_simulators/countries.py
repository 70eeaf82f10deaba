"""Which country a number belongs to: what a carrier's own numbering table would say."""

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, phonenumberutil

UNKNOWN = "ZZ"
"""What the numbering plan does not know; ISO 3166 keeps ZZ for private use."""

# Countries that share a calling code differ in the digits after it: +1 by the area code, the
# others (+44 1624, +7 77) within this many. A look-up costs 30 us, a remembered one 0.3.
_AREA_CODE_ENDS = 5
_TELLING = 8
_SOME_SUBSCRIBER = "2345678"  # valid in every area code of +1, unlike the 555 of examples
_REMEMBERED_MOST = 200_000

_REGIONS = {
    str(code): () if regions == ("001",) else regions
    for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()
}


class Countries:
    """The table from dialling prefix to country, remembering what it looked up."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, number: str) -> str:
        """Return the ISO 3166 code of an E.164 number, `ZZ` when no country has it."""
        code, regions = _calling_code(number)
        if len(regions) <= 1:
            return regions[0] if regions else UNKNOWN
        prefix = number[: _AREA_CODE_ENDS if code == "1" else _TELLING]
        known = self._known.get(prefix)
        if known is None:
            full = prefix + _SOME_SUBSCRIBER if code == "1" else number
            known = _look_up(full) or regions[0]
            if len(self._known) < _REMEMBERED_MOST:
                self._known[prefix] = known
        return known


def _calling_code(number: str) -> tuple[str, tuple[str, ...]]:
    """Return the calling code (none is the beginning of another) and its countries."""
    if number[:1] == "+":
        for end in (3, 4, 2):
            regions = _REGIONS.get(number[1:end])
            if regions is not None:
                return number[1:end], regions
    return "", ()


def _look_up(number: str) -> str | None:
    try:
        return phonenumberutil.region_code_for_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return None
