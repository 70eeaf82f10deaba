"""The searches that are measured: what each asks for, drawn anew for every request."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

Asked = dict[str, Any]
Ask = Callable[[str, Asked], Awaitable[dict[str, Any]]]

_DEEP: Final = 20
"""The page that is measured where it is not the first."""


@dataclass(frozen=True)
class Drawn:
    """Messages of the account ``exams`` from all over the ledger."""

    SPAN: ClassVar[timedelta] = timedelta(weeks=5)

    rows: list[dict[str, Any]]
    now: datetime

    def row(self, number: int) -> dict[str, Any]:
        return self.rows[number * 7 % len(self.rows)]

    def since(self, **ago: int) -> str:
        return (self.now - timedelta(**ago)).isoformat()


@dataclass(frozen=True)
class Search:
    """One kind of search."""

    title: str
    asks: Callable[[Drawn, int], Asked]
    path: str = "/v1/log"
    rows: str = "messages"
    page: int = 1

    async def prepare(self, ask: Ask, drawn: Drawn, number: int) -> Asked:
        """Give what is to be asked: of a page that is not the first, go there, unmeasured."""
        asked = self.asks(drawn, number)
        for _ in range(self.page - 1):
            cursor = (await ask(self.path, asked))["next"]
            if cursor is None:
                break
            asked = asked | {"cursor": cursor}
        return asked


def searches() -> Iterator[Search]:
    """Give them all: those by an index first."""
    yield from _by_index()
    yield from _filtered()
    yield Search(
        "conversation",
        lambda drawn, n: _exams(phone=drawn.row(n)["phone"]),
        "/v1/conversations",
        "entries",
    )


def _exams(**more: Any) -> Asked:  # noqa: ANN401 - whatever is asked
    return {"account_id": "exams"} | more


def _by_index() -> Iterator[Search]:
    yield Search("phone, all accounts", lambda drawn, n: {"phone": drawn.row(n)["phone"]})
    yield Search("phone of one account", lambda drawn, n: _exams(phone=drawn.row(n)["phone"]))
    yield Search(
        "phone and a week",
        lambda drawn, n: {"phone": drawn.row(n)["phone"], "since": drawn.since(days=7)},
    )
    yield Search("reference", lambda drawn, n: _exams(reference=drawn.row(n)["reference"]))
    yield Search("batch", lambda drawn, n: _exams(batch=drawn.row(n)["batch_id"]))
    yield Search(
        f"batch, page {_DEEP}",
        lambda drawn, n: _exams(batch=drawn.row(n)["batch_id"], limit=100),
        page=_DEEP,
    )
    yield Search("account, last 24 hours", lambda _, __: _exams())
    yield Search(
        "account, a day somewhere",
        lambda drawn, n: _exams(since=drawn.since(days=n % 34 + 1), until=drawn.since(days=n % 34)),
    )
    yield Search("account, five weeks", lambda drawn, _: _exams(since=drawn.since(weeks=5)))
    yield Search(
        f"account, five weeks, page {_DEEP} of 100",
        lambda drawn, n: _exams(
            since=drawn.since(weeks=5), until=drawn.since(days=n % 30), limit=100
        ),
        page=_DEEP,
    )
    yield Search(
        "account, five weeks, 500 rows with texts",
        lambda drawn, _: _exams(since=drawn.since(weeks=5), limit=500) | {"with": "text"},
    )
    for status in ("failed", "cancelled"):
        yield Search(
            f"account, status {status}",
            lambda drawn, n, status=status: _exams(  # type: ignore[misc]
                since=drawn.since(weeks=5), until=drawn.since(days=n % 30), status=status
            ),
        )


_FILTERS: Final[dict[str, Asked]] = {
    "in flight": {"status": "in-flight"},
    "reason": {"reason": "blacklisted"},
    "carrier's code": {"carrier_code": "MK:0012"},
    "channel": {"channel": "hk-b"},
    "template": {"template": "score-en"},
    "country": {"country": "HK"},
    "lane": {"lane": "bulk"},
    "text, Chinese, common": {"text": "欧阳修文"},
    "text, Chinese, nowhere": {"text": "没有这样的话"},
    "status, template and text": {"status": "failed", "template": "score-zh", "text": "张三"},
    "template, nowhere": {"template": "nothing"},
    "channel, nowhere": {"channel": "nothing"},
}


def _filtered() -> Iterator[Search]:
    """Give each filter, in a day and in all five weeks."""
    for title, asked in _FILTERS.items():
        yield Search(
            f"{title}; a day",
            lambda drawn, n, asked=asked: _exams(  # type: ignore[misc]
                since=drawn.since(days=n % 34 + 1), until=drawn.since(days=n % 34), **asked
            ),
        )
        yield Search(
            f"{title}; five weeks",
            lambda drawn, n, asked=asked: _exams(  # type: ignore[misc]
                since=drawn.since(weeks=5), until=drawn.since(days=n % 20), **asked
            ),
        )
    yield Search(
        "text, Chinese, one of a batch",
        lambda drawn, n: _exams(batch=drawn.row(n)["batch_id"], text=drawn.row(n)["reference"]),
    )
    yield Search(
        "failed of a batch",
        lambda drawn, n: _exams(batch=drawn.row(n)["batch_id"], status="failed"),
    )
