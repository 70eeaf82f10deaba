"""A sample push: what nobody is waiting for, and what the endpoint answers to it."""

from dataclasses import dataclass
from typing import Any

from receipts.errors import EndpointRefused, NoSuchEndpoint
from receipts.push.endpoints import About
from receipts.push.lanes import Lanes
from receipts.push.ports import Heard
from receipts.push.s3 import resp_code
from yizhan_runtime import Clock

_SHOWN_BYTES = 500


@dataclass(frozen=True, slots=True)
class Sampled:
    """What came of a sample push."""

    answer: str
    status: int
    resp_code: str
    seconds: float
    shown: str
    why: str
    signed: bool

    def document(self) -> dict[str, Any]:
        """Tell it to whoever asked."""
        return {
            "answer": self.answer,
            "http_status": self.status or None,
            "respCode": self.resp_code,
            "seconds": round(self.seconds, 3),
            "body": self.shown,
            "why": self.why,
            "signed": self.signed,
        }


class Sampling:
    """Sends samples: past queue and breaker, for whoever is at the keyboard; one at a time each."""

    def __init__(self, lanes: Lanes, clock: Clock) -> None:
        self._lanes = lanes
        self._clock = clock
        self._going: set[str] = set()

    async def send(self, account_id: str, about: About) -> Sampled:
        """Send one. Raises EndpointRefused."""
        lane = self._lanes.of(about, account_id)
        if lane is None:
            raise NoSuchEndpoint(f"this account has no address for {about.value}: PUT one")
        lane_id = lane.target.lane_id
        if lane_id in self._going:
            raise EndpointRefused("a sample is on its way: wait for its answer")
        self._going.add(lane_id)
        try:
            begun = self._clock.monotonic()
            heard = await lane.speaker.post(
                lane.target, [lane.speaker.matter.sample(self._clock.now())]
            )
            seconds = self._clock.monotonic() - begun
        finally:
            self._going.discard(lane_id)
        is_signed = bool(lane.target.signing_keys(self._clock.now()))
        answer = lane.speaker.answer_of(heard)
        return _sampled(about, heard, answer, seconds, is_signed=is_signed)


def _sampled(
    about: About, heard: Heard, answer: str, seconds: float, *, is_signed: bool
) -> Sampled:
    return Sampled(
        answer=answer,
        status=heard.status,
        resp_code=resp_code(heard.body) if about is About.RESULTS else "",
        seconds=seconds,
        shown=heard.body[:_SHOWN_BYTES].decode("utf-8", "replace"),
        why=heard.why,
        signed=is_signed,
    )
