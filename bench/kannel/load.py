"""What a round is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """How much, how, and how long to wait for the last receipt, in seconds."""

    count: int
    warm: int
    window: int
    """Submits without an answer, of Kannel; Yizhan's is in deploy/config/bench-smpp."""
    within_s: float
    is_kept: bool = True
    """Whether the client keeps its connections."""
    is_stored: bool = False
    """Whether Kannel keeps what is under way in files."""
