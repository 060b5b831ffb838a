from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidConfiguration
from eventroute.serving.tomlfile import MAX_FILE_BYTES, Document, Place, Table, place_of

TEXT = '''\
# line 1
name = "a"

[server]
port = 1
note = """
[not.a.table]
port = 2
"""
list = [
  1,
  { deep = 2 },
]

[[items]]
id = "x"

[items.inner]
key = 1

[[items]]
id = "y"
a.b = { c = 1 }
'''


def document(text: str) -> Document:
    return Document(Path("x.toml"), text, tomllib.loads(text))


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("", 1),
        ("name", 2),
        ("server", 4),
        ("server.port", 5),
        ("server.note", 6),
        ("server.list", 10),
        ("server.list[1].deep", 10),
        ("server.nothing", 4),
        ("nothing.at.all", 1),
        ("items", 15),
        ("items[0]", 15),
        ("items[0].id", 16),
        ("items[0].inner", 18),
        ("items[0].inner.key", 19),
        ("items[0].nothing", 15),
        ("items[1]", 21),
        ("items[1].id", 22),
        ("items[1].a.b.c", 23),
        ("items[2]", 15),
        ("name.inside", 2),
    ],
)
def test_the_line_of_a_place(place: str, line: int) -> None:
    assert document(TEXT).line(place_of(place)) == line


@given(
    st.lists(st.sampled_from(["", "# [a]", 'b = """', '"""', "[[c]]", "[d]", "e = [", "]", "f = 1", "1,"]), max_size=30)
)
def test_every_key_is_found_on_the_line_that_brought_it(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        values = tomllib.loads(text)
    except ValueError:
        return
    found = document(text)
    for key in values:
        start = found.line((key,))
        assert key not in tomllib.loads("\n".join(lines[: start - 1]))
        assert lines[start - 1].lstrip("[").startswith(key)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = \n", r"this is not TOML: .*line 1"),
        (b"a = 1\nb = \xff", "this is not TOML"),
        (b"a = " + b"[" * 100_000, "not TOML|nests too deep"),
        (b"a = " + b"9" * 5_000, "not TOML"),
        (b"#" * (MAX_FILE_BYTES + 1), "1,048,576 bytes"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_no_toml(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidConfiguration, match=message) as caught:
        Document.read(path)
    assert caught.value.where == str(path)


def test_line_ends_of_another_system(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"a = 1\r\n[b]\r\nc = 2\r\n")
    assert Document.read(path).line(("b", "c")) == 3


def refused(text: str, read: Any) -> str:
    with pytest.raises(InvalidConfiguration) as caught, Table.top(document(text)) as table:
        read(table)
    return str(caught.value)


def test_a_table_is_read_key_by_key() -> None:
    with Table.top(document('a = "x"\nb = 1\nc = [1, 2]\nd = 3\ne = true\n[f]\n[[g]]\nh = 1\n')) as table:
        assert table.get("a", str, "") == "x"
        assert table.get("missing", str, "default") == "default"
        assert table.need("b", int) == 1
        assert table.get("b", float, 0.0) == 1.0
        assert table.many("c", int) == [1, 2]
        assert table.many("d", int) == [3]
        assert table.many("missing", int) == []
        assert table.get("e", bool, False) is True
        assert [name for name, _ in table.table("missing").each()] == []
        assert table.table("f").values == {}
        assert [item.need("h", int) for item in table.tables("g")] == [1]
        assert table.tables("missing") == []


@pytest.mark.parametrize(
    ("text", "read", "message"),
    [
        (
            "prot = 1",
            lambda table: table.get("port", int, 0),
            "x.toml:1: prot: there is no such key; did you mean 'port'?",
        ),
        ("a = 1", lambda table: table.get("zzzz", int, 0), "x.toml:1: a: there is no such key; known: zzzz"),
        ("\na = 'x'", lambda table: table.get("a", int, 0), "x.toml:2: a: must be a whole number, not str"),
        ("a = true", lambda table: table.get("a", int, 0), "x.toml:1: a: must be a whole number, not bool"),
        ("a = true", lambda table: table.get("a", float, 0.0), "x.toml:1: a: must be a number, not bool"),
        ("a = 1", lambda table: table.get("a", bool, False), "x.toml:1: a: must be true or false, not int"),
        ("b = 1", lambda table: table.need("a", str), "x.toml:1: a: is missing: it must be a text"),
        ("a = [1, 'x']", lambda table: table.many("a", int), "x.toml:1: a[1]: must be a whole number, not str"),
        ("a = 1", lambda table: table.table("a"), "x.toml:1: a: must be a table"),
        ("[a]", lambda table: table.tables("a"), "x.toml:1: a: must be an array of tables: [[a]]"),
        ("a = [1]", lambda table: table.tables("a"), "x.toml:1: a[0]: must be a table"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_key(text: str, read: Any, message: str) -> None:
    assert refused(text, read) == message


@given(st.lists(st.one_of(st.from_regex("[a-z]{1,5}", fullmatch=True), st.integers(0, 99)), min_size=1))
def test_a_place_is_read_as_it_is_shown(steps: list[str | int]) -> None:
    place: Place = tuple(steps)
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    assert place_of(shown) == place
