"""Which changes of an event running consumers and old records can follow, and which not."""

from enum import StrEnum
from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from yizhan_contracts.compatibility import breaking_changes
from yizhan_contracts.events import EVENTS, Event
from yizhan_contracts.open_enum import OpenEnum
from yizhan_contracts.schemas import schema_of


class Colour(StrEnum):
    RED = "red"


class MoreColours(StrEnum):
    RED = "red"
    BLUE = "blue"


class Cause(OpenEnum):
    UNKNOWN = "unknown"


class MoreCauses(OpenEnum):
    UNKNOWN = "unknown"
    RAIN = "rain"


class Inner(BaseModel):
    size: int


class InnerWithout(BaseModel):
    weight: int = 0


def breaks(old: object, new: object) -> list[str]:
    """Compare two models that have one field, of these types."""

    class Old(BaseModel):
        field: old  # type: ignore[valid-type]

    class New(BaseModel):
        field: new  # type: ignore[valid-type]

    return breaking_changes(Old.model_json_schema(), New.model_json_schema())


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_can_take_its_own_place(event: type[Event]) -> None:
    assert breaking_changes(schema_of(event), schema_of(event)) == []


def test_a_field_with_a_default_may_be_added() -> None:
    class Old(BaseModel):
        a: int

    class New(BaseModel):
        a: int
        b: str = ""

    assert breaking_changes(Old.model_json_schema(), New.model_json_schema()) == []
    assert breaking_changes(New.model_json_schema(), Old.model_json_schema()) == ["b is gone"]


def test_a_required_field_may_not_be_added_nor_become_required() -> None:
    class Old(BaseModel):
        a: int = 0

    class New(BaseModel):
        a: int
        b: str

    changes = breaking_changes(Old.model_json_schema(), New.model_json_schema())
    assert sorted(change.split()[0] for change in changes) == ["a", "b"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (int, str),
        (int, float),
        (int, int | None),
        (int | None, int),
        (Annotated[str, Field(max_length=9)], Annotated[str, Field(max_length=8)]),
        (Annotated[str, Field(max_length=9)], Annotated[str, Field(max_length=10)]),
        (Annotated[str, Field(pattern="^a$")], str),
        (dict[str, int], dict[str, str]),
        (tuple[int, ...], tuple[str, ...]),
        (dict[str, Inner], dict[str, InnerWithout]),
        (tuple[Inner, ...], tuple[InnerWithout, ...]),
        (Inner | None, InnerWithout | None),
        (Inner, InnerWithout),
        (Inner, str),
        (MoreColours, Colour),
        (Colour, MoreColours),
        (MoreCauses, Cause),
        (Cause, Colour),
    ],
)
def test_another_type_or_bound_is_told(old: object, new: object) -> None:
    assert breaks(old, new)


def test_an_open_enum_may_gain_values() -> None:
    assert breaks(Cause, MoreCauses) == []


def test_words_about_a_field_may_change() -> None:
    assert breaks(int, Annotated[int, Field(description="new words", title="T")]) == []


def test_the_place_is_named() -> None:
    assert breaks(tuple[Inner, ...], tuple[InnerWithout, ...]) == ["field[].size is gone"]
