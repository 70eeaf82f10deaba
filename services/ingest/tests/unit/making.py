"""Accounts, events and records to test with. Numbers are from ranges reserved for fiction."""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from services.ingest.tests.unit.fakes import NOON, counting_bits

from ingest.adapters.catalogue_file import FileCatalogue, parse_catalogue
from yizhan_contracts.ids import RandomBits
from yizhan_contracts.topics import SHIPMENT_UPDATED
from yizhan_runtime.records import Headers, RawRecord

US = "+12015550123"
US_OTHER = "+12015550145"
CA = "+16135550123"
SECRET = "a-secret"
SECRET_SHA256 = hashlib.sha256(SECRET.encode()).hexdigest()
AUTHORIZATION = f"Bearer send-and-read.{SECRET}"

ACCOUNTS = f"""
shared:
  templates: &templates
    - id: delivered
      state: approved
      variables: {{ tracking_number: {{ max_length: 40 }} }}
      languages:
        zh: '【驿站】包裹{{tracking_number}}已签收。'
        zh-Hant: '【驛站】包裹{{tracking_number}}已簽收。'
        en: '[Yizhan] {{tracking_number}} was delivered.'
      voice_script: {{ zh: '您的包裹已签收。', en: 'Your parcel was delivered.' }}
    - id: on-its-way
      state: approved
      variables: {{ tracking_number: {{}}, place: {{ max_length: 10, pattern: '[A-Za-z ]+' }} }}
      languages: {{ zh: '{{tracking_number}}在{{place}}', en: '{{tracking_number}} at {{place}}' }}
    - id: score
      version: 1
      state: retired
      variables: {{ name: {{}} }}
      languages: {{ zh: '旧{{name}}' }}
    - id: score
      version: 2
      state: approved
      variables: {{ name: {{}}, code: {{}}, subject: {{}}, score: {{ max_length: 5 }} }}
      languages:
        zh: '【XX考试中心】考生{{name}},您的准考证号{{code}}的{{subject}}成绩为{{score}}分。'
    - id: score
      version: 3
      state: pending
      variables: {{ name: {{}} }}
      languages: {{ zh: '新{{name}}' }}
    - id: unapproved
      state: pending
      languages: {{ zh: '你好' }}
accounts:
  - id: shop
    name: A shop
    state: verified
    sender: Yizhan
    packages: {{ domestic: 1000000, international: 1000000 }}
    balance: 100.00
    validity_s: 3600
    test_numbers: ['+1201555014']
    policy: {{ voice: on-failure, receipt_timeout_s: 6 }}
    keys:
      - {{ key: send-and-read, secret_sha256: {SECRET_SHA256} }}
      - {{ key: send-only, secret_sha256: {SECRET_SHA256}, scopes: [send] }}
      - {{ key: test-key, secret_sha256: {SECRET_SHA256}, test: true }}
    templates: *templates
    senders:
      - {{ value: Shop }}
      - {{ value: Shop, country: CN, state: rejected }}
      - {{ value: '72345', country: US, state: pending }}
      - {{ value: '1069055', country: CN }}
    rules:
      delivered: {{ template: delivered, lane: urgent, validity_s: 120, max_age_s: 86400 }}
      in-transit: {{ template: on-its-way, validity_s: 60, notify: first }}
      arrived: {{ template: on-its-way, validity_s: 60 }}
      delayed: {{ template: delivered, sender: Late }}
      return-accepted: {{ template: delivered }}
      return-completed: {{ template: delivered }}
      refund-updated: {{ template: delivered }}
      exception: {{ template: unapproved }}
      cancelled: {{ template: delivered, notify: never }}
  - id: other
    name: Somebody else
    state: verified
    sender: Other
    packages: {{ domestic: 1000000, international: 1000000 }}
    balance: 100.00
    keys: [{{ key: other-key, secret_sha256: {SECRET_SHA256} }}]
    templates: *templates
    rules: {{ delivered: {{ template: delivered }} }}
  - id: waiting
    name: Not verified
    state: pending
    sender: Yizhan
    keys: [{{ key: waiting-key, secret_sha256: {SECRET_SHA256} }}]
    templates: *templates
    rules: {{ delivered: {{ template: delivered }} }}
"""


def catalogue() -> FileCatalogue:
    return FileCatalogue(parse_catalogue(ACCOUNTS, "accounts.yaml"))


def random_bits() -> RandomBits:
    """Bits that can be told apart and repeat with the test."""
    numbers = counting_bits()
    return lambda _bits: next(numbers)


def event(*phones: str, **fields: Any) -> dict[str, Any]:
    """A native event: delivered, to one number of no real person."""
    return {
        "event_id": "e-1",
        "source": "upstream",
        "account_id": "shop",
        "shipment_id": "S1",
        "milestone": "delivered",
        "occurred_at": NOON.isoformat(),
        "recipients": [{"phone": phone} for phone in phones or (US,)],
        **fields,
    }


def raw(
    value: bytes | None, headers: Headers = (), key: bytes | None = b"S1", offset: int = 0
) -> RawRecord:
    ms = int(NOON.timestamp() * 1000)
    return RawRecord(SHIPMENT_UPDATED.name, 0, offset, key, value, headers, ms)


def raws(events: Sequence[dict[str, Any] | bytes | None]) -> list[RawRecord]:
    encode: Callable[[Any], bytes | None] = lambda item: (  # noqa: E731
        json.dumps(item).encode() if isinstance(item, dict) else item
    )
    return [raw(encode(item), offset=offset) for offset, item in enumerate(events)]
