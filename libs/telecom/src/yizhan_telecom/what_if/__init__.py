"""What recorded traffic would have come to under another channel table. Pure.

``History`` takes what happened, ``Experience`` says what that tells about every channel in every
country, and ``replay`` sends the same messages by another table.
"""

from yizhan_telecom.what_if.experience import Basis, Expected, Experience
from yizhan_telecom.what_if.history import History, Story
from yizhan_telecom.what_if.replaying import Outlook, Share, measured, replay

__all__ = [
    "Basis",
    "Expected",
    "Experience",
    "History",
    "Outlook",
    "Share",
    "Story",
    "measured",
    "replay",
]
