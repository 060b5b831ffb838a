"""Every block of code in README and docs/ is run, or at least read, as its language demands.

The first word after the fence is the language; a second word says what more is promised:

    python          runs as it stands, in the order of the page, in one namespace a page
    python with X   runs where the package X is installed, and is compiled elsewhere
    text prints     is what the Python block before it printed (`...` stands for anything)
    console run     each `$ command` runs in a shell and answers with the lines below it
    bash run        runs, and ends well
    console, bash   are for the reader's eyes: an installation, a server that stays up
    json, toml      are well-formed
    text            is anything
"""

from __future__ import annotations

import contextlib
import doctest
import importlib.util
import io
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import Factory, define, frozen
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts),
]
SPHINX_CODE = ("{code", "{doctest", "{sourcecode")


@frozen
class Block:
    """A fenced block: `line` is the line of its fence, counted from 1."""

    page: str
    line: int
    info: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}: ```{self.info}"


@define
class Run:
    """What one page's blocks share."""

    names: dict[str, object] = Factory(lambda: {"__name__": "__main__"})
    printed: str = ""

    def block(self, block: Block) -> None:
        match block.info.split():
            case ["python", *needs]:
                self._python(block, needs)
            case ["text", "prints"]:
                check(block, block.text, self.printed)
            case ["console", "run"]:
                for command, answer in commands(block):
                    check(block, answer, shell(block, command))
            case ["bash", "run"]:
                shell(block, block.text)
            case ["json"]:
                json.loads(block.text)
            case ["toml"]:
                tomllib.loads(block.text)
            case ["console" | "bash" | "text"]:
                pass
            case [directive, *_] if directive[0] == "{" and not directive.startswith(SPHINX_CODE):
                pass  # Sphinx's own, and `sphinx-build -W` judges it
            case _:
                pytest.fail(f"{block.place} is no kind that tests/test_docs.py knows how to check")

    def _python(self, block: Block, needs: list[str]) -> None:
        # The blank lines put the page's own line numbers into a traceback.
        code = compile("\n" * block.line + block.text, block.page, "exec", dont_inherit=True)
        if needs and (len(needs) != 2 or needs[0] != "with"):
            pytest.fail(f"{block.place}: what may stand behind `python` is `with PACKAGE`")
        if needs and importlib.util.find_spec(needs[1]) is None:
            return
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(code, self.names)
        self.printed = out.getvalue()


def blocks(page: str, text: str) -> Iterator[Block]:
    for token in MarkdownIt().parse(text):
        if token.type == "fence" and token.map:
            yield Block(page, token.map[0] + 1, token.info, token.content)


def commands(block: Block) -> list[tuple[str, str]]:
    """Each command of a console block with the answer that it is shown to give."""
    start, *rest = ("\n" + block.text).split("\n$ ")
    if start.strip() or not rest:
        pytest.fail(f"{block.place} must start with `$ ` and a command")
    return [(command, answer.rstrip("\n") + "\n") for command, _, answer in (part.partition("\n") for part in rest)]


def check(block: Block, wanted: str, printed: str) -> None:
    wanted, printed = wanted.strip() + "\n", printed.strip() + "\n"
    assert doctest.OutputChecker().check_output(wanted, printed, doctest.ELLIPSIS), (
        f"{block.place} promises\n{wanted}but what came is\n{printed}"
    )


def shell(block: Block, command: str) -> str:
    """What a command prints, with this Python's programs first on the path; one that fails fails the test.

    How pytest is run here is nothing to a pytest that a page runs.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} | {"PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{block.place}: {command!r} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def run_page(page: str, text: str) -> None:
    run = Run()
    for block in blocks(page, text):
        run.block(block)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page writes is not left in the tree."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_blocks_do_as_they_say(page: Path) -> None:
    run_page(str(page), page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    """In docs/ Sphinx sees to it."""
    inline = [token for token in MarkdownIt().parse(page.read_text(encoding="utf-8")) if token.children]
    targets = {
        str(child.attrs.get("href") or child.attrs.get("src"))
        for token in inline
        for child in token.children or ()
        if child.type in {"link_open", "image"}
    }
    files = {target.partition("#")[0] for target in targets if "://" not in target} - {""}
    assert [file for file in sorted(files) if not (ROOT / file).exists()] == []


GOOD = """
```python
import asyncio

async def main() -> None:
    print("one two three")

asyncio.run(main())
```
```text prints
one ... three
```
```python
assert main
```
```console run
$ echo first
first
$ python -c 'print(6 * 7)'
42
```
```python with sys
assert main
```
```python with no_such_package
import no_such_package
```
```bash run
test -n "$PATH"
```
```bash
exit 1
```
```json
{"a": 1}
```
```{toctree}
index
```
"""


def test_a_good_page_passes() -> None:
    assert len(list(blocks("good.md", GOOD))) == 10
    run_page("good.md", GOOD)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("```python\n1 / 0\n```", ZeroDivisionError),
        ("```python\nimport\n```", SyntaxError),
        ("```python with sys\n1 / 0\n```", ZeroDivisionError),
        ("```python with no_such_package\nimport\n```", SyntaxError),
        ("```python\nprint('a')\n```\n```text prints\nb\n```", AssertionError),
        ("```console run\n$ echo a\nb\n```", AssertionError),
        ("```console run\n$ exit 3\n```", AssertionError),
        ("```console run\necho a\n```", pytest.fail.Exception),
        ("```bash run\nfalse\ntrue\n```", AssertionError),
        ("```json\n{'a': 1}\n```", json.JSONDecodeError),
        ("```toml\na = \n```", tomllib.TOMLDecodeError),
        ("```{code-block} python\n1 / 0\n```", pytest.fail.Exception),
        ("```pyhton\n1 / 0\n```", pytest.fail.Exception),
        ("```python skip\n1 / 0\n```", pytest.fail.Exception),
        ("```\n1 / 0\n```", pytest.fail.Exception),
    ],
)
def test_a_bad_page_fails(text: str, error: type[BaseException]) -> None:
    with pytest.raises(error):
        run_page("bad.md", text)


def test_a_failure_names_the_line_of_the_page() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run_page("bad.md", "# Title\n\n```python\na = 1\na / 0\n```\n")
    last = caught.traceback[-1]
    assert (str(last.path).endswith("bad.md"), last.lineno + 1) == (True, 5)
