"""Paths that may find many values, compiled to functions from list to list (RFC 9535, sections 2.3 and 2.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from eventroute.paths.conditions import compile_condition, count_terms
from eventroute.paths.getter import MISSING, getter
from eventroute.paths.syntax import Condition, Query, Segment, Selector, Slice
from eventroute.paths.work import Work

__all__ = ["compile_query"]

Step: TypeAlias = Callable[[list[Any], Work], list[Any]]
"""From nodes to those that one segment finds in them, in the order of the RFC."""


def compile_query(query: Query) -> Callable[[Any, Work], list[Any]]:
    """A function that finds the nodes of a query, from the tested value or from the document."""
    steps = [step for segment in query.segments for step in _steps(segment)]
    absolute = query.absolute

    def find(node: Any, work: Work) -> list[Any]:
        nodes = [work.root if absolute else node]
        for step in steps:
            nodes = step(nodes, work)
        return nodes

    return find


def _steps(segment: Segment) -> list[Step]:
    selections = [_selection(selector) for selector in segment.selectors]
    step = selections[0] if len(selections) == 1 else _union(selections)
    return [_descend, step] if segment.deep else [step]


def _union(selections: list[Step]) -> Step:
    def select(nodes: list[Any], work: Work) -> list[Any]:
        work.spend(len(nodes) * len(selections))
        return [found for node in nodes for selection in selections for found in selection([node], work)]

    return select


def _selection(selector: Selector) -> Step:
    if isinstance(selector, str):
        return _member(selector)
    if isinstance(selector, int):
        return _element(selector)
    if isinstance(selector, Slice):
        return _slice(selector)
    return _filter(selector) if isinstance(selector, Condition) else _every


def _member(name: str) -> Step:
    return lambda nodes, work: [node[name] for node in nodes if isinstance(node, dict) and name in node]


def _element(index: int) -> Step:
    get = getter((index,))
    return lambda nodes, work: [value for node in nodes if (value := get(node)) is not MISSING]


def _slice(bounds: Slice) -> Step:
    part = slice(bounds.start, bounds.stop, bounds.step)

    def select(nodes: list[Any], work: Work) -> list[Any]:
        found: list[Any] = []
        for node in nodes:
            if isinstance(node, list) and part.step != 0:
                elements = node[part]
                work.spend(len(elements))
                found += elements
        return found

    return select


def _every(nodes: list[Any], work: Work) -> list[Any]:
    found: list[Any] = []
    for node in nodes:
        if isinstance(node, dict):
            work.spend(len(node))
            found += node.values()
        elif isinstance(node, list):
            work.spend(len(node))
            found += node
    return found


def _filter(condition: Condition) -> Step:
    holds = compile_condition(condition.expression, compile_query)
    terms = count_terms(condition.expression)

    def select(nodes: list[Any], work: Work) -> list[Any]:
        found: list[Any] = []
        for node in nodes:
            if isinstance(node, dict | list):
                work.spend(len(node) * terms)
                children = node.values() if isinstance(node, dict) else node
                found += [child for child in children if holds(child, work)]
        return found

    return select


def _descend(nodes: list[Any], work: Work) -> list[Any]:
    """The nodes and all arrays and objects below them, parents first and in order (section 2.5.2.2).

    Scalars are left out: no selector finds anything in them.
    """
    found: list[Any] = []
    for top in nodes:
        waiting = [top]
        while waiting:
            node = waiting.pop()
            if isinstance(node, dict | list):
                found.append(node)
                work.spend(len(node))
                children = node.values() if isinstance(node, dict) else node
                waiting += [child for child in reversed(children) if isinstance(child, dict | list)]
    return found
