"""`sql` with functions of the application's own."""

from __future__ import annotations

import reprlib

from eventroute.errors import InvalidFilter
from eventroute.filters.cesql.expression import parse_predicate
from eventroute.filters.cesql.functions import Function, Functions
from eventroute.filters.filter import DialectParser, Filter
from eventroute.filters.syntax import Sql

__all__ = ["sql_with"]


def sql_with(*functions: Function) -> DialectParser:
    """A dialect that is CESQL with these functions too; hand it to `Filter.parse` or a Router under a name of its own.

        Filter.parse({"shop_sql": "IS_ORDER(subject)"}, dialects={"shop_sql": sql_with(is_order)})

    Raises InvalidFilter where two functions cannot be told apart by their name and number of arguments.
    """
    known = Functions(functions)

    def parse(value: object, where: str) -> Filter:
        if not isinstance(value, str):
            raise InvalidFilter(f"expected an expression as text, not {reprlib.repr(value)}", where=where)
        return Filter(Sql(parse_predicate(value, where, known)))

    return parse
