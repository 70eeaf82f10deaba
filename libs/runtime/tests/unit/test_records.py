"""Records and contracts."""

import pytest
from libs.runtime.tests.support import fetched

from yizhan_contracts.events import VoiceRequested
from yizhan_runtime import Poison, contract
from yizhan_runtime.records import raw_of


def test_null_and_non_utf8_headers_are_taken_as_they_are() -> None:
    headers = (("null", None), ("raw", b"\xff\xfe"), ("raw", b"second"))
    raw = raw_of(fetched([b"v"], headers=headers)[0], "in")
    assert raw.headers == headers
    assert (raw.header("raw"), raw.header("null"), raw.header("none")) == (b"\xff\xfe", None, None)


def test_the_origin_names_a_record() -> None:
    assert raw_of(fetched([b"v"], partition=3, first=12)[0], "in").origin == "in/3/12"


def test_a_tombstone_is_poison_with_a_code_of_its_own() -> None:
    with pytest.raises(Poison) as caught:
        contract(VoiceRequested)(raw_of(fetched([None])[0], "in"))
    assert caught.value.code == "tombstone"


@pytest.mark.parametrize(
    "value",
    [
        b"not json +8613812345678",
        b'{"to": "+8613812345678", "text": "secret text", "message_id": "nothing like one"}',
        b'{"message_id": {"secret text": "+8613812345678"}}',
        b"\xff\xfe +8613812345678",
        b"[" * 100_000,
    ],
)
def test_poison_names_fields_and_never_values(value: bytes) -> None:
    with pytest.raises(Poison) as caught:
        contract(VoiceRequested)(raw_of(fetched([value])[0], "in"))
    assert caught.value.code == "invalid"
    assert caught.value.detail
    for secret in ("13812345678", "secret text", "nothing like one"):
        assert secret not in str(caught.value)
    assert caught.value.__cause__ is None


def test_poison_says_which_field_it_is() -> None:
    with pytest.raises(Poison, match="message_id: "):
        contract(VoiceRequested)(raw_of(fetched([b'{"message_id": 5}'])[0], "in"))
