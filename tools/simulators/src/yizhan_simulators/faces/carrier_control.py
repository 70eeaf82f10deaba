"""What only carriers can be told: replies of recipients, binds to look at and to cut."""

from typing import Annotated

from aiohttp import web
from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from yizhan_simulators.carriers.carrier import Carrier
from yizhan_simulators.faces.wire import answer, invalid, party
from yizhan_simulators.named import Named
from yizhan_simulators.revision import problems_of
from yizhan_simulators.smpp.face import SmppFace

_Address = Annotated[str, StringConstraints(min_length=1, max_length=21)]
_Reply = TypedDict(
    "_Reply",
    {"from": _Address, "to": _Address, "text": Annotated[str, Field(max_length=5000)]},
)
_Reply.__pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # type: ignore[attr-defined]
_REPLY = TypeAdapter(_Reply)


class CarrierControl:
    """POST /control/carriers/{name}/replies and /cut, GET /control/carriers/{name}/binds."""

    def __init__(self, carriers: Named[Carrier], smpp: SmppFace) -> None:
        self._carriers = carriers
        self._smpp = smpp

    def routes(self) -> list[web.RouteDef]:
        path = "/control/carriers/{name}"
        return [
            web.post(f"{path}/replies", self.reply),
            web.get(f"{path}/binds", self.binds),
            web.post(f"{path}/cut", self.cut),
        ]

    async def reply(self, request: web.Request) -> web.Response:
        carrier = party(self._carriers, request)
        try:
            reply = _REPLY.validate_json(await request.read())
        except ValidationError as error:
            return invalid(problems_of(error))
        carrier.reply(reply["from"], reply["to"], reply["text"])
        return answer({"planned": 1}, 202)

    async def binds(self, request: web.Request) -> web.Response:
        sessions = self._smpp.binds(party(self._carriers, request).name)
        return answer({"binds": [session.story() for session in sessions]})

    async def cut(self, request: web.Request) -> web.Response:
        return answer({"cut": self._smpp.cut(party(self._carriers, request).name)})
