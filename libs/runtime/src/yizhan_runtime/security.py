"""FastStream's own notation of the security settings."""

from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from yizhan_runtime.kafka import tls_context
from yizhan_runtime.settings import RuntimeSettings


def broker_security(settings: RuntimeSettings) -> BaseSecurity | None:
    """Translate TLS and SASL settings. Raises Misconfigured for files that cannot be read."""
    if settings.kafka_security == "PLAINTEXT":
        return None
    context = tls_context(settings) if settings.kafka_security.endswith("SSL") else None
    if not settings.kafka_security.startswith("SASL"):
        return BaseSecurity(ssl_context=context, use_ssl=True)
    kinds = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    return kinds[settings.kafka_sasl_mechanism](
        username=settings.kafka_username,
        password=settings.kafka_password.get_secret_value(),
        ssl_context=context,
        use_ssl=context is not None,
    )
