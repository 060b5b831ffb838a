"""Packages for CEL side by side: what they say, how fast, and what they do with hostile rules (docs/decisions/cel.md).

    python -m benchmarks.cel_packages [--seconds 10]

A package that is not installed is skipped, aloud. Corners are expressions with what the language definition of CEL
says of them. Each hostile rule runs in a process of its own, with so much processor time and 2 GiB of memory. Times
are minima of several runs, in microseconds, for the rule that eventroute's own figures are told of; an event is handed
over anew each time, as each event is another one.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from eventroute import Event, Filter

Evaluate: TypeAlias = Callable[[Mapping[str, Any]], Any]
Compile: TypeAlias = Callable[[str], Evaluate]

ERROR = "error"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cel_packages", description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="processor time for each hostile rule (default 10)")
    parser.add_argument("--hostile", nargs=2, metavar=("PACKAGE", "RULE"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.hostile:
        return _suffer(options.hostile[0], options.hostile[1], options.seconds)
    known = {name: make for name, (module, make) in PACKAGES.items() if importlib.util.find_spec(module)}
    for name in sorted(PACKAGES.keys() - known.keys()):
        print(f"skipped {name}: it is not installed", file=sys.stderr)
    print(f"{'':34}" + "".join(f"{name:>30}" for name in known))
    print(f"{'version':34}" + "".join(f"{importlib.metadata.version(name):>30}" for name in known))
    compilers = {name: make() for name, make in known.items()}
    for text, expected in CORNERS.items():
        said = [_shown(expected, _answer(compile_, text)) for compile_ in compilers.values()]
        if set(said) != {"right"}:
            print(f"{text[:33]:34}" + "".join(f"{one:>30}" for one in said))
    right = [sum(_same(_answer(one, text), wanted) for text, wanted in CORNERS.items()) for one in compilers.values()]
    print(f"{'corners':34}" + "".join(f"{f'{count} of {len(CORNERS)} right':>30}" for count in right))
    for rule in HOSTILE:
        told = [_run(name, rule, options.seconds) for name in known]
        print(f"{rule:34}" + "".join(f"{one:>30}" for one in told))
    for what, figures in _speed(compilers).items():
        print(f"{what:34}" + "".join(f"{one:>30.1f}" for one in figures))
    ours = Filter.parse(EXPR)
    event = Event.create(type="com.github.star.created", source="https://github.com/a/b", data=DATA)
    print(f"{'eventroute, the same in expr':34}{_best(lambda: ours(event)):>30.1f}")
    return 0


# -- the packages


def _celpy() -> Compile:
    celpy: Any = importlib.import_module("celpy")
    environment = celpy.Environment()

    def compile_(text: str) -> Evaluate:
        program = environment.program(environment.compile(text))
        return lambda variables: program.evaluate(celpy.json_to_cel(variables))

    return compile_


def _rust() -> Compile:
    cel: Any = importlib.import_module("cel")

    def compile_(text: str) -> Evaluate:
        program = cel.compile(text)
        return lambda variables: program.execute(dict(variables))

    return compile_


def _google() -> Compile:
    cel: Any = importlib.import_module("cel_expr_python.cel")
    environment = cel.NewEnv(variables=dict.fromkeys(("event", "data"), cel.Type.DYN))

    def compile_(text: str) -> Evaluate:
        program = environment.compile(text)

        def evaluate(variables: Mapping[str, Any]) -> Any:
            value = program.eval(data=dict(variables))
            if value.type() == cel.Type.ERROR:
                raise ValueError(str(value.value()))
            return value.plain_value()

        return evaluate

    return compile_


# By the name on PyPI: the module, and what makes of text a function of variables.
PACKAGES: dict[str, tuple[str, Callable[[], Compile]]] = {
    "cel-python": ("celpy", _celpy),
    "common-expression-language": ("cel", _rust),
    "cel-expr-python": ("cel_expr_python", _google),
}

# -- corners

DATA: dict[str, Any] = {
    "repository": {"stargazers_count": 120, "name": "hello", "owner": {"login": "octocat", "id": 1}},
    "sender": {"login": "octocat", "id": 1, "site_admin": False},
    "labels": [{"name": "bug"}, {"name": "help wanted"}],
    **{f"url{number}": f"https://api.github.com/repos/octocat/hello/{number}" for number in range(40)},
}
ATTRIBUTES = {"type": "t", "source": "/s"}
SMALL: dict[str, Any] = {"a": 1, "f": 1.5, "n": None, "s": "é\U0001f600", "l": [1, 0], "o": {"b": True}}
CORNERS: dict[str, Any] = {
    "1 + 2.0": ERROR,
    "1u + 1": ERROR,
    "1 == 1.0": True,
    "1 < 1.5": True,
    "data.a == 1.0": True,
    "data.a == '1'": False,
    "9223372036854775807 + 1": ERROR,
    "-5 / 2": -2,
    "-5 % 2": -1,
    "1 / 0": ERROR,
    "1.0 / 0.0 > 1.0": True,
    "false && 1 / 0 > 0": False,
    "1 / 0 > 0 && false": False,
    "1 / 0 > 0 || true": True,
    "1 / 0 > 0 || false": ERROR,
    "data.missing == 1 || data.a == 1": True,
    "true ? 1 : 1 / 0": 1,
    "data.missing == 1": ERROR,
    "has(data.missing)": False,
    "has(data.missing.b)": ERROR,
    "has(data.o.b)": True,
    "data.n == null": True,
    "size(data.s)": 2,
    "'\\u00e9' == 'é'": True,
    "'a' < 'B'": False,
    "'abc'.matches('b')": True,
    "'abc'.matches('^b')": False,
    "data.l.exists(x, 1 / x > 0)": True,
    "[0, 1].exists(x, 1 / x > 0)": True,
    "[].all(x, false)": True,
    "[1, 2, 2].exists_one(x, x == 2)": False,
    "{'a': 1}.a": 1,
    "'a' in data": True,
    "2 in data.l": False,
    "int('5') + 1": 6,
    "int('5x')": ERROR,
    "string(1.5)": "1.5",
    "type(1) == int": True,
    "timestamp('2020-01-01T00:00:00Z') < timestamp('2020-01-01T01:00:00+00:30')": True,
    "duration('1h') > duration('59m')": True,
    "b'abc' == bytes('abc')": True,
    "data.s.startsWith('é') && !data.s.endsWith('x')": True,
}


def _answer(compile_: Compile, text: str) -> Any:
    try:
        value = compile_(text)({"event": ATTRIBUTES, "data": SMALL})
    except Exception:  # noqa: BLE001  # each package has errors of its own
        return ERROR
    return ERROR if isinstance(value, Exception) else value


def _same(value: Any, expected: Any) -> bool:
    if value is ERROR or expected is ERROR:
        return value is expected
    if isinstance(expected, bool) is not (type(value).__name__ in ("bool", "BoolType")):
        return False
    kind = type(expected)  # celpy has types of its own, which refuse to be compared with Python's
    return isinstance(value, int if kind is bool else kind) and bool(kind(value) == expected)


def _shown(expected: Any, value: Any) -> str:
    return "right" if _same(value, expected) else f"{value!r}, not {expected!r}"[:29]


# -- hostile rules


def _deep(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


HOSTILE: dict[str, Callable[[], tuple[str, Any]]] = {
    "regex (a+)+$, 64 KiB": lambda: ("data.matches('(a+)+$')", "a" * 65_535 + "b"),
    "three all() over 300 elements": lambda: (
        "data.all(x, data.all(y, data.all(z, x + y + z >= 0)))",
        list(range(300)),
    ),
    "exists() over 100,000 elements": lambda: ("data.exists(x, x < 0)", list(range(100_000))),
    "64 KiB doubled 20 times": lambda: ("[data]" + ".map(x, x + x)" * 20 + "[0] != 'x'", "x" * 65_536),
    "10,000 parentheses": lambda: ("(" * 10_000 + "true" + ")" * 10_000, 1),
    "10,000 not operators": lambda: ("!" * 10_000 + "true", 1),
    "10,000 brackets": lambda: ("[" * 10_000 + "]" * 10_000 + ".size() > 0", 1),
    "10,000 alternatives": lambda: (" || ".join(["data == 1"] * 10_000), 2),
    "data 128 deep, not read": lambda: ("event.type == 't'", _deep(128)),
    "data 10,000 deep, not read": lambda: ("event.type == 't'", _deep(10_000)),
    "data of 1,000,000 members, not read": lambda: ("event.type == 't'", {f"m{number}": 1 for number in range(10**6)}),
    "30 digits beside what is read": lambda: ("data.b == 1", {"a": 10**30, "b": 1}),
}


def _suffer(package: str, rule: str, seconds: int) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds + 5, seconds + 5))
    text, data = HOSTILE[rule]()
    sys.setrecursionlimit(1000)
    started = time.process_time()
    try:
        value = PACKAGES[package][1]()(text)({"event": ATTRIBUTES, "data": data})
        outcome = f"{value!r}"[:8]
    except BaseException as error:  # noqa: BLE001  # a panic of Rust is none of Exception
        outcome = type(error).__name__
    print(json.dumps(f"{outcome}, {time.process_time() - started:.2f} s"))
    return 0


def _run(package: str, rule: str, seconds: int) -> str:
    command = [sys.executable, "-m", "benchmarks.cel_packages", "--seconds", str(seconds), "--hostile", package, rule]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # ourselves
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"more than {seconds} s"
    if done.returncode < 0:
        return f"dies, {signal.Signals(-done.returncode).name}"
    return json.loads(done.stdout) if done.stdout else done.stderr.splitlines()[-1][:28]


# -- speed

EXPR = (
    "type = 'com.github.star.created' AND source LIKE 'https://github.com/%' AND data.repository.stargazers_count > 100"
)
CEL = (
    "event.type == 'com.github.star.created' && event.source.startsWith('https://github.com/')"
    " && data.repository.stargazers_count > 100"
)


def _speed(compilers: Mapping[str, Compile]) -> dict[str, list[float]]:
    match = {"event": {"type": "com.github.star.created", "source": "https://github.com/a/b"}, "data": DATA}
    other = {"event": {"type": "com.github.fork", "source": "https://github.com/a/b"}, "data": DATA}
    figures: dict[str, list[float]] = {"compiling": [], "an event that matches": [], "one of another type": []}
    for compile_ in compilers.values():
        rule = compile_(CEL)
        if not rule(match) or rule(other):
            raise RuntimeError("the rule says something else")
        figures["compiling"].append(_best(partial(compile_, CEL)))
        figures["an event that matches"].append(_best(partial(rule, match)))
        figures["one of another type"].append(_best(partial(rule, other)))
    return figures


def _best(run: Callable[[], Any], runs: int = 7, each: int = 50) -> float:
    """Microseconds of one run."""
    times = []
    for _ in range(runs):
        started = time.process_time()
        for _ in range(each):
            run()
        times.append((time.process_time() - started) / each * 1e6)
    return min(times)


if __name__ == "__main__":
    raise SystemExit(main())
