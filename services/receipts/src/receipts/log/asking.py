"""What a request may ask for, and its errors in words: names, times and pages of all searches."""

import re
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import HTTPException
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from receipts.log.domain import Query
from yizhan_contracts.events import Lane
from yizhan_contracts.ids import MESSAGE_ID_PATTERN

MOST: Final = 500
"""Rows of a page."""
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 9000
_NUMBER: Final = re.compile(r"[ +]([1-9][0-9]{6,14})")


def _e164(phone: str) -> str:
    """Read a number; a + that came as it is has become a space on its way.

    Without one it may be a number at home, and nothing found would be the wrong answer.
    """
    match = _NUMBER.fullmatch(phone)
    if phone and match is None:
        raise ValueError(
            "write the number in E.164: + (as %2B), country code and number, digits only, such as "
            "%2B491701234567"
        )
    return f"+{match[1]}" if match else ""


def _in_our_time(at: datetime | None) -> datetime | None:
    """Refuse what ids and cursors cannot hold."""
    if at is not None and not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise ValueError(f"name a time between the years {_FIRST_YEAR} and {_LAST_YEAR}")
    return at


Phone = Annotated[
    str,
    Field(max_length=40, description="E.164, + as %2B, such as %2B491701234567."),
    AfterValidator(_e164),
]
Name = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
Text = Annotated[
    str,
    Field(
        max_length=200,
        pattern=r"^[^\x00]*$",
        description="Part of it in any language, literally but for case. Wants read:personal.",
    ),
]
When = Annotated[
    AwareDatetime | None,
    Field(description="RFC 3339 with a zone, such as 2026-11-29T08:00:00Z."),
    AfterValidator(_in_our_time),
]
AnyStatus = Literal["", "in-flight", "delivered", "failed", "expired", "unknown", "cancelled"]
MessageIdOrNone = Annotated[str, Field(pattern=rf"^$|{MESSAGE_ID_PATTERN}")]


class Asked(BaseModel):
    """What every search takes."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    phone: Phone = ""
    account_id: Annotated[str, Field(max_length=200, description="An account's own by itself.")] = (
        ""
    )
    since: When = None
    until: When = None
    limit: Annotated[int, Field(ge=1, le=MOST)] = 50
    cursor: Annotated[str, Field(max_length=400, description="`next` of the page before.")] = ""
    unmasked: Annotated[
        bool, Field(description="Whole numbers: for operators, who are logged. Accounts: scope.")
    ] = False
    shows: Annotated[
        Literal["", "text"], Field(alias="with", description="`text`: wants read:personal.")
    ] = ""

    @property
    def is_with_text(self) -> bool:
        return self.shows == "text"

    def identity(self, account_id: str) -> str:
        """Say what is searched for: not how much of it, and not how it is shown."""
        ways = {"cursor", "limit", "unmasked", "shows"}
        return self.model_copy(update={"account_id": account_id}).model_dump_json(exclude=ways)


class AskedOfLog(Asked):
    """What the log is searched by."""

    reference: Name = ""
    batch: Name = ""
    status: AnyStatus = ""
    reason: Name = ""
    carrier_code: Name = ""
    template: Name = ""
    channel: Annotated[Name, Field(description="By which it was settled.")] = ""
    country: Annotated[str, Field(pattern=r"^([A-Z]{2})?$")] = ""
    lane: Lane | Literal[""] = ""
    text: Text = ""

    def query(self, account_id: str) -> Query:
        """Give the query as it is asked, without a default for its times."""
        return Query(
            account_id=account_id,
            phone=self.phone,
            reference=self.reference,
            batch_id=self.batch,
            since=self.since,
            until=self.until,
            status=str(self.status),
            reason=self.reason,
            carrier_code=self.carrier_code,
            template_id=self.template,
            channel=self.channel,
            country=self.country,
            lane=str(self.lane),
            text=self.text,
        )


class AskedOfReplies(Asked):
    """What replies are searched by."""

    message_id: MessageIdOrNone = ""
    conversation_id: MessageIdOrNone = ""
    text: Text = ""


class AskedOfConversation(Asked):
    """Whose conversation is shown."""

    sender: Annotated[
        Name, Field(description="Only what was exchanged with this sender of ours.")
    ] = ""


def refused(error: Exception) -> HTTPException:
    """Answer a query that cannot be meant, in its own words."""
    return HTTPException(422, str(error))
