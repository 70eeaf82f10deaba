"""The customers over HTTP: POST /customers/{name}/receipts takes results, .../events events."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from aiohttp import web

from yizhan_simulators.customers.customer import Customer, PushTaking
from yizhan_simulators.draws import Answer
from yizhan_simulators.faces.wire import Silence, answer, hang_up, party
from yizhan_simulators.named import Named

log = logging.getLogger(__name__)


class CustomerFace:
    """Reads pushes and acknowledges them or not, as the customer says."""

    def __init__(self, customers: Named[Customer], silence: Silence) -> None:
        self._customers = customers
        self._silence = silence

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/customers/{name}/receipts", self.push),
            web.post("/customers/{name}/events", self.event),
        ]

    async def push(self, request: web.Request) -> web.StreamResponse:
        """Take results."""
        customer = party(self._customers, request)
        return await self._take(request, customer, customer.take)

    async def event(self, request: web.Request) -> web.StreamResponse:
        """Take an event."""
        customer = party(self._customers, request)
        return await self._take(request, customer, customer.take_event)

    async def _take(
        self,
        request: web.Request,
        customer: Customer,
        take: Callable[[Mapping[str, str], bytes], PushTaking],
    ) -> web.StreamResponse:
        if customer.behaviour.down:
            return hang_up(request)
        body = await request.read()
        try:
            taking = take(request.headers, body)
        except OSError:
            log.exception("a push could not be recorded", extra={"customer": customer.name})
            return answer({"respCode": "50000"}, 500)
        return await self._tell(request, taking)

    async def _tell(self, request: web.Request, taking: PushTaking) -> web.StreamResponse:
        if taking.answer is Answer.LOST:
            return await self._silence.lose(request, taking.lose_by)
        if taking.latency_s:
            await asyncio.sleep(taking.latency_s)
        if taking.answer is Answer.FAILED:
            return answer({"detail": "the simulated customer fails"}, taking.error_status)
        if taking.problems:
            problems = [problem._asdict() for problem in taking.problems]
            return answer({"respCode": taking.resp_code, "problems": problems})
        return answer({"respCode": taking.resp_code})
