"""What ingest is told through its environment, beside the settings that all services share."""

from pathlib import Path

from pydantic import Field, SecretStr

from yizhan_runtime.settings import RuntimeSettings
from yizhan_runtime.vault import materials_of


class IngestSettings(RuntimeSettings):
    """Settings of ingest. Variables begin with ``YIZHAN_INGEST_``."""

    ingest_accounts_file: Path = Path("deploy/config/accounts.yaml")
    """Accounts, keys, templates and rules: one YAML file, read at start."""

    internal_token: SecretStr = SecretStr("")
    """The operators' bearer token, and what services show each other. Empty: nobody is one."""

    ingest_vault_keys: SecretStr = SecretStr("")
    """What seals the secrets of API keys and signs tokens: texts of 16 characters or more,
    comma-separated. The first one is used; those after it still open what they sealed."""

    ingest_words_dir: Path | None = None
    """Word lists that texts are checked against. None: the folder ``words`` beside the accounts
    file; where it is not there, no words are looked for."""

    ingest_batch_records: int = Field(default=500, ge=1, le=5000)
    """Shipment events that are judged, stored and published together, at most."""

    ingest_request_timeout_s: float = Field(default=5.0, gt=0, le=60)
    """How long a request waits for Kafka and MongoDB before it is answered 503. A repeat of an
    Idempotency-Key takes over from a first request that is older than this."""
    ingest_round_requests: int = Field(default=100, ge=1, le=1000)
    """Requests that are stored and published together, at most."""
    ingest_waiting_requests: int = Field(default=2000, ge=1)
    """Requests that may wait for their round; more are answered 503 at once."""
    ingest_body_bytes: int = Field(default=65_536, ge=1024)
    ingest_api_instances: int = Field(default=1, ge=1)
    """How many replicas share the accounts' requests a second."""
    ingest_many_bytes: int = Field(default=2_097_152, ge=1024)
    """The same for a request with many recipients."""

    ingest_inputs_kept_h: int = Field(default=11 * 24, ge=8 * 24)
    """How long an input is remembered: the longest validity, 3 days, plus 7; and longer than
    ``shipment.updated`` is kept, or a re-read topic would send again."""

    ingest_lease_s: float = Field(default=60.0, ge=1, le=600)
    """How long a process spends from one lease of a package, at most."""
    ingest_lease_grace_s: float = Field(default=120.0, ge=1, le=1800)
    """What a crash left of a lease comes back so long after its end: longer than storing takes."""

    @property
    def vault_materials(self) -> list[str]:
        """The key material, the one in use first."""
        return materials_of(self.ingest_vault_keys)

    @property
    def words_dir(self) -> Path:
        """Give the folder of word lists."""
        return self.ingest_words_dir or self.ingest_accounts_file.parent / "words"
