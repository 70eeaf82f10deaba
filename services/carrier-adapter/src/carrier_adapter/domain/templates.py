"""A message in the words of a carrier that wants its own templates. Pure."""

from carrier_adapter.carriers.base import Templated
from yizhan_contracts.events import ChannelConfigured, MessageAccepted, TemplateState
from yizhan_telecom.channel_rules import template_in


def templated(config: ChannelConfigured, message: MessageAccepted) -> Templated | None:
    """Give the carrier's template and its values, None where it has approved none for this one.

    A variable that the message does not have is sent empty.
    """
    if message.template is None or not config.templates:
        return None
    found = template_in(config, message.template)
    if found is None or found.state is not TemplateState.APPROVED:
        return None
    given = message.template.variables
    return Templated(found.code, tuple(given.get(name, "") for name in found.variables))
