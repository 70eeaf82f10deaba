"""Carriers made of channels' configurations, with the secrets that they name."""

from collections.abc import Mapping
from functools import partial

from carrier_adapter.carriers.base import Carrier
from carrier_adapter.carriers.http_json import HttpJsonCarrier
from carrier_adapter.carriers.smpp.carrier import SmppCarrier
from carrier_adapter.carriers.smpp.tls import TlsError
from carrier_adapter.carriers.trial import TrialCarrier
from carrier_adapter.metrics import AdapterMetrics, SmppMetrics
from carrier_adapter.receiving.taking import Taking
from yizhan_contracts.events import ChannelConfigured, Protocol
from yizhan_runtime.clock import Clock
from yizhan_runtime.logs import get_logger

log = get_logger(__name__)


class CarrierMaker:
    """Speaks every protocol that there is; a channel that lacks something for its own is shut."""

    def __init__(
        self,
        environment: Mapping[str, str],
        callback_url: str,
        taking: Taking,
        clock: Clock,
        metrics: AdapterMetrics,
    ) -> None:
        self._environment = environment
        self._callback_url = callback_url.rstrip("/")
        self._taking = taking
        self._clock = clock
        self._metrics = metrics

    def token(self, config: ChannelConfigured) -> str:
        """Give the token in the path of the channel's webhook, empty where there is none."""
        return self._environment.get(config.webhook_token_ref, "")

    def make(self, config: ChannelConfigured) -> Carrier | None:
        """Make a channel's carrier; None, said loudly, where something is missing for it."""
        try:
            return self._made(config)
        except (_MissingError, TlsError) as error:
            log.error(  # noqa: TRY400 - the configuration is at fault, and the error says it all
                "a channel is shut", extra={"channel": config.channel, "why": str(error)}
            )
            return None

    def _made(self, config: ChannelConfigured) -> Carrier:
        if config.protocol is Protocol.HTTP_JSON:
            return self._http_json(config)
        if config.protocol is Protocol.SMPP:
            return self._smpp(config)
        if config.test:  # and nobody to speak to
            return TrialCarrier(partial(self._taking.take, config), self._clock)
        raise _MissingError("the protocol none reaches no handset: it is for test channels")

    def _http_json(self, config: ChannelConfigured) -> Carrier:
        secret = self._required("secret_ref", config.secret_ref)
        token = self._required("webhook_token_ref", config.webhook_token_ref)
        callback = f"{self._callback_url}/v1/carriers/{config.channel}/receipts/{token}"
        return HttpJsonCarrier(config, secret, callback)

    def _smpp(self, config: ChannelConfigured) -> Carrier:
        if config.smpp is None:
            raise _MissingError("smpp is missing: at least its system_id")
        return SmppCarrier(
            config,
            config.smpp,
            self._required("secret_ref", config.secret_ref),
            self._environment,
            self._taking,
            self._clock,
            SmppMetrics(self._metrics, config.channel),
        )

    def _required(self, field: str, ref: str) -> str:
        value = self._environment.get(ref, "")
        if not value:
            raise _MissingError(f"{field} names {ref or 'no variable'}, which is not set")
        return value


class _MissingError(Exception):
    """Something that the channel needs is not there."""
