"""Times as SMPP writes them (7.1.1)."""

from typing import Final

_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
_MOST_S: Final = 31 * _DAY_S - 1


def relative(seconds: int) -> str:
    """Give a validity from now on, "YYMMDDhhmmsst00R"; 1 second at least, 31 days at most."""
    seconds = max(1, min(seconds, _MOST_S))
    days, rest = divmod(seconds, _DAY_S)
    hours, rest = divmod(rest, _HOUR_S)
    minutes, rest = divmod(rest, _MINUTE_S)
    return f"0000{days:02}{hours:02}{minutes:02}{rest:02}000R"
