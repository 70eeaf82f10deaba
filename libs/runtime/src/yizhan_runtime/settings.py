"""What every service is told through its environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class RuntimeSettings(BaseSettings):
    """Settings that all services share; a service adds its own in a subclass, same prefix."""

    model_config = SettingsConfigDict(env_prefix="YIZHAN_", frozen=True, extra="ignore")

    namespace: str = Field(default="", pattern=r"^([a-z0-9-]+\.)?$")
    """Prefix of topics, groups and databases, such as ``staging.``: stacks can share a Kafka."""

    kafka_url: str = Field(default="127.0.0.1:9092", description="host:port, comma-separated")
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_ca_file: Path | None = None
    kafka_cert_file: Path | None = None
    kafka_key_file: Path | None = None
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_username: str = ""
    kafka_password: SecretStr = SecretStr("")

    mongo_url: SecretStr = SecretStr("mongodb://127.0.0.1:27017")
    """A secret, because it may hold a password."""
    mongo_timeout_s: float = Field(default=10.0, gt=0)

    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65535)
    http_cert_file: Path | None = None
    """PEM, with the chain: the HTTP edge speaks TLS, and nothing else, health included."""
    http_key_file: Path | None = None

    instance: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]{0,40}$")
    """A stable replica id makes consumers static members: a crash costs a second instead of a
    session timeout. Two live processes must never share one."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    publish_timeout_s: float = Field(default=15.0, gt=0)
    drain_timeout_s: float = Field(default=25.0, gt=0)
    """How long a revoke or a stop waits for what is begun."""
    start_timeout_s: float = Field(default=60.0, gt=0)
    stuck_after_s: float = Field(default=180.0, gt=0)
    """One try of a batch, or a partition with records, without progress for so long: the process
    ends. A batch that waits for MongoDB, Kafka or a peer does not count: it is tried again."""

    @property
    def kafka_hosts(self) -> list[str]:
        """The bootstrap addresses, one by one."""
        return [host.strip() for host in self.kafka_url.split(",") if host.strip()]

    @model_validator(mode="after")
    def _key_needs_a_certificate(self) -> "RuntimeSettings":
        if self.kafka_key_file is not None and self.kafka_cert_file is None:
            raise ValueError("YIZHAN_KAFKA_KEY_FILE needs YIZHAN_KAFKA_CERT_FILE")
        return self

    @model_validator(mode="after")
    def _tls_needs_both(self) -> "RuntimeSettings":
        if (self.http_cert_file is None) != (self.http_key_file is None):
            raise ValueError("YIZHAN_HTTP_CERT_FILE and YIZHAN_HTTP_KEY_FILE go together")
        return self

    @model_validator(mode="after")
    def _sasl_needs_a_user(self) -> "RuntimeSettings":
        if self.kafka_security.startswith("SASL") and not self.kafka_username:
            raise ValueError(
                "YIZHAN_KAFKA_SECURITY with SASL needs YIZHAN_KAFKA_USERNAME and "
                "YIZHAN_KAFKA_PASSWORD"
            )
        return self

    def database(self, service: str) -> str:
        """Name a service's own database. MongoDB allows no dot in it."""
        return f"{self.namespace}{service}".replace(".", "_").replace("-", "_")
