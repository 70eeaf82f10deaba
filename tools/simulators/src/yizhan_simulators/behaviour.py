"""How a carrier, a voice provider or a customer behaves: what can be set over the control API."""

import math
import re
from collections.abc import Mapping
from random import Random
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    StringConstraints,
    model_validator,
)

from yizhan_simulators.smpp.shapes import check_shape

ReceiptState = Literal["delivered", "failed", "expired", "rejected", "unknown", "buffered"]
CallOutcome = Literal["answered", "no-answer", "busy", "failed"]

_A_DAY_MS = 86_400_000
_Z99 = 2.3263  # the standard normal's 99th percentile


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Spread(_Part):
    """A duration that varies: log-normal through its median and 99th percentile, in ms."""

    p50: float = Field(ge=0, le=_A_DAY_MS)
    p99: float = Field(ge=0, le=_A_DAY_MS)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.p99 < self.p50:
            raise ValueError("p99 is below p50")
        if self.p50 == 0 < self.p99:
            raise ValueError("p50 is 0 while p99 is not: give a p50 above 0")
        return self

    def draw_s(self, rng: Random) -> float:
        """Draw one duration, in seconds."""
        if self.p50 == self.p99:
            return self.p50 / 1000
        sigma = math.log(self.p99 / self.p50) / _Z99
        return self.p50 * math.exp(rng.gauss(0, sigma)) / 1000


def _fixed_as_spread(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"p50": value, "p99": value}
    if isinstance(value, dict | Spread):
        return value
    raise ValueError('not a duration; give milliseconds, or {"p50": 20, "p99": 80}')


def _no_wider_than(pattern: str, example: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"not understood; write it like {example}")
        return value

    return AfterValidator(check)


Ratio = Annotated[float, Field(ge=0, le=1)]
Duration = Annotated[Spread, BeforeValidator(_fixed_as_spread)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Prefix = Annotated[str, _no_wider_than(r"\+[0-9]{1,15}", '"+861380000"')]
Country = Annotated[str, _no_wider_than(r"[A-Z]{2}", '"FR"')]
ReceiptFate = Annotated[
    str,
    _no_wider_than(
        r"(delivered|failed|expired|rejected|unknown)(:.{1,64})?|none",
        '"delivered", "failed:UNDELIV", "expired", "rejected:11", "unknown" or "none" (no receipt)',
    ),
]
PartNumber = Annotated[str, _no_wider_than(r"[1-9][0-9]{0,2}", '"2"')]
CallFate = Annotated[
    str,
    _no_wider_than(
        r"(answered|no-answer|busy|failed)(:.{1,64})?|none",
        '"answered", "no-answer", "busy", "failed:603" or "none" (no callback)',
    ),
]


def by_prefix(table: Mapping[str, str], number: str) -> str | None:
    """Return the entry with the longest prefix of the number."""
    if not table:
        return None
    for end in range(len(number), 1, -1):
        entry = table.get(number[:end])
        if entry is not None:
            return entry
    return None


Status = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]
IdForm = Literal["hex", "upper", "decimal", "zeros"]


class ReceiptBehaviour(_Part):
    """What a carrier says of a message later, and how often, when and in which order."""

    delay_ms: Duration = Spread(p50=200, p99=200)
    delivered_ratio: Ratio = 1.0
    fail_state: Literal["failed", "expired", "rejected", "unknown"] = "failed"
    fail_code: Code = "UNDELIV"
    numbers: dict[Prefix, ReceiptFate] = Field(
        default={}, description="Outcome by number prefix, the longest one counts."
    )
    parts: dict[PartNumber, ReceiptFate] = Field(
        default={}, description="Outcome of a part of messages in several parts, by its number."
    )
    unknown_code_ratio: Ratio = Field(
        default=0, description="Of the failed: those with a code that no table has."
    )
    echo_ref: bool = Field(default=True, description="Whether receipts repeat our reference.")
    early_ratio: Ratio = Field(default=0, description="Receipts sent before the submit's answer.")
    duplicate_ratio: Ratio = 0
    duplicate_after_ms: Duration = Spread(p50=300, p99=300)
    contradict_ratio: Ratio = Field(
        default=0, description="Final receipts followed by one that says the opposite."
    )
    buffered_ratio: Ratio = Field(
        default=0, description="Final receipts preceded by an intermediate `buffered`."
    )
    reorder: bool = Field(default=False, description="Delays vary from none to twice as long.")


class ReplyBehaviour(_Part):
    """What recipients answer to what was delivered to them."""

    ratio: Ratio = 0
    text: str = Field(default="STOP", max_length=1000)
    after_ms: Duration = Spread(p50=1000, p99=5000)


class MessageBehaviour(_Part):
    """What may differ from one destination country to another."""

    latency_ms: Duration = Field(
        default=Spread(p50=20, p99=20), description="From the submit to its answer."
    )
    refuse_ratio: Ratio = 0
    refuse_code: Code = "11"
    unknown_code_ratio: Ratio = Field(
        default=0, description="Of the refused: those with a code that no table has."
    )
    refuse_detail: str = Field(default="refused by the simulated carrier", max_length=200)
    refuse_numbers: dict[Prefix, Code] = Field(
        default={}, description="Refusal code by number prefix, the longest one counts."
    )
    error_ratio: Ratio = Field(
        default=0, description="Submits answered error_status: nothing of them is taken."
    )
    error_status: int = Field(default=500, ge=500, le=599)
    lose_answer_ratio: Ratio = Field(
        default=0, description="Submits that are taken and whose answer never comes."
    )
    lose_answer_by: Literal["close", "hang", "error", "garbage"] = Field(
        default="close",
        description="close: the connection breaks; hang: silence; error: a 502 (SMPP: generic_nack)"
        " that says nothing; garbage: octets that nobody can read.",
    )
    accept_but_no_receipt_ratio: Ratio = 0
    receipt: ReceiptBehaviour = ReceiptBehaviour()
    reply: ReplyBehaviour = ReplyBehaviour()


class SmppBehaviour(_Part):
    """What is SMPP's own. Statuses are command_status, as numbers."""

    system_id: Annotated[str, StringConstraints(max_length=15)] = Field(
        default="", description="Who may bind; the carrier's own name when empty."
    )
    bind_status: Status = Field(default=0, description="What binds are answered; 0 takes them.")
    error_status: Status = Field(default=0x08, description="For error_ratio: nothing is taken.")
    throttle_status: Status = Field(default=0x58, description="For throttle_tps; 0x14 is another.")
    cut_every: int | None = Field(
        default=None, ge=1, description="Cut the connection at every so-manieth submit_sm."
    )
    is_deaf: bool = Field(
        default=False, description="Nothing is read or answered, enquire_link neither."
    )
    ids: IdForm = Field(default="hex", description="Of message ids in answers.")
    receipt_ids: IdForm = Field(default="hex", description="Of message ids in receipts.")
    receipt_form: Literal["text", "tlv", "both"] = "both"
    receipt_text: Annotated[str, StringConstraints(max_length=200), AfterValidator(check_shape)] = (
        Field(
            default="standard",
            description="The text of receipts: a shape by name, or a text with {id} {sub} {dlvrd}"
            " {submitted} {done} {stat} {err} {text}.",
        )
    )
    window: int = Field(default=100, ge=1, le=100_000, description="deliver_sm without an answer.")


class CarrierBehaviour(MessageBehaviour):
    """A carrier's behaviour in force."""

    down: bool = Field(
        default=False, description="Connections are closed unread; refused on a port of its own."
    )
    hang: bool = Field(default=False, description="Takes everything and never answers.")
    throttle_tps: float | None = Field(
        default=None, gt=0, le=1_000_000, description="Messages a second; a second's worth bursts."
    )
    secret: Annotated[SecretStr, Field(strict=False, min_length=1)] | None = Field(
        default=None, description="The bearer token that is asked for; any, when not set."
    )
    reply_callback: Annotated[str, StringConstraints(pattern=r"^https?://|^$")] = Field(
        default="",
        description="Where replies are posted; default: the callback of the newest submit, with"
        " /replies/ in place of /receipts/. With SMPP they come on a bind.",
    )
    smpp: SmppBehaviour = SmppBehaviour()
    by_country: dict[Country, dict[str, JsonValue]] = Field(
        default={}, description="What differs for a country: the fields of MessageBehaviour."
    )


class ProviderBehaviour(_Part):
    """A voice provider's behaviour in force. What is not one of the ratios is answered."""

    latency_ms: Duration = Spread(p50=20, p99=20)
    ring_ms: Duration = Field(
        default=Spread(p50=500, p99=500), description="From taking the call to its outcome."
    )
    talk_s: float = Field(default=12, ge=0, le=3600, description="How long an answered call lasts.")
    no_answer_ratio: Ratio = 0
    busy_ratio: Ratio = 0
    failed_ratio: Ratio = 0
    fail_code: Code = "603"
    numbers: dict[Prefix, CallFate] = Field(
        default={}, description="Outcome by number prefix, the longest one counts."
    )
    refuse_ratio: Ratio = 0
    refuse_code: Code = "21211"
    refuse_detail: str = Field(default="refused by the simulated provider", max_length=200)
    refuse_numbers: dict[Prefix, Code] = {}
    error_ratio: Ratio = 0
    error_status: int = Field(default=500, ge=500, le=599)
    lose_answer_ratio: Ratio = 0
    lose_answer_by: Literal["close", "hang", "error"] = "close"
    accept_but_no_callback_ratio: Ratio = 0
    duplicate_ratio: Ratio = 0
    duplicate_after_ms: Duration = Spread(p50=300, p99=300)
    early_ratio: Ratio = 0
    down: bool = False
    hang: bool = False
    secret: Annotated[SecretStr, Field(strict=False, min_length=1)] | None = None

    @model_validator(mode="after")
    def _ratios_fit(self) -> Self:
        if self.no_answer_ratio + self.busy_ratio + self.failed_ratio > 1.000_001:
            raise ValueError("no_answer_ratio + busy_ratio + failed_ratio is above 1")
        return self


class CustomerBehaviour(_Part):
    """The behaviour in force of a customer's two addresses."""

    latency_ms: Duration = Spread(p50=20, p99=20)
    refuse_ratio: Ratio = Field(default=0, description="Pushes answered 200 with refuse_resp_code.")
    refuse_resp_code: Code = "99999"
    error_ratio: Ratio = Field(default=0, description="Pushes answered error_status.")
    error_status: int = Field(default=500, ge=400, le=599)
    lose_answer_ratio: Ratio = Field(default=0, description="Pushes that are taken, unanswered.")
    lose_answer_by: Literal["close", "hang", "error"] = "close"
    down: bool = False
    hang: bool = False
    secret: Annotated[SecretStr, Field(strict=False, min_length=1)] | None = Field(
        default=None, description="whsec_...: pushes must be signed with it; any are taken without."
    )
