"""Where an account wants to be told, and how it is told there. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, HttpUrl
from yarl import URL

BOTH_SIGN_FOR: Final = timedelta(hours=24)
"""After a rotation the secret before it signs as well, so that receivers change over in peace."""


class About(StrEnum):
    """What is told at an address."""

    RESULTS = "results"
    """What became of SMS, in the S3 format."""
    EVENTS = "events"
    """All else, in the envelope of Standard Webhooks."""


class State(StrEnum):
    """What an endpoint does."""

    ACTIVE = "active"
    PAUSED = "paused"
    """Nothing is sent, everything is kept."""
    DELETED = "deleted"


class Wishes(BaseModel):
    """What a customer says of an endpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: HttpUrl | None = None
    """Where results go."""
    events_url: HttpUrl | None = None
    concurrency: int = Field(default=4, ge=1, le=64)
    """Requests at a time, at each of the two addresses."""
    timeout_s: float = Field(default=10.0, gt=0, le=60)

    def url_for(self, about: About) -> HttpUrl | None:
        return self.url if about is About.RESULTS else self.events_url


@dataclass(frozen=True, slots=True)
class Secret:
    """What pushes are signed with. ``clear`` is empty where it cannot be opened any more."""

    secret_id: str
    clear: str = field(repr=False)
    created_at: datetime
    retires_at: datetime | None = None
    sealed: str = ""
    """As it is kept; empty until it is."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An account's endpoint, as it is in force. Never changed in place."""

    account_id: str
    wishes: Wishes
    state: State = State.ACTIVE
    secrets: tuple[Secret, ...] = ()
    """The newest first."""
    resumed_at: datetime | None = None
    version: int = 1
    seed: str = ""
    """Digest of the file's entry that it comes from."""

    def target(self, about: About) -> "Target | None":
        """Give the address for one matter, if there is one."""
        url = self.wishes.url_for(about)
        if url is None or self.state is State.DELETED:
            return None
        return Target(
            self.account_id,
            about,
            URL(str(url)),
            self.wishes.concurrency,
            self.wishes.timeout_s,
            self.secrets,
            self.state is State.PAUSED,
            self.resumed_at,
        )


class Target(NamedTuple):
    """One address of an endpoint, with all that a push to it needs to know."""

    account_id: str
    about: About
    url: URL
    concurrency: int = 4
    timeout_s: float = 10.0
    secrets: tuple[Secret, ...] = ()
    is_paused: bool = False
    resumed_at: datetime | None = None

    @property
    def lane_id(self) -> str:
        return lane_id_of(self.about, self.account_id)

    def signing_keys(self, now: datetime) -> list[str]:
        """Give the secrets that sign now, the newest first."""
        return [one.clear for one in self.secrets if one.clear and not _is_over(one, now)]


def lane_id_of(about: About, account_id: str) -> str:
    """Name what goes to one address."""
    return f"{about}:{account_id}"


def changed(endpoint: Endpoint, wishes: Wishes) -> Endpoint:
    """Give it other wishes; a deleted one is there again, with no secret."""
    state = State.ACTIVE if endpoint.state is State.DELETED else endpoint.state
    return replace(endpoint, wishes=wishes, state=state)


def paused(endpoint: Endpoint) -> Endpoint:
    """Let it be told nothing for now."""
    return replace(endpoint, state=State.PAUSED)


def resumed(endpoint: Endpoint, now: datetime) -> Endpoint:
    """Let it go on. What waits has its day from now: it could not be told meanwhile."""
    if endpoint.state is not State.PAUSED:
        return endpoint
    return replace(endpoint, state=State.ACTIVE, resumed_at=now)


def deleted(endpoint: Endpoint) -> Endpoint:
    """End it. Addresses and secrets are forgotten."""
    return replace(endpoint, state=State.DELETED, wishes=Wishes(), secrets=())


def rotated(endpoint: Endpoint, fresh: Secret, now: datetime) -> Endpoint:
    """Give it its next secret; the one before it signs for a day more, older ones no more."""
    before = [replace(one, retires_at=now + BOTH_SIGN_FOR) for one in endpoint.secrets[:1]]
    return replace(endpoint, secrets=(fresh, *before))


def unsigned(endpoint: Endpoint) -> Endpoint:
    """Take its secrets away."""
    return replace(endpoint, secrets=())


def signing(secrets: Iterable[Secret], now: datetime) -> list[Secret]:
    """Give the secrets that are not over."""
    return [one for one in secrets if not _is_over(one, now)]


def _is_over(secret: Secret, now: datetime) -> bool:
    return secret.retires_at is not None and secret.retires_at <= now
