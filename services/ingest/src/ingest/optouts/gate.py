"""Which messages of a round go to numbers that get none. One query a round."""

from collections.abc import Mapping, Sequence

from ingest.errors import RequestRefused
from ingest.optouts.domain import Stops, refusal_of
from ingest.ports import Input, Inputs
from ingest.templates.model import Category


async def stopped(
    stops: Stops, inputs: Inputs, wanted: Sequence[Input]
) -> Mapping[str, RequestRefused]:
    """Give the inputs that are stopped, with their refusals. Raises Retryable.

    A repeat of what was accepted before is told its first answer, whatever was said since.
    """
    found = await stops.find({(i.message.account_id, i.message.recipient) for i in wanted})
    if not found:
        return {}
    refused = {}
    for one in wanted:
        who = (one.message.account_id, one.message.recipient)
        template = one.message.template
        category = Category(template.category) if template else Category.NOTIFICATION
        if refusal := refusal_of(found.get(who, ()), category):
            refused[one.input_id] = RequestRefused(422, [refusal])
    known = await inputs.find(refused)
    return {name: refusal for name, refusal in refused.items() if name not in known}
