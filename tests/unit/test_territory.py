"""The two areas of the contract's section 2, on the day in question."""

from datetime import date, timedelta

import pytest
from utresa.codec import COUNTRIES
from utresa.domain.territory import area, in_schengen, in_territory

TODAY = date(2024, 12, 31)
EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
BESIDE_THE_EU = "CH IS LI NO"
MEMBERS = {*EU.split(), *BESIDE_THE_EU.split()}
ONE_DAY = timedelta(days=1)


def test_the_territory_is_the_eu_iceland_liechtenstein_norway_and_switzerland() -> None:
    assert {country for country in COUNTRIES if in_territory(country, TODAY)} == MEMBERS


def test_schengen_is_the_territory_without_ireland_and_cyprus() -> None:
    inside = {country for country in COUNTRIES if in_schengen(country, TODAY)}
    assert inside == MEMBERS - {"IE", "CY"}


@pytest.mark.parametrize("country", ["AX", "GF", "GI", "XK", "GB", "TR", "US"])
def test_countries_outside_both_areas(country: str) -> None:
    assert not in_territory(country, TODAY)
    assert not in_schengen(country, TODAY)
    assert area(country, TODAY) == "outside"


def test_the_united_kingdom_leaves_the_territory_after_2020_01_31() -> None:
    last = date(2020, 1, 31)
    assert in_territory("GB", last)
    assert not in_territory("GB", last + ONE_DAY)
    assert not in_schengen("GB", last)


def test_croatia_joins_the_territory_on_2013_07_01() -> None:
    first = date(2013, 7, 1)
    assert in_territory("HR", first)
    assert not in_territory("HR", first - ONE_DAY)


@pytest.mark.parametrize(
    ("country", "first"),
    [("HR", date(2023, 1, 1)), ("BG", date(2024, 3, 31)), ("RO", date(2024, 3, 31))],
)
def test_who_joined_schengen_later_is_in_the_territory_until_then(country: str, first: date) -> None:
    assert area(country, first - ONE_DAY) == "territory"
    assert area(country, first) == "schengen"


@pytest.mark.parametrize("country", ["IE", "CY"])
def test_ireland_and_cyprus_are_in_the_territory_outside_schengen(country: str) -> None:
    assert area(country, TODAY) == "territory"


def test_a_member_without_dates_is_one_on_any_day() -> None:
    for day in (date.min, date(2019, 1, 1), date.max):
        assert in_territory("DE", day)
        assert in_schengen("NO", day)


def test_without_a_country_the_area_is_unknown() -> None:
    assert area(None, TODAY) == "unknown"
