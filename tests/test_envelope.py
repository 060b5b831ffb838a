from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.envelope import open_envelope
from eventroute.testing.strategies import json_values
from eventroute.testing.strategies.events import CORE, attribute_names, attribute_sets

members = st.dictionaries(attribute_names | st.sampled_from([*CORE, "data", "data_base64"]), json_values(), max_size=4)


@given(attribute_sets(), members, st.sampled_from([(",", ":"), (", ", ": ")]))
def test_attributes_are_decoded_and_data_is_not(
    attributes: dict[str, Any], more: dict[str, Any], separators: tuple[str, str]
) -> None:
    """Whether there are extensions, nulls, and wrong types, or not."""
    document = {**attributes, **more}
    opened, *data = open_envelope(json.dumps(document, separators=separators).encode())
    assert [None if part is None else json.loads(bytes(part)) for part in data] == [
        document.pop("data", None),
        document.pop("data_base64", None),
    ]
    assert opened == {name: value for name, value in document.items() if value is not None}


_REVERSED = {"type": "t", "source": "/s", "id": "1", "specversion": "1.0"}
_KINDS = st.sampled_from([_REVERSED, _REVERSED | {"x": 1}, _REVERSED | {"x": None}, _REVERSED | {"subject": 1}])


@given(st.lists(_KINDS, min_size=2, max_size=6))
def test_what_came_before_makes_no_difference(events: list[dict[str, Any]]) -> None:
    """The order of the attributes included."""
    documents = [json.dumps(event).encode() for event in events]
    there = [list(open_envelope(document)[0]) for document in documents]
    back = [list(open_envelope(document)[0]) for document in reversed(documents)]
    assert there == back[::-1]


def test_members_are_taken_apart_one_by_one_only_where_they_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventroute.envelope._take_apart", None)
    attributes, data, data_base64 = open_envelope(b'{"id":"1","x":2,"y":null,"data":{"a":[]}}')
    assert (attributes, data, data_base64) == ({"id": "1", "x": 2}, msgspec.Raw(b'{"a":[]}'), None)
    assert open_envelope(b'{"id":"1","x":2}') == ({"id": "1", "x": 2}, None, None)


@pytest.mark.parametrize(
    "document",
    [
        b'{"id":"1","data":1,"data":{"data":2}}',
        b'{"data":1,"id":"1","data":2}',
        b'{"id":"1","data":null,"data":2}',
        b'{"id":"1","data":2,"data":null}',
        b'{"data":1,"x":{"y":0,"data":1}}',
        b'{"data":"1","x":"\\",\\"data\\":1"}',
        b'{"id":"1","data":{"a":[1,"data"],"data":{"b":1,"data":{}}}}',
        b'{"data":{"id":"1","data":2}}',
        b' {"id":"1" ,"data":2} ',
        b'{"id":"1","data_base64":"","data":2}',
        b'{"id":"1","data":2,"data_base64":"Kg=="}',
        b'{"id":"1", "data" : [ 1 , 2 ] }',
    ],
)
def test_data_is_told_by_json_and_not_by_its_look(document: bytes) -> None:
    attributes, *data = open_envelope(document)
    members = json.loads(document)
    there = [None if part is None else json.loads(bytes(part)) for part in data]
    assert there == [members.pop("data", None), members.pop("data_base64", None)]
    assert attributes == {name: value for name, value in members.items() if value is not None}


def test_null_is_absent_but_for_data() -> None:
    attributes, data, data_base64 = open_envelope(b'{"id":null,"x":null,"data":null,"data_base64":null}')
    assert attributes == {}
    assert data is not None
    assert data_base64 is not None
    assert (bytes(data), bytes(data_base64)) == (b"null", b"null")


@pytest.mark.parametrize("document", [b"", b"[]", b"1", b'{"id":"1"', b'{"id":"\xff"}', b'{"x":' + b"[" * 100_000])
def test_what_is_no_object_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        open_envelope(document)
