"""From an account, a template and a checked number to the message that is published."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest import rendering
from ingest.catalogue import Account
from ingest.codes import Code, Refusal
from ingest.content.checking import ContentRules, Rendered
from ingest.numbers import Number
from ingest.templates import trial
from ingest.templates.model import Template
from yizhan_contracts.events import Lane, MessageAccepted, Origin, TemplateUse, VoicePolicy
from yizhan_telecom.charging import charging_num
from yizhan_telecom.networks import network_of


@dataclass(frozen=True, slots=True)
class Draft:
    """All that a message needs but its id and the moment."""

    account: Account
    template: Template
    language: str
    values: Mapping[str, str]
    """Exactly the template's variables."""
    number: Number
    lane: Lane
    sender: str
    validity_s: int
    reference: str
    origin: Origin
    test: bool = False


def usable(account: Account, template: Template | None) -> Refusal | None:
    """Say why this account may not send this template now, if so."""
    if not account.is_verified:
        return not_verified(account)
    if template is None:
        return Refusal(Code.TEMPLATE_UNKNOWN, "template")
    if not template.is_approved:
        detail = f"{template.id}, version {template.version}, is {template.state}."
        return Refusal(Code.TEMPLATE_NOT_APPROVED, "template", detail)
    return None


def not_verified(account: Account) -> Refusal:
    """Say that only a verified account sends."""
    return Refusal(Code.ACCOUNT_NOT_VERIFIED, detail=f"The account is {account.state}.")


def choose_language(account: Account, template: Template, wanted: str | None) -> str:
    """Choose among the template's languages; gives its lower-case tag."""
    default = trial.LOCALE if template is trial.TEMPLATE else account.locale
    return rendering.choose_language(template.texts, wanted, default)


def check_values(template: Template, values: Mapping[str, str]) -> tuple[Refusal, ...]:
    """Find everything that is wrong with the values of the template's variables."""
    refusals = []
    for name, variable in template.variables.items():
        value = values.get(name)
        if value is None:
            detail = f"{name}: no value."
            refusals.append(Refusal(Code.VARIABLE_MISSING, f"variables.{name}", detail))
            continue
        wrong = variable.refusal_of(name, value)
        if wrong is not None:
            refusals.append(wrong)
    return tuple(refusals)


def check_sender(
    account: Account, template: Template, language: str, sender: str, country: str
) -> Refusal | None:
    """Say why this may not be sent under that name there: its sender ID, or the name in 【】."""
    wrong = account.registered.refusal(sender, country, "sender")
    signature = rendering.signature_of(template.texts[language])
    if wrong is None and signature:
        wrong = account.registered.refusal(signature, country, "signature")
    return wrong


def check_content(rules: ContentRules, draft: Draft, text: str) -> tuple[Refusal, ...]:
    """Find what a rendered text may not say."""
    return rules.check(
        Rendered(draft.account.id, draft.template, draft.language, draft.values, text)
    )


def compose(draft: Draft, message_id: str, now: datetime) -> MessageAccepted:
    """Render. The values must have passed ``check_values``."""
    account, template = draft.account, draft.template
    text = rendering.fill(template.texts[draft.language], draft.values)
    return MessageAccepted(
        message_id=message_id,
        account_id=account.id,
        reference=draft.reference,
        lane=draft.lane,
        recipient=draft.number.e164,
        country=draft.number.country,
        network=network_of(draft.number.e164),
        sender=draft.sender,
        text=text,
        charging_num=charging_num(text),
        template=TemplateUse(
            template_id=template.id,
            version=template.version,
            language=template.tags[draft.language],
            category=template.category,
            variables=dict(draft.values),
        ),
        voice_script=_voice_script(draft),
        policy=account.policy,
        time_zone=account.time_zone,
        origin=draft.origin,
        test=draft.test,
        accepted_at=now,
        valid_until=now + timedelta(seconds=draft.validity_s),
    )


def _voice_script(draft: Draft) -> str:
    if draft.account.policy.voice is VoicePolicy.NEVER:
        return ""
    script = draft.template.voices.get(draft.language)
    return rendering.fill(script, draft.values) if script else ""
