"""What was tried, as it is written elsewhere: in the file of `eventroute serve`, in Python, and as requests of curl."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from eventroute.binding import STRUCTURED_TYPE
from eventroute.jsontext import SourceNumber, encode_json
from eventroute.trial import shown
from eventroute.web.draft import Read

__all__ = ["copy_of", "python_literal", "toml_value"]

WIDEST: Final = 96
"""How many characters a value may take in one line."""

_SINK: Final = "https://example.com/events"
_is_bare = re.compile(r"[A-Za-z0-9_-]+").fullmatch


def copy_of(language: str, read: Read) -> str:
    """A subscription with these rules, in a language. Raises ValueError, saying why, where it cannot say them."""
    return _LANGUAGES[language](read)


def _toml(read: Read) -> str:
    lines = ["[[subscriptions]]", 'id = "my-subscription"', f'sink = "{_SINK}"']
    if read.spec:
        lines.append(f"filters = {_toml_lines(read.spec)}")
    if read.transformer_spec:
        lines += ["", "[subscriptions.transformer]"]
        lines += [f"{key} = {_toml_lines(value)}" for key, value in read.transformer_spec.items()]
    return "\n".join(lines) + "\n"


def _toml_lines(value: Any) -> str:
    """On several lines where one would be too long: arrays may be broken in TOML, inline tables may not."""
    line = toml_value(value)
    if isinstance(value, list) and len(line) > WIDEST:
        return "[\n" + "".join(f"  {toml_value(one)},\n" for one in value) + "]"
    if isinstance(value, str) and "\n" in value and "'''" not in value and shown(value) == value:
        return f"'''\n{value}'''"
    return line


def toml_value(value: Any) -> str:
    """A JSON value on one line of TOML. Raises ValueError for null, which TOML cannot say."""
    if isinstance(value, dict):
        members = ", ".join(f"{_toml_key(name)} = {toml_value(inner)}" for name, inner in value.items())
        return f"{{ {members} }}" if members else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, str):
        return _toml_text(value)
    if value is None:
        raise ValueError("TOML cannot say null: take it as Python or as curl")
    if isinstance(value, SourceNumber):
        raise ValueError("TOML cannot say a number that is so exact: take it as curl")
    return json.dumps(value)


def _toml_text(text: str) -> str:
    """As it is where that can be; else with escapes, which are JSON's, but for halves of a surrogate pair."""
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return '"' + "".join(map(_toml_char, text)) + '"'


def _toml_char(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    if char == "\n":
        return "\\n"
    code = ord(char)
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError("TOML cannot say half of a surrogate pair")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _toml_key(name: str) -> str:
    return name if _is_bare(name) else _toml_text(name)


def _python(read: Read) -> str:
    lines = ['    id="my-subscription",', f'    sink="{_SINK}",']
    if read.spec:
        lines.append(f"    filters={python_literal(read.spec, 4)},")
    if read.transformer_spec:
        lines.append(f"    transformer={python_literal(read.transformer_spec, 4)},")
    whole = "\n".join(lines)
    return f"import eventroute\n\nsubscription = eventroute.Subscription(\n{whole}\n)\n"


def python_literal(value: Any, indent: int = 0) -> str:
    """A JSON value as Python, on several lines where one would be too long."""
    line = _python_line(value)
    if len(line) + indent <= WIDEST or not isinstance(value, dict | list) or not value:
        return line
    inner, end = " " * (indent + 4), " " * indent
    if isinstance(value, dict):
        members = [f"{_text(name)}: {python_literal(one, indent + 4)}" for name, one in value.items()]
        return "{\n" + "".join(f"{inner}{member},\n" for member in members) + end + "}"
    return "[\n" + "".join(f"{inner}{python_literal(one, indent + 4)},\n" for one in value) + end + "]"


def _python_line(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(name)}: {_python_line(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_python_line, value)) + "]"
    if isinstance(value, SourceNumber):
        raise ValueError("Python's float cannot hold a number that is so exact: take it as curl")
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    """In double quotes, unless there are some in the text and no single ones."""
    single = repr(text)
    if '"' in text and "'" not in text:
        return single
    body = json.dumps(text, ensure_ascii=False)
    return body if shown(text) == text and "\t" not in text else repr(text)


def _curl(read: Read) -> str:
    subscription: dict[str, Any] = {"sink": _SINK}
    if read.spec:
        subscription["filters"] = read.spec
    if read.transformer_spec:
        subscription["transformer"] = dict(read.transformer_spec)
    text = msgspec.json.format(encode_json(subscription), indent=2).decode()
    parts = [
        "# make the subscription, as somebody who may manage the bus",
        "curl -X PUT http://127.0.0.1:8080/-/api/subscriptions/my-subscription \\",
        '  -H "authorization: Bearer $TOKEN" -H "content-type: application/json" \\',
        f"  --data-raw {shlex.quote(shown(text))}",
    ]
    if read.event is not None:
        parts += [
            "",
            "# and publish the event",
            "curl http://127.0.0.1:8080/default \\",
            f'  -H "authorization: Bearer $TOKEN" -H "content-type: {STRUCTURED_TYPE}" \\',
            f"  --data-raw {shlex.quote(shown(read.event.to_json().decode()))}",
        ]
    return "\n".join(parts) + "\n"


_LANGUAGES: Final[Mapping[str, Callable[[Read], str]]] = {"toml": _toml, "python": _python, "curl": _curl}
