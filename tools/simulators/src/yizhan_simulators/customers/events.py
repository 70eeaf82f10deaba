"""Events as customers were promised them, and their signatures: Standard Webhooks."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError

from yizhan_simulators.revision import Invalid, Problem, problems_of

_TOLERANCE_S = 300


class Event(BaseModel):
    """The envelope. What is in ``data`` is its type's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Annotated[str, StringConstraints(pattern=r"^[a-z]+(\.[a-z]+)+$")]
    timestamp: AwareDatetime
    data: dict[str, Any]


def parse_event(body: bytes) -> Event:
    """Read an event, or raise Invalid with everything that breaks the envelope."""
    try:
        return Event.model_validate_json(body)
    except ValidationError as error:
        raise Invalid(problems_of(error)) from error


def check_signature(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> None:
    """Verify a push by its headers. Raises Invalid."""
    webhook_id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    told = headers.get("webhook-signature", "").split()
    if not (webhook_id and at.isdigit() and told):
        raise Invalid([Problem("webhook-signature", "is missing", "send the three headers")])
    if abs(now - int(at)) > _TOLERANCE_S:
        raise Invalid([Problem("webhook-timestamp", "is not of now", "sign when you send")])
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{webhook_id}.{at}.".encode() + body
    mine = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    if not any(hmac.compare_digest(mine, one) for one in told):
        raise Invalid([Problem("webhook-signature", "is wrong", "sign with my secret")])
