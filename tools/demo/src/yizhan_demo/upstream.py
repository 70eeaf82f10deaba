"""An upstream logistics system: shipments of 30 countries, as untidy as real ones.

It writes Yizhan's own JSON and CloudEvents (binary and structured), repeats itself, sends
milestones out of order, reports planned ones, and now and then writes rubbish. Everything is drawn
from one seed.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import phonenumbers

ACCOUNT_WITH_VOICE = "demo"
ACCOUNT_SMS_ONLY = "demo-sms"
SOURCE = "/demo/wms"
EVENT_TYPE = "com.yizhan.shipment.updated.v1"

COUNTRIES: dict[str, str] = {
    "CN": "zh", "HK": "zh-Hant", "TW": "zh-Hant", "JP": "ja", "KR": "ko", "VN": "vi", "TH": "th",
    "ID": "id", "MY": "en", "SG": "en", "PH": "en", "IN": "en", "AE": "ar", "SA": "ar", "TR": "tr",
    "EG": "ar",
    "NG": "en", "KE": "en", "ZA": "en", "DE": "de", "FR": "fr", "ES": "es", "IT": "it", "PT": "pt",
    "PL": "en",
    "GB": "en", "US": "en", "MX": "es", "BR": "pt", "AU": "en",
}  # fmt: skip
"""The countries of the demo and the language that a recipient there has asked for."""

TRACK = ("picked-up", "in-transit", "customs-cleared", "out-for-delivery", "delivered")
INCIDENTS = ("delayed", "customs-held", "available-for-pickup", "return-accepted")


class Kind(StrEnum):
    """What a record is meant to be: what the demo may expect of its answer."""

    GOOD = "good"
    REPEATED = "repeated"
    LATE = "late"
    PLANNED = "planned"
    BAD_NUMBER = "bad number"
    MALFORMED = "malformed"


@dataclass(frozen=True)
class UpstreamRecord:
    """One record for ``shipment.updated``."""

    kind: Kind
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    event_id: str = ""


@dataclass
class Upstream:
    """Draws records. The same seed and start give the same records, ids included."""

    seed: int
    run: str
    """Part of every event id: a second run of the demo is not a repeat of the first."""
    events: int
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def records(self) -> Iterator[UpstreamRecord]:
        """Draw the whole morning: good events, with the untidy ones strewn in."""
        made = 0
        while made < self.events:
            for record in self._shipment(made):
                yield record
                made += 1
                yield from self._untidy(record)

    def _shipment(self, number: int) -> list[UpstreamRecord]:
        country = self._random.choice(list(COUNTRIES))
        shipment_id = f"SHP-{self.run}-{number:05d}"
        person = {
            "phone": number_in(country, self._random),
            "language": COUNTRIES[country],
            "name": "",
        }
        steps = list(TRACK[: self._random.randint(1, len(TRACK))])
        if self._random.random() < 0.3:
            steps.insert(self._random.randint(0, len(steps)), self._random.choice(INCIDENTS))
        account = ACCOUNT_WITH_VOICE if self._random.random() < 0.5 else ACCOUNT_SMS_ONLY
        begun = datetime.now(UTC) - timedelta(minutes=len(steps))
        bodies = [
            self._body(account, shipment_id, step, person, begun + timedelta(minutes=at))
            for at, step in enumerate(steps)
        ]
        if len(bodies) > 1 and self._random.random() < 0.2:
            bodies[-1], bodies[-2] = bodies[-2], bodies[-1]
        return [self._written(Kind.GOOD, body) for body in bodies]

    def _body(
        self, account: str, shipment_id: str, milestone: str, person: dict[str, str], at: datetime
    ) -> dict[str, Any]:
        return {
            "event_id": f"{shipment_id}-{milestone}",
            "source": SOURCE,
            "account_id": account,
            "shipment_id": shipment_id,
            "milestone": milestone,
            "occurred_at": at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "recipients": [{name: value for name, value in person.items() if value}],
            "attributes": self._attributes(shipment_id),
        }

    def _attributes(self, shipment_id: str) -> dict[str, str]:
        return {
            "tracking_number": shipment_id.replace("-", ""),
            "place": "Hub 7",
            "eta": "2026-12-01",
        }

    def _untidy(self, record: UpstreamRecord) -> Iterator[UpstreamRecord]:
        """Strew something untidy in after one good record of eight."""
        drawn = self._random.random()
        if drawn < 0.05:
            yield UpstreamRecord(
                Kind.REPEATED, record.key, record.value, record.headers, record.event_id
            )
        elif drawn < 0.07:
            yield self._changed(Kind.PLANNED, classifier="planned")
        elif drawn < 0.10:
            bad = self._random.choice(
                ["13800138000", "+999123456789", "+4912", "call me", "+33 1 23 45 67 89 00"]
            )
            yield self._changed(Kind.BAD_NUMBER, recipients=[{"phone": bad, "language": "en"}])
        elif drawn < 0.13:
            yield self._malformed(record)

    def _changed(self, kind: Kind, **changes: Any) -> UpstreamRecord:  # noqa: ANN401
        country = self._random.choice(list(COUNTRIES))
        shipment_id = f"SHP-{self.run}-{kind.replace(' ', '')}-{self._random.getrandbits(32):08x}"
        person = {"phone": number_in(country, self._random), "language": COUNTRIES[country]}
        body = self._body(ACCOUNT_SMS_ONLY, shipment_id, "picked-up", person, datetime.now(UTC))
        return self._written(kind, body | changes)

    def _malformed(self, record: UpstreamRecord) -> UpstreamRecord:
        value = self._random.choice(
            [
                b'{"event_id": "broken',
                b"\xff\xfe not json",
                b"[]",
                b'{"source": "/demo/wms"}',
                b"",
                b"null",
            ]
        )
        return UpstreamRecord(Kind.MALFORMED, record.key, value)

    def _written(self, kind: Kind, body: dict[str, Any]) -> UpstreamRecord:
        """Write a body in one of the three forms that ingest takes."""
        key = body["shipment_id"].encode()
        form = self._random.random()
        if form < 0.5:
            return UpstreamRecord(kind, key, _json(body), (), body["event_id"])
        data = {name: value for name, value in body.items() if name not in {"event_id", "source"}}
        attributes = {
            "specversion": "1.0",
            "id": body["event_id"],
            "source": body["source"],
            "type": EVENT_TYPE,
            "time": body["occurred_at"],
        }
        if form < 0.75:
            headers = tuple((f"ce_{name}", value.encode()) for name, value in attributes.items())
            json_type = ("content-type", b"application/json")
            return UpstreamRecord(kind, key, _json(data), (*headers, json_type), body["event_id"])
        structured = {**attributes, "datacontenttype": "application/json", "data": data}
        event_type = ("content-type", b"application/cloudevents+json; charset=UTF-8")
        return UpstreamRecord(kind, key, _json(structured), (event_type,), body["event_id"])


def number_in(country: str, drawn: random.Random) -> str:
    """Draw a mobile number that the country's numbering plan allows.

    It reaches only the simulators.
    """
    example = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    if example is None:
        raise ValueError(f"no mobile numbers are known of {country}")
    digits = str(example.national_number)
    for _ in range(50):
        varied = digits[:-5] + "".join(drawn.choice("0123456789") for _ in range(5))
        number = phonenumbers.parse(f"+{example.country_code}{varied}")
        if (
            phonenumbers.is_valid_number(number)
            and phonenumbers.region_code_for_number(number) == country
        ):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
