"""Logs: one JSON line an event, without personal data, whoever writes it."""

import json
import logging
import sys
from typing import Any

import pytest
from pydantic import BaseModel
from pymongo.errors import BulkWriteError

from yizhan_runtime.errors import Retryable
from yizhan_runtime.logs import JsonFormatter, _KafkaNoise, mask_numbers


class Model(BaseModel):
    count: int


def line(message: str = "event", error: BaseException | None = None, **extra: Any) -> Any:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("a.b", logging.INFO, "f.py", 1, message, (), info)
    record.__dict__.update(extra)
    return json.loads(JsonFormatter("svc").format(record))


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """Give the error with the frames that raising it leaves."""
    with pytest.raises(type(error)) as caught:
        _raise_from(error, cause)
    return caught.value


def _raise_from(error: BaseException, cause: BaseException | None) -> None:
    if cause is not None:
        cause = raised(cause)
    raise error from cause


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("to +8613812345678", "to +861381…"),
        ("008613812345678 called", "00861381… called"),
        ("+86 138 1234 5678", "+861381…"),
        ("+1 (415) 555-2671", "+141555…"),
        ("+33612345678,+4915112345678", "+336123…,+491511…"),
        ("+4912345", "+4912…"),
        ("tel:+8613812345678;", "tel:+861381…;"),
    ],
)
def test_numbers_are_masked_but_for_country_and_network(text: str, masked: str) -> None:
    assert mask_numbers(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "00112233445566778899001122334455",
        "019aaf0012345678901234567890abcd-12",
        "2026-11-23T10:00:00.001234+00:00",
        "2026-11-23T10:00:00.001234567Z",
        "1763892000123",
        "offset 0, +0800",
        "550e8400-e29b-41d4-a716-001234567890",
        "0.001234567891",
        "message.accepted.v1.bulk/3/1234567890",
        "v1+123456",
        "#00ff00 0000",
    ],
)
def test_ids_times_and_figures_are_left_alone(text: str) -> None:
    assert mask_numbers(text) == text


def test_a_line_stays_json_whatever_is_masked_in_it() -> None:
    told = line("to +8613812345678", ms=0.001234567891, n=13812345678, tried=["008613812345678"])
    assert told["event"] == "to +861381…"
    assert (told["ms"], told["n"], told["tried"]) == (0.001234567891, 13812345678, ["00861381…"])


def test_keys_are_stable() -> None:
    told = line(message_id="m", partition=3)
    assert list(told) == ["ts", "level", "logger", "service", "event", "message_id", "partition"]


def test_an_error_is_told_with_its_causes_and_its_frames() -> None:
    told = line(error=raised(Retryable("away"), ConnectionRefusedError(111, "refused")))["error"]
    assert "ConnectionRefusedError: [Errno 111] refused" in told
    assert told.index("refused") < told.index("which led to") < told.index("Retryable: away")
    assert "in _raise_from" in told


def test_errors_of_others_do_not_quote_documents() -> None:
    secret = "secret " + "text"  # in two, because frames quote lines of source
    with pytest.raises(ValueError) as validation:  # noqa: PT011
        Model.model_validate_json(f'{{"count": "{secret}"}}')
    write = BulkWriteError({"writeErrors": [{"op": {"_id": "1", "text": secret}}]})
    for error in (
        validation.value,
        raised(Retryable("insert"), write),
        raised(KeyError(secret)),
        raised(ValueError(secret)),
        ExceptionGroup("group", [ValueError(secret), OSError("told")]),
    ):
        assert secret not in json.dumps(line(error=error))
    assert "count: Input should be" in line(error=validation.value)["error"]


def test_an_error_that_is_its_own_cause_ends() -> None:
    error = RuntimeError("a")
    error.__cause__ = error
    assert line(error=error)["error"]


def test_kafkas_noise_is_thinned_and_that_of_others_is_not() -> None:
    noise = _KafkaNoise()

    def passes(name: str, message: str, at: float) -> bool:
        record = logging.LogRecord(name, logging.ERROR, "f", 1, message, (), None)
        record.created = at
        return bool(noise.filter(record))

    assert passes("aiokafka.conn", "Unable connect", 100.0)
    assert not passes("aiokafka.conn", "Unable connect", 105.0)
    assert passes("aiokafka.conn", "Something else", 105.0)
    assert passes("aiokafka.conn", "Unable connect", 111.0)
    assert passes("ingest", "Unable connect", 111.0)
    assert passes("ingest", "Unable connect", 111.0)


def test_exc_info_without_an_error_is_no_error() -> None:
    assert sys.exc_info()[1] is None
    record = logging.LogRecord("a", logging.INFO, "f", 1, "m", (), (None, None, None))
    assert "error" not in json.loads(JsonFormatter("svc").format(record))
