"""Behaviours over HTTP: GET, PUT (partial JSON) and DELETE /control/{kind}/{name}."""

import logging
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from pydantic import BaseModel
from pydantic_core import from_json

from yizhan_simulators.faces.wire import answer, invalid, party
from yizhan_simulators.named import Named, Party
from yizhan_simulators.revision import Invalid, Problem

log = logging.getLogger(__name__)

Changed = Callable[[str, str], Awaitable[None]]
"""Told the kind and name of a party whose behaviour changed."""


class ControlFace:
    """Shows and changes how the parties behave. A refused change changes nothing."""

    def __init__(self, kinds: Mapping[str, Named[Party]], changed: Changed) -> None:
        self._kinds = kinds
        self._changed = changed

    def routes(self) -> list[web.RouteDef]:
        path = f"/control/{{kind:{'|'.join(self._kinds)}}}"
        return [
            web.get(path, self.list_all),
            web.get(f"{path}/{{name}}", self.show),
            web.put(f"{path}/{{name}}", self.change),
            web.delete(f"{path}/{{name}}", self.reset),
        ]

    async def list_all(self, request: web.Request) -> web.Response:
        parties = self._kind(request)
        return answer({name: _json(parties.of(name).behaviour) for name in parties})

    async def show(self, request: web.Request) -> web.Response:
        return answer(_json(party(self._kind(request), request).behaviour))

    async def change(self, request: web.Request) -> web.Response:
        target = party(self._kind(request), request)
        try:
            behaviour = target.revise(_body(await request.read()))
        except Invalid as error:
            return invalid(error.problems)
        return await self._in_force(request, behaviour)

    async def reset(self, request: web.Request) -> web.Response:
        party(self._kind(request), request)
        behaviour = self._kind(request).reset(request.match_info["name"])
        return await self._in_force(request, behaviour)

    async def _in_force(self, request: web.Request, behaviour: BaseModel) -> web.Response:
        kind, name = request.match_info["kind"], request.match_info["name"]
        await self._changed(kind, name)
        log.info("behaviour changed", extra={"kind": kind, "party": name})
        return answer(_json(behaviour))

    def _kind(self, request: web.Request) -> Named[Party]:
        return self._kinds[request.match_info["kind"]]


def _body(body: bytes) -> object:
    try:
        return from_json(body)
    except ValueError as error:
        raise Invalid([Problem("(body)", "not JSON", 'send e.g. {"down": true}')]) from error


def _json(behaviour: BaseModel) -> object:
    return behaviour.model_dump(mode="json")
