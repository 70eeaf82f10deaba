"""kill -9 of receipts, of mongod and of the customers, in the middle of many receipts."""

import asyncio
import time
from collections import Counter
from typing import Any

from bench.ledger.flow import records_of
from bench.ledger.house import House
from bench.ledger.records import Said, say
from receipts.ledger.adapters.collections import FACTS, SETTLED

_PAUSE_S = 3.0
_POLL_S = 1.0


async def kill_everything(house: House, count: int, within_s: float) -> dict[str, Any]:
    """Let receipts of ``count`` messages come, kill what there is, one after the other; compare."""
    said = say(count)
    await house.publish(records_of(house, said.accepted, said.finished))
    await house.producer.flush()
    begun = time.monotonic()
    flow = asyncio.create_task(_flow(house, said))
    killed = [await _kill(house, name) for name in (*house.instances, "mongo", "simulators")]
    killed += [await _kill(house, house.instances[0])]
    await flow
    published_s = time.monotonic() - begun
    heard = await _until_heard(house, said, begun + within_s)
    return {
        "receipts": len(said.receipts),
        "published_s": round(published_s, 1),
        "all_pushed_after_s": round(time.monotonic() - begun, 1),
        "killed": killed,
        **_judge(house, said, heard),
    }


async def _flow(house: House, said: Said) -> None:
    """Let receipts come over the time that the kills take."""
    records = records_of(house, said.receipts)
    step = max(1, len(records) // 100)
    for first in range(0, len(records), step):
        await house.publish(records[first : first + step])
        await asyncio.sleep(5 * _PAUSE_S / 100)
    await house.producer.flush()


async def _kill(house: House, name: str) -> dict[str, Any]:
    await asyncio.sleep(_PAUSE_S)
    settled = await asyncio.to_thread(house.count, SETTLED)
    if name == "mongo":
        house.servers.mongo.kill()
        await asyncio.sleep(1)
        await asyncio.to_thread(house.servers.mongo.start)
    else:
        house.stack.kill(name)
    return {"what": name, "when_settled": settled}


async def _until_heard(house: House, said: Said, deadline: float) -> dict[str, list[str]]:
    """Wait until the customer has acknowledged every message; give all that it was told, by id."""
    wanted = {event.message_id for event in said.accepted}  # type: ignore[attr-defined]
    while True:
        found = (await house.customer(detail=True))["by_sms_id"]
        heard = {
            sms_id: [arrival["status"] for arrival in story["arrivals"]]
            for sms_id, story in found.items()
            if any(arrival["answer"] == "00000" for arrival in story["arrivals"])
        }
        if wanted <= heard.keys() or time.monotonic() > deadline:
            return heard
        await asyncio.sleep(_POLL_S)


def _judge(house: House, said: Said, heard: dict[str, list[str]]) -> dict[str, Any]:
    """Hold what is stored, and what the customer heard, against what was said."""
    settled = {
        one["_id"]: one["status"]
        for part in house.parts(SETTLED)
        for one in house.database[part].find()
    }
    facts: Counter[str] = Counter()
    for part in house.parts(FACTS):
        for one in house.database[part].aggregate([{"$group": {"_id": "$kind", "n": {"$sum": 1}}}]):
            facts[one["_id"]] += one["n"]
    words = {"delivered": "0", "failed": "1"}
    wrong = [i for i, status in settled.items() if words[status] not in heard.get(i, ())]
    times = Counter(map(len, heard.values()))
    is_exact = facts == said.facts and Counter(settled.values()) == said.statuses
    return {
        "pushed": house.count_pushed(),
        "facts": dict(facts),
        "facts_expected": dict(said.facts),
        "statuses": dict(Counter(settled.values())),
        "statuses_expected": dict(said.statuses),
        "ledger_is_exact": is_exact,
        "early_receipts_left": house.database["early_receipts"].count_documents({}),
        "not_heard_of_rightly": len(wrong),
        "heard_once": times[1],
        "heard_again": sum(times.values()) - times[1],
        "holds": is_exact and not wrong,
    }
