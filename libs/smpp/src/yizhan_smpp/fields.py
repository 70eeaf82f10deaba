"""How long the fields of a PDU may be (4.1 to 4.8)."""

from struct import Struct
from typing import Final

# Sizes of C-octet strings, their closing NUL included (4.1 to 4.8).
SYSTEM_ID: Final = 16
PASSWORD: Final = 65
SYSTEM_TYPE: Final = 13
ADDRESS_RANGE: Final = 41
SERVICE_TYPE: Final = 6
ADDRESS: Final = 21
DATA_ADDRESS: Final = 65
TIME: Final = 17
MESSAGE_ID: Final = 65
SHORT_MESSAGE: Final = 255
TLV_HEADER: Final = Struct(">HH")
TLV_OCTETS: Final = 4
LONGEST_TLV: Final = 0xFFFF
