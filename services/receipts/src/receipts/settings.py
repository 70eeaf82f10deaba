"""What receipts is told through its environment, beside the settings that all services share."""

from pathlib import Path

from pydantic import Field, SecretStr

from yizhan_runtime import RuntimeSettings


class ReceiptsSettings(RuntimeSettings):
    """Variables begin with ``YIZHAN_``, those of receipts alone with ``YIZHAN_RECEIPTS_``."""

    internal_token: SecretStr = SecretStr("")
    """What other services show (``Authorization: Bearer``). Empty: all are refused."""
    tokens_url: str = ""
    """Ingest's address, to check its tokens with its keys. Empty: no token lets in."""

    receipts_endpoints_file: Path | None = None
    """The endpoints that accounts begin with, and what the guard lets through (YAML)."""
    receipts_vault_keys: SecretStr = SecretStr("")
    """What seals the secrets that pushes are signed with: texts of 16 characters or more,
    comma-separated. The first one is used; those after it still open what they sealed."""
    receipts_replay_per_s: float = Field(default=500.0, gt=0, le=10_000)
    """Results or events that a replay says to one endpoint in a second, at most."""

    receipts_batch_records: int = Field(default=2000, ge=1, le=10_000)
    """Records that are stored and followed up together, at most: four of them make a message."""

    receipts_submit_timeout_s: float = Field(default=10.0, gt=0, le=120)
    """The longest submit timeout in the channel table: the last deadline counts from after it."""
    receipts_settle_margin_s: float = Field(default=10.0, ge=10.0)
    """Between the moment when nothing can be sent any more and the last deadline."""
    receipts_waiting_file: Path | None = None
    """How long receipts are waited for, by country, and what missing feeds are (YAML)."""
    receipts_call_margin_s: float = Field(default=10.0, ge=0)
    """How much later than its limit a call's report may come."""

    receipts_sweep_margin_s: float = Field(default=2.0, ge=0)
    """How long a document may take from its time of insertion until it can be seen."""
    receipts_start_grace_s: float = Field(default=15.0, ge=0)
    """After a start, deadlines wait until what piled up has been read."""
    receipts_full_sweep_period_s: float = Field(default=60.0, gt=0)
    receipts_full_sweep_reach_s: float = Field(default=7 * 86_400.0, gt=0)
    """The longest validity and the longest wait for a receipt, with some days to spare."""
    receipts_full_sweep_min_age_s: float = Field(default=600.0, ge=0)
    """Younger messages are the cursors' business."""

    receipts_push_gather_s: float = Field(default=0.05, ge=0, le=5)
    """A result waits this long for others to go in the same POST."""
    receipts_push_patience_s: float = Field(default=1.0, gt=0, le=30)
    """What is not acknowledged by then is stored, so that slow customers hold up nobody."""

    receipts_export_share: float = Field(default=0.5, gt=0, le=1)
    """Part of the time that an instance may spend on exports."""
    receipts_export_kept_days: float = Field(default=7.0, gt=0, le=30)
    """How long an export's file can be read, from when it was asked for."""
    receipts_export_lease_s: float = Field(default=30.0, gt=0)
    """How long an export stays with an instance that does not go on: then another takes it."""

    receipts_retention_file: Path | None = None
    """How long contents, numbers and all the rest are kept, by account (YAML). None: 30, 180 and
    400 days."""
    receipts_retention_period_s: float = Field(default=3600.0, gt=0)
    receipts_retention_share: float = Field(default=0.1, gt=0, le=1)
    """Part of the time that an instance may spend on taking out what is due."""

    receipts_erasure_key: SecretStr = SecretStr("")
    """Of the deployment: numbers that were erased are named by their HMAC under it. Empty: nothing
    is erased on request. It must stay the same, or proofs cannot be compared any more."""
    receipts_erasure_lag_s: float = Field(default=60.0, ge=0)
    """How long a record may take from ingest into the ledger: an erasure looks again after it."""
