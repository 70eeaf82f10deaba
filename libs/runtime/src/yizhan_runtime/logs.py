"""JSON logs, one event a line, with phone numbers masked and data left out, whoever wrote them."""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

from yizhan_runtime.explaining import explain

_NUMBER = re.compile(
    r"""(?<![\w.+-])(?:          # not within an id, a fraction or a date
        \+[1-9](?:[ ().-]{0,2}\d){6,14}   # E.164, written in groups too
      | 00[1-9]\d{6,13}(?!\w)             # the same with the international prefix
    )""",
    re.VERBOSE,
)
_KEPT_DIGITS = 6
_HIDDEN_DIGITS = 3

FASTSTREAM_LOGGER = "yizhan_runtime.faststream"
"""Not "faststream": that one has a handler of its own, which writes colours instead of JSON."""

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    "asctime",
    "color_message",
    "message",
    "taskName",
}
_NOISY_SECONDS = 10.0
_MAX_FRAMES = 20


def mask_numbers(text: str) -> str:
    """Keep the country and network of every phone number in a text, hide the rest."""
    return _NUMBER.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    prefix = "00" if match.group().startswith("00") else "+"
    digits = "".join(filter(str.isdigit, match.group()))[2 if prefix == "00" else 0 :]
    return f"{prefix}{digits[: min(_KEPT_DIGITS, len(digits) - _HIDDEN_DIGITS)]}…"


class JsonFormatter(logging.Formatter):
    """Keys are stable: ts, level, logger, service, event, then what ``extra`` gives, then error."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "service": self._service,
            "event": mask_numbers(record.getMessage()),
        }
        for key, value in record.__dict__.items():
            if key not in _STANDARD:
                line[key] = _plain(value)
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = mask_numbers(tell(record.exc_info[1]))
        return json.dumps(line, ensure_ascii=False)


def _plain(value: object) -> object:
    # String by string: masked as a whole, a line could lose digits of a JSON number.
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return mask_numbers(str(value))


def tell(error: BaseException) -> str:
    """Tell an error and its causes, the first cause first, with frames and without data."""
    told: list[str] = []
    current: BaseException | None = error
    while current is not None and len(told) < _MAX_FRAMES:
        frames = "".join(traceback.format_tb(current.__traceback__, limit=-_MAX_FRAMES))
        inner = "".join(f"\n  - {explain(one)}" for one in _members(current))
        told.append(f"{frames}{explain(current)}{inner}")
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
    return "\nwhich led to\n".join(reversed(told))


def _members(error: BaseException) -> tuple[BaseException, ...]:
    return error.exceptions if isinstance(error, BaseExceptionGroup) else ()


class _KafkaNoise(logging.Filter):
    """Let one message of each of aiokafka's loggers and templates through in ten seconds.

    A Kafka that is down makes it log 130 errors a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("aiokafka"):
            return True
        key = (record.name, str(record.msg)[:60])
        if record.created - self._last.get(key, 0.0) < _NOISY_SECONDS:
            return False
        self._last[key] = record.created
        return True


def configure_logging(service: str, level: str) -> None:
    """Send everything to stdout as JSON. Call once, before anything logs."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    handler.addFilter(_KafkaNoise())
    for quiet in ("aiokafka", "pymongo", "uvicorn.access"):
        logging.getLogger(quiet).setLevel(
            max(logging.WARNING, logging.getLevelNamesMapping()[level])
        )
    # Its warnings are about topics it may not make, and members that are spare on purpose.
    logging.getLogger(FASTSTREAM_LOGGER).setLevel(logging.ERROR)
    # Says that an offset was out of range: records went before anybody had read them.
    logging.getLogger("aiokafka.consumer.fetcher").setLevel(logging.INFO)


def get_logger(name: str) -> logging.Logger:
    """Give the logger of a module. Put ids into ``extra``, never numbers, texts or keys."""
    return logging.getLogger(name)
