from __future__ import annotations

import gc
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.__main__ import main
from benchmarks.harness import Row
from benchmarks.report import facts, latency
from benchmarks.report.chart import COLOURS, Chart, Line, Point, Scale, decades, plain, svg
from benchmarks.report.page import Results, files, measure, read
from benchmarks.report.sections import SECTIONS, Plot, Section, number, rarity
from benchmarks.workloads import match_many

COMMITTED = Path(__file__).parents[2] / "docs" / "performance"
SVG = "{http://www.w3.org/2000/svg}"

positive = st.floats(min_value=1e-6, max_value=1e9)
points = st.builds(
    lambda x, ys: Point(x, ys[1], ys[0], ys[2]), positive, st.tuples(positive, positive, positive).map(sorted)
)
lines = st.builds(Line, st.text(st.characters(codec="utf-8", exclude_categories=["C"])), st.tuples(points, points))
charts = st.builds(
    Chart, st.just("a & b"), st.just("<x>"), st.just("y"), st.lists(lines, min_size=1, max_size=5).map(tuple)
)


def rows(*seconds: tuple[float, ...]) -> list[Row]:
    return [Row("w", f"{10**place} things", "a", "event", 10, taken, 1.0) for place, taken in enumerate(seconds)]


@given(charts)
def test_a_chart_is_an_svg_with_every_line_and_every_point_inside(chart: Chart) -> None:
    root = ET.fromstring(svg(chart))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    circles = root.findall(f"{SVG}circle")
    assert len(circles) == 2 * len(chart.lines)
    assert all(0 <= float(one.attrib["cx"]) <= width and 0 <= float(one.attrib["cy"]) <= height for one in circles)
    keys = {text.text: float(text.attrib["x"]) for text in root.iter(f"{SVG}text") if "text-anchor" not in text.attrib}
    assert all(keys[line.name or None] <= width - 150 for line in chart.lines)  # there is room for a name
    texts = [element.text or "" for element in root.iter(f"{SVG}text")]
    assert {chart.title, chart.x, chart.y, *(line.name for line in chart.lines)} <= set(texts)
    assert svg(chart) == svg(chart)


@given(positive, positive)
def test_a_scale_keeps_the_order(one: float, other: float) -> None:
    scale = Scale(1e-6, 1e9, 0, 1_000)
    assert (scale(one) <= scale(other)) == (round(scale(one), 1) <= round(scale(other), 1))
    assert one > other or scale(one) <= scale(other)
    assert (scale(1e-6), scale(1e9)) == (0, 1_000)


@pytest.mark.parametrize("y", [1.0, 2.0])
def test_a_chart_of_one_value_has_a_scale_all_the_same(y: float) -> None:
    assert "<circle" in svg(Chart("t", "x", "y", (Line("a", (Point(10, y, y, y),)),)))


def test_what_a_chart_refuses() -> None:
    line = Line("a", (Point(1, 1, 1, 1),))
    for lines_ in ((), (line,) * (len(COLOURS) + 1)):
        with pytest.raises(ValueError, match="lines"):
            Chart("t", "x", "y", lines_)
    with pytest.raises(ValueError, match="'y' must be > 0"):
        Point(1, 0, 1, 1)


def test_numbers_on_an_axis() -> None:
    assert [plain(value) for value in decades(0.01, 1_000)] == ["0.01", "0.1", "1", "10", "100", "1,000"]


def test_where_a_case_stands() -> None:
    assert number("10,000 filters") == 10_000
    assert number("by 100") == 100
    assert [round(rarity(case)) for case in ("p50", "p90", "p99.5")] == [2, 10, 200]
    with pytest.raises(ValueError, match="holds no number"):
        number("none")


def test_a_section_draws_medians_and_how_far_the_rounds_lie_apart() -> None:
    plot = Plot("x", "y", number)
    (line,) = plot.chart("t", rows((0.1, 0.3, 0.2), (1.0, 2.0, 4.0))).lines
    assert [point.x for point in line.points] == [1, 10]
    assert [point.y for point in line.points] == pytest.approx([2e4, 2e5])
    assert [line.points[0].low, line.points[0].high] == pytest.approx([1e4, 3e4])
    (rate,) = evolve(plot, rate=True).chart("t", rows((0.1, 0.3, 0.2))).lines
    assert rate.points[0].y == pytest.approx(50)


def test_contenders_stand_along_the_axis_where_cases_are_lines() -> None:
    measured = [
        Row("w", case, f"{workers} workers", "event", 10, (0.1 / workers,), 1.0)
        for case in ("one", "other")
        for workers in (1, 16)
    ]
    lines = Plot("x", "y", number, across="contender").chart("t", measured).lines
    assert [(line.name, [point.x for point in line.points]) for line in lines] == [("one", [1, 16]), ("other", [1, 16])]


def test_results_survive_their_file() -> None:
    measured = tuple(rows((0.1,), (0.2,)))
    results = Results({"date": "today"}, {"match": measured, "push": (), "function": measured})
    made = files(results)
    assert sorted(made) == ["match.svg", "measured.json", "measured.md"]  # a function's figures are a table alone
    assert re.findall(r"!\[.*]\((.*)\)", made["measured.md"]) == ["match.svg"]
    assert read(made["measured.json"]) == results
    assert "It could not be measured here." in made["measured.md"]
    assert files(read(made["measured.json"])) == made


def test_a_tiny_report_says_that_it_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gc, "collect", lambda: 0)  # as the figures mean nothing
    assert main(["--report", str(tmp_path / "new" / "folder"), "--tiny"], {}, {"match": SECTIONS["match"]}) == 0
    assert capsys.readouterr().err.split() == ["match", "..."]  # `.ci/run` measures all
    written = {file.name: file.read_text() for file in (tmp_path / "new" / "folder").iterdir()}
    assert sorted(written) == sorted(["measured.json", "measured.md", "match.svg"])
    assert "these figures mean nothing" in written["measured.md"]
    assert files(read(written["measured.json"])) == written


def test_a_report_tells_rounds_load_and_machine() -> None:
    def run(*, runs: int, tiny: bool) -> list[Row]:
        assert not tiny
        return rows((0.1,) * runs)

    sections: dict[str, Section] = {"match": evolve(SECTIONS["match"], run=run)}
    results = measure(sections, runs=3, tiny=False)
    told = {"date", "eventroute", "processor", "cores", "system", "Python", "SQLite", "aiohttp"}
    assert set(results.facts) == told | {"rounds", "load before and after"}
    assert results.rows["match"][0].seconds == (0.1,) * 3


def test_a_processor_is_named_by_its_model(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Abacus 3: the second\nmodel name\t: other\n")
    assert facts.processor(info) == "Abacus 3: the second"
    assert facts.processor(tmp_path / "absent")


def test_a_commit_is_named_and_whether_something_differs(tmp_path: Path) -> None:
    assert facts.commit(tmp_path) == "unknown"
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e@example.com"]
    (tmp_path / "file").write_text("a")
    for words in (["init", "-q"], ["add", "file"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    assert re.fullmatch("[0-9a-f]{10}", facts.commit(tmp_path))
    (tmp_path / "file").write_text("b")
    assert facts.commit(tmp_path).endswith(" with changes")


def test_latencies_rise_with_the_quantile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "PACE", 1_000)
    rows = latency.run(runs=1, tiny=True)
    for name in latency.CONTENDERS:
        measured = [row.seconds[0] for row in rows if row.contender == name]
        assert len(measured) == len(latency.QUANTILES)
        assert measured == sorted(measured)
        assert measured[0] > 0


def test_the_index_and_the_loop_find_the_same() -> None:
    filters, index = match_many._filters(500), match_many._index(500)
    for raw in match_many._raw()[:100]:
        assert match_many.ask_each(filters, raw) == index.match_json(raw)
    assert any(index.match_json(raw) for raw in match_many._raw()[:100])


def test_tables_and_plots_of_the_docs_are_those_of_their_figures() -> None:
    """Whoever changes how they look makes them anew: `python -m benchmarks.report docs/performance`."""
    results = read((COMMITTED / "measured.json").read_text(encoding="utf-8"))
    kept = {file.name: file.read_text(encoding="utf-8") for file in COMMITTED.iterdir()}
    assert kept == files(results)
    assert set(results.rows) == set(SECTIONS)
    assert "tiny" not in results.facts
