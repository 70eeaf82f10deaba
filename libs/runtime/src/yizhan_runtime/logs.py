"""JSON logs, one event a line, with phone numbers masked whoever wrote them."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

_NUMBER = re.compile(r"(?<![0-9a-f])(\+|00)(\d{3,6})\d{3,10}(?![0-9a-f])")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_NOISY_SECONDS = 10.0


def mask_numbers(text: str) -> str:
    """Keep the country and network of every phone number in a text, hide the rest."""
    return _NUMBER.sub(r"\1\2…", text)


class JsonFormatter(logging.Formatter):
    """Keys are stable: ts, level, logger, service, event, then what ``extra`` gives."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "service": self._service,
            "event": record.getMessage(),
        }
        line.update((key, value) for key, value in record.__dict__.items() if key not in _STANDARD)
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return mask_numbers(json.dumps(line, default=str, ensure_ascii=False))


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
    for quiet in ("aiokafka", "faststream", "pymongo", "uvicorn.access"):
        logging.getLogger(quiet).setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))


def get_logger(name: str) -> logging.Logger:
    """Give the logger of a module. Put ids into ``extra``, never numbers, texts or keys."""
    return logging.getLogger(name)
