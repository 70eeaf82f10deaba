"""/v1/endpoints: accounts manage where they are told, operators do it for all."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict

from receipts.access import Access
from receipts.errors import (
    CannotSeal,
    ChangedMeanwhile,
    EndpointRefused,
    ForbiddenAddress,
    NoSuchEndpoint,
)
from receipts.push.endpoints import About, Endpoint, Wishes, signing
from receipts.push.managing import ManageEndpoints
from receipts.push.replays import Progress, Replay, ReplayStore, Source, position_of
from receipts.push.sampling import Sampling
from yizhan_runtime import Clock, Retryable
from yizhan_runtime.tokens import Holder

_MOST: Final = 100
_STATUS_OF = {NoSuchEndpoint: 404, CannotSeal: 503, ChangedMeanwhile: 409}
_SIGNING: Final = "/v1/endpoints/{account_id}/secret"

AccountId = Annotated[str, Path(min_length=1, max_length=200)]


class WantedReplay(BaseModel):
    """What is to be said again."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime
    until: AwareDatetime | None = None
    """Now, if not given."""
    about: About = About.RESULTS
    source: Source = Source.KNOWN
    status: Literal["", "0", "1"] = ""
    """Of results: ``0`` successes, ``1`` failures, empty for both."""


class WantedSample(BaseModel):
    """Which address gets a sample."""

    model_config = ConfigDict(extra="forbid")

    about: About = About.RESULTS


class EndpointApi:
    """The routes, over the use cases."""

    def __init__(
        self,
        manage: ManageEndpoints,
        replays: ReplayStore,
        sampling: Sampling,
        access: Access,
        clock: Clock,
    ) -> None:
        self._manage = manage
        self._replays = replays
        self._sampling = sampling
        self._access = access
        self._clock = clock

    def router(self) -> APIRouter:
        """Make the routes: an account's own with a token of scope ``admin``, to read ``read``."""
        router = APIRouter(tags=["endpoints"])
        self._add_listing(router)
        self._add_endpoints(router)
        self._add_states(router)
        self._add_secrets(router)
        self._add_replays(router)
        return router

    def _add_listing(self, router: APIRouter) -> None:
        @router.get("/v1/endpoints", dependencies=[Depends(self._access.operator)])
        async def page(
            after: Annotated[str, Query(max_length=200)] = "",
        ) -> dict[str, Any]:
            """List endpoints by account id, a hundred at a time."""
            async with _explained():
                found = await self._manage.page(after, _MOST)
            return {"endpoints": [self._shown(one) for one in found], "most": _MOST}

    def _add_endpoints(self, router: APIRouter) -> None:
        reader, manager = Depends(self._access.reader), Depends(self._access.manager)

        @router.get("/v1/endpoints/{account_id}")
        async def show(account_id: AccountId, holder: Annotated[Holder, reader]) -> dict[str, Any]:
            """Show an account's endpoint; never its secrets."""
            _must_be_own(holder, account_id)
            async with _explained():
                return self._shown(await self._manage.find(account_id))

        @router.put("/v1/endpoints/{account_id}")
        async def save(
            account_id: AccountId, wishes: Wishes, holder: Annotated[Holder, manager]
        ) -> dict[str, Any]:
            """Make an account's endpoint, or change it. Addresses are resolved and checked."""
            _must_be_own(holder, account_id)
            if wishes.url is None and wishes.events_url is None:
                raise HTTPException(422, "name url, events_url or both; DELETE ends an endpoint")
            async with _explained():
                return self._shown(await self._manage.save(account_id, wishes))

        @router.delete("/v1/endpoints/{account_id}", status_code=204)
        async def delete(account_id: AccountId, holder: Annotated[Holder, manager]) -> None:
            """End an endpoint: nothing is pushed any more."""
            _must_be_own(holder, account_id)
            async with _explained():
                await self._manage.delete(account_id)

    def _add_states(self, router: APIRouter) -> None:
        manager = Depends(self._access.manager)

        @router.post("/v1/endpoints/{account_id}/pause")
        async def pause(
            account_id: AccountId, holder: Annotated[Holder, manager]
        ) -> dict[str, Any]:
            """Send nothing, keep everything, until it is resumed."""
            _must_be_own(holder, account_id)
            async with _explained():
                return self._shown(await self._manage.pause(account_id))

        @router.post("/v1/endpoints/{account_id}/resume")
        async def resume(
            account_id: AccountId, holder: Annotated[Holder, manager]
        ) -> dict[str, Any]:
            """Go on, in the order in which it was due."""
            _must_be_own(holder, account_id)
            async with _explained():
                return self._shown(await self._manage.resume(account_id))

        @router.post("/v1/endpoints/{account_id}/sample")
        async def sample(
            account_id: AccountId,
            holder: Annotated[Holder, manager],
            wanted: WantedSample | None = None,
        ) -> dict[str, Any]:
            """Send a sample push now, and tell what came of it."""
            _must_be_own(holder, account_id)
            about = wanted.about if wanted else About.RESULTS
            async with _explained():
                return (await self._sampling.send(account_id, about)).document()

    def _add_secrets(self, router: APIRouter) -> None:
        manager = Depends(self._access.manager)

        @router.post(_SIGNING)
        async def rotate(
            account_id: AccountId, holder: Annotated[Holder, manager]
        ) -> dict[str, Any]:
            """Sign with a new secret from now on; it is told this once."""
            _must_be_own(holder, account_id)
            async with _explained():
                endpoint, clear = await self._manage.rotate_secret(account_id)
            return {"secret": clear, **self._shown(endpoint)}

        @router.delete(_SIGNING)
        async def drop(account_id: AccountId, holder: Annotated[Holder, manager]) -> dict[str, Any]:
            """Sign nothing any more."""
            _must_be_own(holder, account_id)
            async with _explained():
                return self._shown(await self._manage.drop_secrets(account_id))

    def _add_replays(self, router: APIRouter) -> None:
        reader, manager = Depends(self._access.reader), Depends(self._access.manager)

        @router.post("/v1/endpoints/{account_id}/replay", status_code=202)
        async def replay(
            account_id: AccountId, wanted: WantedReplay, holder: Annotated[Holder, manager]
        ) -> dict[str, Any]:
            """Have a range of time said again, as it is now: a job; look how far it is."""
            _must_be_own(holder, account_id)
            job = _job(account_id, wanted, self._clock.now())
            async with _explained():
                if (await self._manage.find(account_id)).target(job.about) is None:
                    raise NoSuchEndpoint(f"there is no address for {job.about}: PUT one")
                await self._replays.add(job)
            return _told(job)

        @router.get("/v1/endpoints/{account_id}/replays")
        async def replays(
            account_id: AccountId, holder: Annotated[Holder, reader]
        ) -> dict[str, Any]:
            """List an account's replays, the newest first."""
            _must_be_own(holder, account_id)
            async with _explained():
                found = await self._replays.of_account(account_id, _MOST)
            return {"replays": [_told(job) for job in found], "most": _MOST}

        @router.delete("/v1/endpoints/{account_id}/replays/{replay_id}")
        async def cancel(
            account_id: AccountId, replay_id: str, holder: Annotated[Holder, manager]
        ) -> dict[str, Any]:
            """End a replay that runs."""
            _must_be_own(holder, account_id)
            async with _explained():
                job = await self._replays.find(replay_id)
                if job is None or job.account_id != account_id:
                    raise NoSuchEndpoint("this account has no such replay")
                ended = job.ended(Progress.CANCELLED, self._clock.now())
                return _told(ended if await self._replays.save(ended) else job)

    def _shown(self, endpoint: Endpoint) -> dict[str, Any]:
        secrets = signing(endpoint.secrets, self._clock.now())
        return {
            "account_id": endpoint.account_id,
            **endpoint.wishes.model_dump(mode="json"),
            "state": endpoint.state.value,
            "resumed_at": endpoint.resumed_at,
            "secrets": [
                {
                    "secret_id": one.secret_id,
                    "created_at": one.created_at,
                    "retires_at": one.retires_at,
                }
                for one in secrets
            ],
            "version": endpoint.version,
        }


def _job(account_id: str, wanted: WantedReplay, now: datetime) -> Replay:
    """Make the job. What happens after it is asked for is said anyway."""
    until = min(wanted.until or now, now)
    if wanted.since >= until:
        raise HTTPException(422, "since must be before until, and before now")
    if wanted.status and wanted.about is About.EVENTS:
        raise HTTPException(422, "events have no status: leave it out")
    return Replay(
        uuid.uuid4().hex,
        account_id,
        wanted.about,
        wanted.source,
        wanted.since,
        until,
        wanted.status,
        created_at=now,
        moved_at=now,
        after=position_of(wanted.since),
    )


def _told(job: Replay) -> dict[str, Any]:
    names = ("replay_id", "about", "source", "since", "until", "status", "created_at")
    more = ("moved_at", "items", "progress", "why")
    return {name: getattr(job, name) for name in (*names, *more)}


def _must_be_own(holder: Holder, account_id: str) -> None:
    if not holder.is_operator and holder.account_id != account_id:
        raise HTTPException(403, "this token is of another account")


@asynccontextmanager
async def _explained() -> AsyncIterator[None]:
    """Answer what the use cases refuse, in their own words."""
    try:
        yield
    except ForbiddenAddress as error:
        raise HTTPException(422, f"this address is refused: {error}") from error
    except EndpointRefused as error:
        raise HTTPException(_STATUS_OF.get(type(error), 409), str(error)) from error
    except Retryable as error:
        raise HTTPException(503, "endpoints cannot be read now", {"Retry-After": "1"}) from error
