"""Where PDUs begin and end in what a connection brings (3.2)."""

from struct import Struct
from typing import Final

HEADER: Final = Struct(">4I")
"""command_length, command_id, command_status, sequence_number."""
HEADER_OCTETS: Final = 16
LONGEST_PDU: Final = 70_000
"""A message_payload has at most 65,535 octets; everything else of a PDU has less than 4,000."""

Frame = tuple[int, int, int, int, int]
"""command, status, sequence, and where its body begins and ends."""


def frames(data: bytes) -> tuple[list[Frame], int, bool]:
    """Find the whole PDUs in ``data``, where what is left over begins, and whether it is broken.

    Broken is a length that no PDU has: there is no telling any more where the next one begins.
    """
    found: list[Frame] = []
    start, size = 0, len(data)
    unpack = HEADER.unpack_from
    while size - start >= HEADER_OCTETS:
        length, command, status, sequence = unpack(data, start)
        if not HEADER_OCTETS <= length <= LONGEST_PDU:
            return found, start, True
        end = start + length
        if end > size:
            break
        found.append((command, status, sequence, start + HEADER_OCTETS, end))
        start = end
    return found, start, False


def wanted(rest: bytes | bytearray) -> int:
    """Give the octets without which ``rest`` is no whole PDU: no use to look again before."""
    if len(rest) < HEADER_OCTETS:
        return HEADER_OCTETS
    return int.from_bytes(rest[:4], "big")
