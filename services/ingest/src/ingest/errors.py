"""What ingest raises, beside the runtime's own errors.

YizhanError
├── Poison
│   └── MalformedEvent    a record of upstream that cannot be read; carries what of it could
├── Misconfigured
│   └── BadCatalogue      the accounts file is not as it must be: where, why, what to do
RequestRefused            a request is answered with a problem instead of being done
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.codes import Code, Refusal
from yizhan_runtime.errors import Misconfigured, Poison

MAX_DETAIL = 500


@dataclass(frozen=True, slots=True)
class Named:
    """What could be read of an event that cannot be read whole: enough to answer its sender."""

    source: str = ""
    event_id: str = ""
    revision: str = ""
    shipment_id: str = ""


NAMELESS = Named()


class MalformedEvent(Poison):
    """A record that is no shipment event. ``detail`` names fields, never values."""

    def __init__(
        self, code: str, detail: str = "", named: Named = NAMELESS, answer: Code = Code.MALFORMED
    ) -> None:
        # An attribute's name may be a megabyte long, and an answer must fit into a record.
        super().__init__(code, detail[:MAX_DETAIL])
        self.named = named
        self.answer = answer


class BadCatalogue(Misconfigured):
    """The accounts file cannot be used. The process does not start with it."""


class RequestRefused(Exception):
    """A request that is not done, with the HTTP status and everything that is wrong with it."""

    def __init__(
        self, status: int, refusals: Sequence[Refusal], *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(", ".join(refusal.code for refusal in refusals))
        self.status = status
        self.refusals = tuple(refusals)
        self.retry_after_s = retry_after_s

    @classmethod
    def of(cls, status: int, code: Code, field: str = "", detail: str = "") -> "RequestRefused":
        """Refuse for one reason."""
        return cls(status, (Refusal(code, field, detail),))
