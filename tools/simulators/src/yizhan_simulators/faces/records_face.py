"""What was taken, over HTTP: GET and DELETE /records/{kind} and /records/{kind}/{name}."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from aiohttp import web

from yizhan_simulators.carriers.record import across
from yizhan_simulators.carriers.records import CarrierBook
from yizhan_simulators.customers.records import CustomerBook
from yizhan_simulators.faces.wire import answer
from yizhan_simulators.voice.records import ProviderBook


class Record(Protocol):
    """The record of one party."""

    @property
    def name(self) -> str: ...

    def summary(self) -> dict[str, Any]: ...


class Book(Protocol):
    """The records of one kind."""

    def __iter__(self) -> Iterator[Record]: ...

    def clear(self, name: str, /) -> None: ...


class RecordsFace:
    """Shows and clears the records. `?detail=1` tells the story of every ref or smsId."""

    def __init__(
        self, carriers: CarrierBook, providers: ProviderBook, customers: CustomerBook
    ) -> None:
        self._carriers = carriers
        self._providers = providers
        self._customers = customers
        self._books: Mapping[str, Book] = {
            "carriers": carriers,
            "providers": providers,
            "customers": customers,
        }

    def routes(self) -> list[web.RouteDef]:
        kind = f"/records/{{kind:{'|'.join(self._books)}}}"
        return [
            web.get("/records/carriers", self.all_carriers),
            web.get("/records/carriers/{name}", self.carrier),
            web.get("/records/providers/{name}", self.provider),
            web.get("/records/customers/{name}", self.customer),
            web.get(kind, self.all_of_kind),
            web.delete(kind, self.clear_kind),
            web.delete(f"{kind}/{{name}}", self.clear),
        ]

    async def all_carriers(self, _: web.Request) -> web.Response:
        summaries = {record.name: record.summary() for record in self._carriers}
        return answer({**across(self._carriers), "carriers": summaries})

    async def all_of_kind(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        return answer({kind: {record.name: record.summary() for record in self._books[kind]}})

    async def carrier(self, request: web.Request) -> web.Response:
        record = self._carriers.of(request.match_info["name"])
        ref = request.query.get("ref", "")
        detail = {"by_ref": record.detail(ref)} if _wants_detail(request) else {}
        return answer({"name": record.name, **record.summary(), **detail})

    async def provider(self, request: web.Request) -> web.Response:
        record = self._providers.of(request.match_info["name"])
        ref = request.query.get("ref", "")
        detail = {"by_ref": record.detail(ref)} if _wants_detail(request) else {}
        return answer({"name": record.name, **record.summary(), **detail})

    async def customer(self, request: web.Request) -> web.Response:
        record = self._customers.of(request.match_info["name"])
        asked = request.query.get("sms_id", ""), request.query.get("phone", "")
        detail = {"by_sms_id": record.detail(*asked)} if _wants_detail(request) else {}
        return answer({"name": record.name, **record.summary(), **detail})

    async def clear(self, request: web.Request) -> web.Response:
        self._books[request.match_info["kind"]].clear(request.match_info["name"])
        return answer({"cleared": [request.match_info["name"]]})

    async def clear_kind(self, request: web.Request) -> web.Response:
        book = self._books[request.match_info["kind"]]
        names = [record.name for record in book]
        for name in names:
            book.clear(name)
        return answer({"cleared": names})


def _wants_detail(request: web.Request) -> bool:
    asked = request.query
    return asked.get("detail") == "1" or any(key in asked for key in ("ref", "sms_id", "phone"))
