from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidConfiguration
from eventroute.storage.base import Bounds, BusInfo, BusSettings, Lost, Retention
from eventroute.storage.buses import read_settings, written_settings

settings = st.builds(
    BusSettings,
    retention=st.builds(Retention, max_age=st.none() | st.floats(0.5, 1e9), hard=st.booleans()),
    dedup=st.none() | st.floats(0.001, 1e6),
    dedup_limit=st.integers(1, 100_000_000),
    max_bytes=st.none() | st.integers(1, 1 << 50),
)


@given(settings)
def test_the_json_form_says_all(one: BusSettings) -> None:
    assert BusSettings.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    assert read_settings(written_settings(one)) == one


def test_what_is_absent_has_its_default() -> None:
    assert BusSettings.from_dict({}) == BusSettings()
    assert BusSettings.from_dict({"retention": {"max_age": None}}).retention == Retention(max_age=None)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"dedup": 0}, "dedup: must be more than 0 seconds, or None for off, not 0"),
        ({"dedup": True}, "dedup: must be"),
        ({"dedup_limit": 0}, "dedup_limit: must be from 1 to 100,000,000, not 0"),
        ({"dedup_limit": 1.5}, "dedup_limit: must be"),
        ({"max_bytes": 0}, "max_bytes: must be a whole number from 1"),
        ({"max_bytes": "1 GB"}, "max_bytes: must be"),
        ({"retention": {"max_age": 0}}, r"retention\.max_age: must be more than 0"),
        ({"retention": {"keep": 0}}, r"retention\.keep: there is no such key"),
        ({"retention": 5}, "retention: must be an object, not int"),
        ({"retention": {"max_bytes": 11}, "max_bytes": 10}, r"retention\.max_bytes: must be 10 at most"),
        ({"size": 5}, "size: there is no such key; known: retention, dedup"),
    ],
)
def test_what_cannot_be_is_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        BusSettings.from_dict(document)


def test_a_retention_is_one() -> None:
    with pytest.raises(InvalidConfiguration, match="retention: must be a Retention, not dict"):
        BusSettings(retention={})  # type: ignore[arg-type]


def test_what_is_told_of_a_bus_is_json() -> None:
    info = BusInfo(
        name="b",
        settings=BusSettings(),
        created=None,
        bounds=Bounds(3, 7),
        events=4,
        size=44,
        oldest=1_700_000_000.25,
        newest=1_700_000_001.0,
        needed=5,
        held_by="s",
        subscriptions=1,
        remembered=0,
        dedup_window=None,
        lost=(Lost("t", 3, 0.0),),
    )
    document = json.loads(json.dumps(info.to_dict()))
    assert document["oldest"] == "2023-11-14T22:13:20.250000Z"
    assert document["created"] is None
    assert (document["first"], document["end"], document["needed"]) == (3, 7, 5)
    assert document["lost"] == [{"subscription": "t", "events": 3, "letters": 0, "time": "1970-01-01T00:00:00Z"}]
    assert BusSettings.from_dict(document["settings"]) == BusSettings()
