import phonenumbers
import pytest

from yizhan_simulators.countries import Countries


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+8613800138000", "CN"),
        ("+85291234567", "HK"),
        ("+12025550100", "US"),
        ("+14165550100", "CA"),
        ("+12425550100", "BS"),
        ("+447400123456", "GB"),
        ("+447624123456", "IM"),
        ("+77011234567", "KZ"),
        ("+79161234567", "RU"),
        ("+88312345678", "ZZ"),
        ("+999123", "ZZ"),
        ("8613800138000", "ZZ"),
        ("", "ZZ"),
    ],
)
def test_country_of_a_number(number: str, country: str) -> None:
    assert Countries().of(number) == country


def test_agrees_with_the_numbering_plan_for_every_country() -> None:
    countries = Countries()
    wrong = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if example is not None:
            number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            if countries.of(number) != phonenumbers.region_code_for_number(example):
                wrong.append(region)

    assert wrong == []
