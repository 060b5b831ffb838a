from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.testing.strategies.events import times
from eventroute.timestamps import format_timestamp, parse_timestamp, rfc3339


@given(st.datetimes(min_value=datetime(1, 1, 3), timezones=st.timezones()))  # noqa: DTZ001  # hypothesis adds the zone
def test_a_datetime_survives_as_text(moment: datetime) -> None:
    # in UTC, since Python holds a time that the zone repeats equal to none in another zone
    assert parse_timestamp(format_timestamp(moment)).astimezone(UTC) == moment.astimezone(UTC)


@given(times)
def test_every_rfc_3339_time_is_an_instant(text: str) -> None:
    assert parse_timestamp(text).utcoffset() is not None


@given(st.text())
def test_any_text_is_an_instant_or_a_value_error(text: str) -> None:
    try:
        moment = parse_timestamp(text)
    except ValueError:
        return
    assert moment.tzinfo is not None


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2018-04-05T17:31:00Z", datetime(2018, 4, 5, 17, 31, tzinfo=UTC)),
        ("2018-04-05t17:31:00z", datetime(2018, 4, 5, 17, 31, tzinfo=UTC)),
        ("2018-04-05T17:31:00.123456789Z", datetime(2018, 4, 5, 17, 31, 0, 123456, tzinfo=UTC)),
        ("2018-04-05T17:31:00+05:30", datetime(2018, 4, 5, 12, 1, tzinfo=UTC)),
        ("2018-04-05T17:31:00-00:00", datetime(2018, 4, 5, 17, 31, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2016-12-31T23:59:60.5-08:00", datetime(2017, 1, 1, 7, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_instants(text: str, instant: datetime) -> None:
    assert parse_timestamp(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2018-04-05",
        "2018-04-05T17:31:00",
        "2018-04-05 17:31:00Z",
        "2018-04-05T17:31Z",
        "2018-04-05T17:31:00.Z",
        "2018-04-05T17:31:61Z",
        "2018-04-05T17:31:00+0530",
        "2018-04-05T17:31:00+05:60",
        "2018-04-05T17:31:00+24:00",
        "2018-04-05T24:00:00Z",
        "2018-02-30T17:31:00Z",
        "2018-13-01T17:31:00Z",
        "0000-01-01T00:00:00Z",
        "20180405T173100Z",
        "2018-W14-4T17:31:00Z",
        "\uff12018-04-05T17:31:00Z",
        "2018-04-05T17:31:00Z\n",
    ],
)
def test_what_is_not_rfc_3339_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_timestamp(text)


def test_text_of_utc_ends_in_z() -> None:
    assert format_timestamp(datetime(2018, 4, 5, 17, 31, tzinfo=UTC)) == "2018-04-05T17:31:00Z"


def test_an_offset_with_seconds_is_written_in_utc() -> None:
    local = datetime(1900, 1, 1, 12, tzinfo=timezone(timedelta(minutes=19, seconds=32)))
    assert format_timestamp(local) == "1900-01-01T11:40:28Z"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59Z"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00+12:00", "0001-01-01T00:00:00Z"),
        ("2018-04-05T17:31:00+02:00", "2018-04-05T15:31:00Z"),
    ],
)
def test_a_time_that_utc_has_no_year_for_is_the_nearest_that_it_has(text: str, shown: str) -> None:
    assert rfc3339(parse_timestamp(text).timestamp()) == shown


@pytest.mark.parametrize("seconds", [1e300, float("inf")])
def test_a_time_at_any_distance_can_be_told(seconds: float) -> None:
    assert rfc3339(seconds) == "9999-12-31T23:59:59Z"
    assert rfc3339(-seconds) == "0001-01-01T00:00:00Z"


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        format_timestamp(datetime(2018, 4, 5))  # noqa: DTZ001
