"""Other people's JSONPath, asked the same: jsonpath-rfc9535 about all, jsonpath-ng about what it has in common."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from typing import Any

import jsonpath_ng.parser
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eventroute.paths import MISSING, Path
from eventroute.paths.syntax import WILDCARD, Segment, Slice, path_text
from tests.paths import making

has_oracle = (
    importlib.util.find_spec("jsonpath_rfc9535") is not None
    and int(importlib.metadata.version("jsonpath-rfc9535").split(".")[0]) >= 2  # 1.0 fails in value()
)
numbers = st.sampled_from([0, 1, 2, -1, 1.5, 10])  # those that both hold exactly


def nodes(path: Path, document: Any) -> list[Any]:
    result = path.read(document)
    return list(result) if not path.singular else [] if result is MISSING else [result]


@pytest.mark.skipif(not has_oracle, reason="jsonpath-rfc9535 2.0 or newer is not installed (it needs Python 3.12)")
@given(making.paths(numbers), making.documents(numbers))
def test_jsonpath_rfc9535_finds_the_same(segments: tuple[Segment, ...], document: Any) -> None:
    oracle: Any = importlib.import_module("jsonpath_rfc9535")
    try:
        wanted = oracle.find("$" + path_text(segments), document).values()
    except oracle.JSONPathRecursionError:
        assume(False)
    assert making.same(nodes(Path(segments), document), wanted)


# jsonpath-ng takes some quoted names for operators of its own, and orders what `..` finds otherwise.
ng_names = st.sampled_from(["a", "b", "c1", "d e"])
ng_documents = st.recursive(
    st.none() | st.booleans() | numbers,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ng_names, inner, max_size=4),
    max_leaves=16,
)
ng_slices = st.builds(
    Slice, st.none() | making.indexes, st.none() | making.indexes, st.none() | making.indexes.filter(bool)
)
ng_selectors = ng_names | making.indexes | st.just(WILDCARD) | ng_slices
ng_paths = st.lists(st.builds(lambda selector: Segment((selector,)), ng_selectors), max_size=4).map(tuple)


@given(ng_paths, ng_documents)
def test_jsonpath_ng_finds_the_same(segments: tuple[Segment, ...], document: Any) -> None:
    found = [match.value for match in jsonpath_ng.parser.parse("$" + path_text(segments)).find(document)]
    assert making.same(nodes(Path(segments), document), found)
