"""What a refusal by code is as a command_status."""

from yizhan_simulators.carriers.carrier import BAD_NUMBER
from yizhan_smpp.constants import INVALID_DESTINATION, SUBMIT_FAILED


def status_of(code: str) -> int:
    """Read a code as the status it is ("11", "0x0B"); other words are ESME_RSUBMITFAIL."""
    if code == BAD_NUMBER:
        return INVALID_DESTINATION
    try:
        status = int(code, 0)
    except ValueError:
        return SUBMIT_FAILED
    return status if 0 < status <= 0xFFFFFFFF else SUBMIT_FAILED
