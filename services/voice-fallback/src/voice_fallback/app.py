"""Composition root of voice-fallback: the only place where things are constructed."""

import os
import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta

from voice_fallback import retention
from voice_fallback.adapters.mongo import MongoCallStore
from voice_fallback.adapters.receipts import HttpLedger
from voice_fallback.calling.call import Tools
from voice_fallback.calling.desk import Desk
from voice_fallback.calling.lines import Line, Lines
from voice_fallback.calling.results import Results
from voice_fallback.handlers import ROUTES
from voice_fallback.metrics import VoiceMetrics
from voice_fallback.providers.http_json import HttpJsonProvider
from voice_fallback.providers_file import ProviderConfig, VoiceConfig, load
from voice_fallback.settings import VoiceSettings
from voice_fallback.webhook import Webhook
from yizhan_contracts import topics
from yizhan_contracts.events import HoldChanged
from yizhan_runtime.clock import Clock, SystemClock
from yizhan_runtime.errors import Misconfigured
from yizhan_runtime.records import contract
from yizhan_runtime.service import Service
from yizhan_telecom.holds import Holds


def build(
    settings: VoiceSettings | None = None,
    *,
    clock: Clock | None = None,
    environment: Mapping[str, str] = os.environ,
    new_incarnation: Callable[[], str] = secrets.token_hex,
) -> Service:
    """Compose the service. Every process draws an incarnation of its own: it is on its claims."""
    settings = settings or VoiceSettings()
    config = load(settings.voice_providers_file)
    secret_of = _secrets(settings, config, environment)
    service = Service(topics.Service.VOICE_FALLBACK, settings, clock=clock or SystemClock())
    lines = Lines([_line(one, settings, secret_of) for one in config.providers])
    ledger = HttpLedger(settings.voice_receipts_url, settings.internal_token.get_secret_value())
    store = MongoCallStore(service.mongo())
    results = Results(store, service.clock)
    metrics = VoiceMetrics(service.registry)
    holds = Holds(on_lifted=service.hurry_parked)
    service.read_table(topics.HOLD_CHANGED.name, contract(HoldChanged), holds.on_changed)
    tools = Tools(
        config, lines, results, store, ledger, service.clock, metrics, new_incarnation(), holds
    )
    desk = Desk(tools, service.publisher)
    metrics.follow(lambda: desk.in_hand)
    tokens = {one.name: secret_of[one.webhook_token_ref] for one in config.providers}
    service.http.include_router(Webhook(tokens, desk.report, metrics, service.fail).router())
    service.consume_window(
        topics.Service.VOICE_FALLBACK,
        ROUTES,
        desk.take,
        on_revoked=desk.forget,
        look_ahead=settings.voice_look_ahead,
    )
    keep = timedelta(days=settings.voice_keep_days)
    service.background("calls", desk.run)
    service.background("results", results.poll)
    service.background("retention", lambda: retention.drop_old(store, service.clock, keep))
    service.on_stop(lines.close)
    service.on_stop(ledger.close)
    return service


def _secrets(
    settings: VoiceSettings, config: VoiceConfig, environment: Mapping[str, str]
) -> dict[str, str]:
    """Look up what the providers' file refers to. Raises Misconfigured, naming what is not set."""
    refs = {ref for one in config.providers for ref in (one.secret_ref, one.webhook_token_ref)}
    missing = sorted(ref for ref in refs if not environment.get(ref))
    if not settings.internal_token.get_secret_value():
        missing.append("YIZHAN_INTERNAL_TOKEN")
    if missing:
        raise Misconfigured(f"not set in the environment: {', '.join(missing)}")
    return {ref: environment[ref] for ref in refs}


def _line(config: ProviderConfig, settings: VoiceSettings, secret_of: Mapping[str, str]) -> Line:
    base, token = settings.voice_callback_url.rstrip("/"), secret_of[config.webhook_token_ref]
    provider = HttpJsonProvider(
        config.url,
        secret_of[config.secret_ref],
        f"{base}/v1/providers/{config.name}/calls/{token}",
        config.order_timeout_s,
    )
    return Line(config, provider)
