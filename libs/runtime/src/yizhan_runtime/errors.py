"""Errors, by what is to be done about them. Consumers decide by these types and nothing else.

YizhanError
├── Retryable      Kafka, MongoDB or a peer is away: the same work is tried again, with backoff
│   └── TooSlow    a query was given a time, and took longer: ask for less
├── Permanent      this record can never be done: to the DLQ
├── Poison         this record cannot be read: to the DLQ, with its original bytes
├── Misconfigured  the process cannot run like this: it ends with 78, and says what to do
└── Fatal          the process is broken: it ends with 70, and its supervisor starts a new one
"""

EXIT_FATAL = 70  # EX_SOFTWARE
EXIT_UNAVAILABLE = 75  # EX_TEMPFAIL
EXIT_MISCONFIGURED = 78  # EX_CONFIG


class YizhanError(Exception):
    """The root of what Yizhan raises. Messages never hold numbers, texts or keys."""


class Retryable(YizhanError):
    """Something outside is away or refuses for now."""


class TooSlow(Retryable):
    """A query took longer than the caller gave it; nothing is known of its result."""


class Permanent(YizhanError):
    """The record was understood and can never be done."""


class Poison(YizhanError):
    """The record cannot be understood. ``code`` is a stable label, ``detail`` is for people."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class Misconfigured(YizhanError):
    """Settings, files or topics are not as the process needs them. The message says what to do."""


class Fatal(YizhanError):
    """The process cannot be trusted any more, a poisoned producer for instance."""
