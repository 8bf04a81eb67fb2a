# SPDX-License-Identifier: Apache-2.0
"""Reports of runs that went well, badly, and not at all: the page, the JSON document, and the verdict in one line."""

import html
import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from loadtests.errors import LoadTestError
from loadtests.judging.objective import Outcome
from loadtests.judging.slo import Slo
from loadtests.judging.verdict import Verdict, judge
from loadtests.judging.verdict_text import text_lines
from loadtests.report import write_json, write_page, write_verdict
from loadtests.run import Run
from tests.loadtests.runs import make_run

SLO = Slo.model_validate(
    {
        "latency": {"p50": "20ms", "p99": "100ms"},
        "error_rate": 0.02,
        "goodput": {"within": "250ms", "at_least": 0.95},
        "min_requests": 500,
    }
)
RUNS: dict[str, Callable[[], Run]] = {
    "passing": make_run,
    "freezing": lambda: make_run(frozen=1.5, failed=0.01),
    "behind": lambda: make_run(seconds=20, lag_us=9_000, dropped=0.02, warmup=2.5, cpu=0.97),
    "failed": lambda: make_run(seconds=30, rate=50, failed=1.0, codes=("connection refused",)),
    "three": lambda: make_run(seconds=3, rate=1),
    "nothing": lambda: make_run(seconds=3, rate=0),
    "users": lambda: make_run(seconds=20, timetable=False, versions=("7", "8")),
    "dropped": lambda: make_run(seconds=5, dropped=1.0),
    "one": lambda: make_run(seconds=1, rate=1),
    "long": lambda: make_run(seconds=1_000, rate=2, failed=0.1, codes=tuple(map(str, range(400, 420)))),
}


def judged(run: Run) -> Verdict:
    return judge(SLO, run.evidence())


@pytest.fixture(params=RUNS, ids=str, scope="module")
def run(request: pytest.FixtureRequest) -> Run:
    return RUNS[request.param]()


def page_of(run: Run, folder: Path) -> str:
    write_page(run, judged(run), folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


def document_of(run: Run, folder: Path) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    write_json(run, judged(run), folder / "report.json")
    told: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"), parse_constant=refuse)
    return told


def line_of(run: Run, folder: Path, report: str | None = None, verdict: Verdict | None = None) -> dict[str, Any]:
    write_verdict(run, verdict or judged(run), folder / "verdict.json", report)
    raw = (folder / "verdict.json").read_bytes()
    assert len(raw) <= 4_000
    assert raw.endswith(b"\n")
    assert raw.count(b"\n") == 1
    told: dict[str, Any] = json.loads(raw)
    return told


class Elements(HTMLParser):
    """The elements and the text of a page; what is open at its end stands in ``open``."""

    VOID = frozenset({"meta", "br", "link", "img", "hr", "input"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data + " "


def drawings(page: str) -> Iterator[ET.Element]:
    for svg in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        yield ET.fromstring(svg)  # noqa: S314 (written here)


def test_every_page_tells_the_verdict_and_closes_what_it_opens(run: Run, tmp_path: Path) -> None:
    elements, verdict = Elements(page_of(run, tmp_path)), judged(run)
    assert elements.open == []
    assert str(verdict.outcome) in elements.text
    for sentence in (*verdict.generator, *verdict.remarks):
        assert sentence in elements.text
    assert "seed" in elements.text
    assert run.digest in elements.text
    assert "a processor" in elements.text


def test_every_page_asks_nobody_for_anything(run: Run, tmp_path: Path) -> None:
    page = page_of(run, tmp_path)
    elements = Elements(page)
    assert not {tag for tag, _ in elements.found} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
    }
    assert "@import" not in page
    references = re.findall(r'(?:href|src)="([^"]*)"|url\(([^)]*)\)', page)
    assert all("".join(reference).startswith("#") for reference in references)
    policy = [told["content"] for tag, told in elements.found if tag == "meta" and "content" in told]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policy


def test_every_page_is_the_same_for_the_same_run(run: Run, tmp_path: Path) -> None:
    assert page_of(run, tmp_path) == page_of(run, tmp_path)


def test_a_page_of_a_run_that_was_read_is_that_of_the_run(tmp_path: Path) -> None:
    run = make_run(frozen=1.5, failed=0.02)
    run.write(tmp_path / "run.json")
    assert page_of(Run.read(tmp_path / "run.json"), tmp_path) == page_of(run, tmp_path)


def test_every_drawing_is_well_formed_named_in_words_and_coloured_by_the_page(run: Run, tmp_path: Path) -> None:
    page = page_of(run, tmp_path)
    drawn = list(drawings(page))
    named = [told for _, told in Elements(page).found if told.get("role") == "img"]
    assert len(drawn) == len(named)
    assert all(told["aria-label"] for told in named)
    colours = set(re.findall(r"(?:fill|stroke): ?(#[0-9a-f]+)", "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))))
    assert not colours - {"#000000"}
    declared = set(re.findall(r"(--[a-z0-9]+):", page))
    assert set(re.findall(r"var\((--[a-z0-9]+)\)", page)) <= declared


def test_identifiers_are_unique_in_a_page(tmp_path: Path) -> None:
    page = page_of(make_run(frozen=1.5, failed=0.02, versions=("7", "8"), warmup=5), tmp_path)
    identifiers = re.findall(r'\bid="([^"]*)"', page)
    assert len(identifiers) == len(set(identifiers))
    assert set(re.findall(r"url\(#([^)]*)\)|href=\"#([^\"]*)\"", page)) <= {
        pair for one in identifiers for pair in ((one, ""), ("", one))
    }


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("freezing", ["Latency over time", "How many", "From due", "Rate asked", "How late", "Failed requests"]),
        ("passing", ["Latency over time", "How many", "From due", "Rate asked", "How late"]),
        ("failed", ["Rate asked", "How late", "Failed requests"]),
        ("nothing", ["Rate asked"]),
        ("users", ["Latency over time", "How many", "From due", "Rate asked", "How late", "Who answered"]),
    ],
)
def test_a_page_has_the_plots_that_show_something(name: str, titles: list[str], tmp_path: Path) -> None:
    page = page_of(RUNS[name](), tmp_path)
    found = [html.unescape(title) for title in re.findall(r"<h3>(.*?)</h3>", page)]
    assert [any(one.startswith(title) for one in found) for title in titles] == [True] * len(titles)
    assert len(found) == len(titles)


def test_text_is_text_and_axes_have_units(tmp_path: Path) -> None:
    texts = {
        (element.text or "").strip()
        for drawing in drawings(page_of(make_run(frozen=1.5, failed=0.02), tmp_path))
        for element in drawing.iter("text")
    }
    assert {"time from the start (seconds)", "latency (logarithmic)", "requests/s", "10 ms", "1 s", "99 %"} <= texts


def test_a_long_run_is_told_in_minutes_and_stays_small(tmp_path: Path) -> None:
    page = page_of(make_run(seconds=3_600, rate=1, failed=0.2), tmp_path)
    assert "time from the start (minutes)" in page
    assert len(page.encode()) < 1_500_000


def test_the_figures_of_the_objectives_are_those_of_the_terminal(tmp_path: Path) -> None:
    for run in (make_run(frozen=1.5, failed=0.013), make_run(seconds=7, rate=31, failed=0.4)):
        text = Elements(page_of(run, tmp_path)).text
        rows = [re.split(r" {2,}", line) for line in list(text_lines(judged(run)))[1:5]]
        assert len(rows) == 4
        for name, _limit, *figures in rows:
            assert name in text
            assert all(figure in text for figure in figures)


def test_what_fails_is_named_with_its_figure(tmp_path: Path) -> None:
    run = make_run(frozen=1.5)
    p99 = next(one for one in judged(run).objectives if one.name == "p99 latency")
    assert p99.outcome is Outcome.FAIL
    assert re.search(r"is not kept: .*p99 latency 1\.\d+ s \(at most 100 ms\)", Elements(page_of(run, tmp_path)).text)


@pytest.mark.parametrize(
    "attack", ["<script>alert(1)</script>", '" onload="alert(1)', "</style><b>", "{{ 7 * 7 }}", "$x^2$"]
)
def test_what_came_from_elsewhere_stays_text(attack: str, tmp_path: Path) -> None:
    run = make_run(
        seconds=20,
        failed=0.2,
        kinds=(attack, "rest"),
        codes=(attack, "503"),
        versions=(attack, "7"),
        model=attack,
        options={attack: attack},
    )
    run = replace(run, host=attack, arrivals=attack, environment={attack: attack})
    elements = Elements(page_of(run, tmp_path))
    assert elements.open == []
    assert not {tag for tag, _ in elements.found} & {"script", "b"}
    assert not any(name.startswith("on") for _, told in elements.found for name in told)
    assert attack in elements.text
    document = document_of(run, tmp_path)
    assert {one["code"] for one in document["by_code"]} == {"200", attack, "503"}


def test_a_version_that_no_file_can_hold_hinders_no_report(tmp_path: Path) -> None:
    run = make_run(seconds=5, versions=("\ud800", "\0", "7"))
    assert Elements(page_of(run, tmp_path)).open == []
    assert "\ud800" in {one["version"] for one in document_of(run, tmp_path)["by_version"]}
    assert line_of(run, tmp_path)["outcome"]


def test_every_document_adds_up(run: Run, tmp_path: Path) -> None:
    told, verdict = document_of(run, tmp_path), judged(run)
    assert told["schema"] == "portside.dev/loadtest-report/v1"
    assert told["verdict"]["outcome"] == str(verdict.outcome)
    assert told["sentence"].startswith(f"{verdict.outcome}: ")
    total = told["requests"]
    assert total["count"] == total["correct"] + total["failed"] == run.measurements.total.requests
    for table in ("by_name", "by_code", "by_version", "seconds"):
        assert sum(one["requests"] for one in told[table]) == total["count"]
        assert sum(one["failed"] for one in told[table]) == total["failed"]
        assert sum(one["latency"]["count"] for one in told[table]) == total["correct"]
        assert sum(one["service"]["count"] for one in told[table]) == total["count"]
    assert sum(sum(one["codes"].values()) for one in told["seconds"]) == total["failed"]
    assert sum(one["dropped"] for one in told["seconds"]) == told["generator"]["dropped"]
    assert sum(count for _, count in told["latency"]["bins"]) == total["correct"]
    assert sum(count for _, count in told["service"]["bins"]) == total["count"]
    assert told["run"]["digest"] == run.digest
    assert told["environment"] == run.environment
    assert sum(one["asked"] or 0 for one in told["seconds"]) == sum(run.asked)


def test_figures_are_seconds_in_full_precision(tmp_path: Path) -> None:
    run = make_run(frozen=1.5)
    told = document_of(run, tmp_path)
    latency = run.measurements.total.latency
    assert {name: figure for name, figure in told["latency"].items() if name != "bins"} == {
        "count": latency.count,
        "p50": latency.percentile(0.5) / 1e6,
        "p75": latency.percentile(0.75) / 1e6,
        "p90": latency.percentile(0.9) / 1e6,
        "p95": latency.percentile(0.95) / 1e6,
        "p99": latency.percentile(0.99) / 1e6,
        "p99.9": latency.percentile(0.999) / 1e6,
        "max": latency.percentile(1) / 1e6,
    }
    p99 = next(one for one in told["verdict"]["objectives"] if one["name"] == "p99 latency")
    assert (p99["unit"], p99["limit"]) == ("s", 0.1)
    assert 1 < p99["measured"] < 1.6


def test_a_percentile_without_end_is_never(tmp_path: Path) -> None:
    run = RUNS["failed"]()
    for told in (document_of(run, tmp_path)["verdict"], line_of(run, tmp_path)):
        assert told["objectives"][0]["measured"] == "never"
    assert document_of(run, tmp_path)["latency"]["p50"] is None


def test_the_documents_keys_are_those_that_are_documented(tmp_path: Path) -> None:
    from loadtests.report import document

    documented = re.findall(r"^``(\w+)``", document.__doc__ or "", flags=re.MULTILINE)
    assert documented == list(document_of(RUNS["freezing"](), tmp_path))


def test_every_line_tells_the_verdict(run: Run, tmp_path: Path) -> None:
    told, verdict = line_of(run, tmp_path, "s3://models/report.html"), judged(run)
    total = run.measurements.total
    assert told["outcome"] == str(verdict.outcome)
    assert told["sentence"].startswith(f"{verdict.outcome}: ")
    assert " ".join(text_lines(verdict)).endswith(told["sentence"])
    assert (told["requests"], told["correct"]) == (total.requests, total.requests - total.failed)
    assert math.isclose(told["achieved"], run.achieved_rate)
    assert (told["digest"], told["report"]) == (run.digest, "s3://models/report.html")
    assert [one["name"] for one in told["objectives"]] == [one.name for one in verdict.objectives]
    assert "left_out" not in told


def test_a_line_without_room_for_all_objectives_keeps_those_that_do_not_pass(tmp_path: Path) -> None:
    limits = {f"p{percent}": "1s" for percent in range(10, 90)} | {"p99": "1s"}
    run = make_run(frozen=1.5)
    verdict = judge(Slo.model_validate({"latency": limits}), run.evidence())
    told = line_of(run, tmp_path, verdict=verdict)
    kept = {one["name"] for one in told["objectives"]}
    assert {one.name for one in verdict.objectives if one.outcome is not Outcome.PASS} <= kept
    assert told["left_out"] == len(verdict.objectives) - len(kept) > 0


def test_a_place_too_long_for_the_line_is_left_out(tmp_path: Path) -> None:
    assert line_of(make_run(), tmp_path, "s3://" + "é" * 3_000)["report"] is None


def test_a_line_is_written_into_the_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "verdict.json"
    path.write_text("what was there before, " * 1_000)
    before = path.stat().st_ino
    line_of(make_run(), tmp_path)
    assert path.stat().st_ino == before
    assert [one.name for one in tmp_path.iterdir()] == ["verdict.json"]


def test_a_line_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    run = make_run(seconds=3)
    with pytest.raises(LoadTestError, match=r"the verdict could not be written \(No such file or directory\)"):
        write_verdict(run, judged(run), tmp_path / "none" / "verdict.json", None)
