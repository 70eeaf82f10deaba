"""What a value may not smuggle into a reviewed text: controls, brackets, links, numbers.

A template's fixed words were reviewed; its values were not. Each finding names its rule and the
place, in characters of the value, and never quotes it. One pass each, no back-tracking: a value has
at most 80 characters, and none makes these slow.
"""

import re
import unicodedata
from collections.abc import Callable

from ingest.codes import Code

# Line breaks and other controls; the marks that reorder text on the screen; what senders' names
# stand in: a second pair of them is a second sender.
_CONTROLS = "\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029"
_DIRECTIONS = "\\u202a-\\u202e\\u2066-\\u2069"
_BRACKETS = "【】〖〗\\[\\]［］"
_FORBIDDEN = re.compile(f"[{_CONTROLS}{_DIRECTIONS}{_BRACKETS}]")
_IS_CONTROL = re.compile(f"[{_CONTROLS}]")
_IS_DIRECTION = re.compile(f"[{_DIRECTIONS}]")

_TOP_LEVELS = (
    "com|net|org|info|biz|edu|gov|mil|int|top|xyz|vip|club|shop|site|online|store|website|space"
    "|live|life|link|click|work|world|today|news|fun|icu|ltd|wang|ren|mobi|asia|name|tech|cloud"
    "|app|dev|page|group|pro|plus|win|bid|loan|tel|red|pub|host|press|win|cash|money|bet|casino"
)
# A domain of a country needs a longer name before it: "a.M." and "z.B." are no links.
_COUNTRIES = (
    "ac|ad|ae|ag|ai|am|ar|at|au|az|ba|be|bg|bh|bo|br|by|bz|ca|cc|cd|ch|cl|cn|co|cr|cu|cy|cz|de"
    "|dk|do|dz|ec|ee|eg|es|eu|fi|fm|fr|ga|ge|gg|gl|gr|gs|hk|hr|hu|id|ie|il|im|in|io|iq|ir|is|it"
    "|jo|jp|ke|kg|kh|kr|kw|kz|la|lb|li|lk|lt|lu|lv|ly|ma|md|me|mk|ml|mn|mo|mq|ms|mt|mu|mx|my|ng"
    "|ni|nl|no|np|nu|nz|om|pa|pe|ph|pk|pl|pt|pw|py|qa|ro|rs|ru|sa|sc|se|sg|sh|si|sk|sn|so|su|sv"
    "|th|tj|tk|tm|tn|to|tr|tt|tv|tw|ua|ug|uk|us|uy|uz|vc|ve|vn|ws|za|zm|zw"
)
_LINK = re.compile(
    r"(?:https?|hxxps?|ftp)\s?:\s?/|://|\bwww\."
    rf"|[a-z0-9-]\.(?:{_TOP_LEVELS})(?![a-z0-9])"
    rf"|[a-z0-9-]{{3}}\.(?:{_COUNTRIES})(?![a-z0-9.])"
    r"|[a-z0-9-]\.xn--|(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9.])",
    re.IGNORECASE | re.ASCII,
)
_DOTS = str.maketrans("。．｡", "...")
_MAYBE_LINK = re.compile(r"[.。．｡]\s?[a-z0-9ａ-ｚＡ-Ｚ０-９]|[:：]\s?[/／]", re.IGNORECASE)
"""What every link has. A tenth of the cost of looking for one, and most texts have none."""

_GAP = r"[ ().-]{0,2}"
_PHONE = re.compile(
    rf"(?<![0-9A-Za-z])(?:\+{_GAP}[1-9](?:{_GAP}[0-9]){{6,14}}"
    rf"|(?:00)?86{_GAP}1[3-9](?:{_GAP}[0-9]){{9}}"
    rf"|1[3-9](?:{_GAP}[0-9]){{9}}"
    r"|[48]00[ -]?[0-9]{3}[ -]?[0-9]{4}"
    r"|0[0-9]{2,3}[ -][0-9]{7,8}"
    r"|\([0-9]{3}\) ?[0-9]{3}[ -][0-9]{4}|[0-9]{3}-[0-9]{3}-[0-9]{4})(?![0-9A-Za-z])"
)
_MAYBE_PHONE = 7

Found = tuple[Code, int]


def find_injection(value: str, *, may_hold_numbers: bool) -> Found | None:
    """Give the first thing in a value that may not be there, and where it begins."""
    found = _FORBIDDEN.search(value)
    if found is not None:
        return _code_of(found[0]), found.start()
    at = find_link(value)
    if at is not None:
        return Code.VARIABLE_LINK, at
    if not may_hold_numbers and (at := find_phone(value)) is not None:
        return Code.VARIABLE_PHONE_NUMBER, at
    return None


def find_link(text: str) -> int | None:
    """Tell where something begins that a handset, or a person, would take for a link."""
    return _find(_LINK.search, text) if _MAYBE_LINK.search(text) else None


def find_phone(text: str) -> int | None:
    """Tell where something begins that a person would call."""
    if sum(map(str.isdecimal, text)) < _MAYBE_PHONE:
        return None
    return _find(_PHONE.search, text)


def _code_of(char: str) -> Code:
    if _IS_CONTROL.match(char):
        return Code.VARIABLE_CONTROL_CHARACTER
    if _IS_DIRECTION.match(char):
        return Code.VARIABLE_DIRECTION_MARK
    return Code.VARIABLE_SENDER_BRACKET


def _find(search: Callable[[str], re.Match[str] | None], text: str) -> int | None:
    """Search as it is read, not as it is written: full-width digits and dots are still a number."""
    plain = text
    if not text.isascii():
        plain = "".join(map(_plain, text))
    found = search(plain)
    if found is None:
        return None
    return found.start() if len(plain) == len(text) else 0


def _plain(char: str) -> str:
    if char.isascii():
        return char
    plain = unicodedata.normalize("NFKC", char.translate(_DOTS))
    # One character for one, so that places stay; what spreads out is no letter of a link.
    return plain if len(plain) == 1 else " "
