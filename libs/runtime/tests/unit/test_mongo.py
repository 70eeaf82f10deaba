"""MongoDB's errors: what is done about which."""

from typing import Any

import pytest
from bson.errors import InvalidDocument
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DocumentTooLarge,
    NetworkTimeout,
    OperationFailure,
    WTimeoutError,
)

from yizhan_runtime.errors import Misconfigured, Permanent, Retryable
from yizhan_runtime.mongo import existing_ids, translated


def failure(code: int, name: str = "a", **more: Any) -> dict[str, Any]:
    return {"code": code, "op": {"_id": name, "text": "secret"}, **more}


def bulk(*failures: dict[str, Any], **more: Any) -> BulkWriteError:
    return BulkWriteError({"writeErrors": list(failures), **more})


def test_ids_that_were_there_are_given() -> None:
    error = bulk(failure(11000, "a", keyPattern={"_id": 1}), failure(11000, "b"))
    assert existing_ids(error) == {"a", "b"}


@pytest.mark.parametrize(
    "error",
    [
        bulk(failure(11000), failure(121, "b")),
        bulk(failure(11000), writeConcernErrors=[{"code": 64}]),
        bulk(failure(11000, keyPattern={"reference": 1})),
        bulk(failure(11600)),
    ],
)
def test_anything_else_is_no_repeat(error: BulkWriteError) -> None:
    with pytest.raises(BulkWriteError):
        existing_ids(error)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (AutoReconnect("gone"), Retryable),
        (NetworkTimeout("slow"), Retryable),
        (WTimeoutError("majority"), Retryable),
        (TimeoutError(), Retryable),
        (OperationFailure("stepping down", 11600), Retryable),
        (OperationFailure("no code"), Retryable),
        (bulk(failure(11600)), Retryable),
        (bulk(failure(121), failure(11600)), Retryable),
        (bulk(failure(121), writeConcernErrors=[{"code": 64}]), Retryable),
        (bulk(failure(121), failure(11000)), Permanent),
        (bulk(failure(11000, keyPattern={"reference": 1})), Permanent),
        (OperationFailure("bad query", 2), Permanent),
        (OperationFailure("another's key", 11000), Permanent),
        (DocumentTooLarge("16 MB"), Permanent),
        (InvalidDocument("a type"), Permanent),
        (OverflowError("8 bytes"), Permanent),
        (OperationFailure("password", 18), Misconfigured),
        (OperationFailure("role", 13), Misconfigured),
        (OperationFailure("index", 85), Misconfigured),
    ],
)
def test_what_is_to_be_done_about_it(error: Exception, kind: type[Exception]) -> None:
    ours = translated(error, "MongoDB insert on facts")
    assert type(ours) is kind
    assert "secret" not in str(ours)
    assert str(ours).startswith("MongoDB insert on facts")
