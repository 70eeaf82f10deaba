"""What dead leases paid for, counted in the store: the truth is what was accepted."""

from collections import Counter
from collections.abc import Sequence

from ingest.ports import Publisher
from ingest.quota.ports import PaidInputs, Wallets
from ingest.quota.wallet import OpenLease

_CHUNK = 500


async def recover(
    leases: Sequence[OpenLease], wallets: Wallets, inputs: PaidInputs, publisher: Publisher
) -> int:
    """Close leases whose owner is gone, or does not know; give how many units came back.

    A request that was stored and perhaps not published is published first: from here on it is paid
    and nobody else would. An event is read again, and published then. Any number of processes may
    do this at once: they count the same, and the first closes. Raises Retryable.
    """
    paid = await inputs.paid_by(leases)
    await _publish_unfinished([one.input_id for one in paid if one.is_request], inputs, publisher)
    used: Counter[str] = Counter()
    for one in paid:
        used[one.lease_id] += one.units
    back = 0
    for lease in leases:
        if await wallets.close_lease(lease, used[lease.lease_id]):
            back += lease.granted - used[lease.lease_id]
    return back


async def _publish_unfinished(
    input_ids: Sequence[str], inputs: PaidInputs, publisher: Publisher
) -> None:
    for at in range(0, len(input_ids), _CHUNK):
        chunk = input_ids[at : at + _CHUNK]
        done = set(await inputs.find_done(chunk))
        found = await inputs.find([input_id for input_id in chunk if input_id not in done])
        await publisher.publish([one.message for one in found.values()])
        await inputs.add_done(list(found))
