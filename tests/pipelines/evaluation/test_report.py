# SPDX-License-Identifier: Apache-2.0
"""The page of an evaluation: of the three use cases, of a model that is no classifier, and of names that mean harm."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from typing import cast

import pandas as pd
import pytest

from pipelines.evaluation.calibration import calibration
from pipelines.evaluation.evaluation import Confusion, Evaluation, evaluate
from pipelines.evaluation.report.page import evaluation_page
from pipelines.use_cases import Parts, UseCase, recommender, use_case
from tests.pipelines.evaluation import coin

FACTS = {"model": "spam", "version": "1.4.0", "data": "sha256:5c03", "seed": "7", "commit": ""}
HOSTILE = '"></td><script src="http://evil.example/x.js">$\\frac{a}{b}$ & <img>'

PLOTS = ["ROC curve", "Precision-recall curve", "Calibration", "Scores"]


@pytest.fixture(scope="module")
def of_coin() -> Evaluation:
    return evaluate(cast(UseCase, coin), coin.Guesser(1.0), coin.tosses(400, seed=1), seed=0, resamples=40)


@pytest.fixture(scope="module")
def unseen(message_parts: Parts, product_parts: Parts, ratings: pd.DataFrame) -> dict[str, pd.DataFrame]:
    rated = recommender.split(ratings, seed=0).test
    return {"spam": message_parts.test, "maintenance": product_parts.test, "recommender": rated}


@pytest.fixture(scope="module")
def evaluations(
    of_coin: Evaluation, unseen: dict[str, pd.DataFrame], request: pytest.FixtureRequest
) -> dict[str, Evaluation]:
    models = {name: request.getfixturevalue(f"trained_{name}").model for name in unseen}
    found = {name: evaluate(use_case(name), models[name], rows, seed=0, resamples=40) for name, rows in unseen.items()}
    return {"coin": of_coin, **found}


@pytest.fixture(params=["coin", "spam", "maintenance", "recommender"], scope="module")
def evaluation(request: pytest.FixtureRequest, evaluations: dict[str, Evaluation]) -> Evaluation:
    return evaluations[request.param]


@pytest.fixture(scope="module")
def page(evaluation: Evaluation) -> str:
    return page_of(evaluation)


class Elements(HTMLParser):
    """The elements, the cells of tables and the text of a page; what is open at its end stands in ``open``."""

    VOID = frozenset({"meta", "br", "link", "img", "hr", "input"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data
        if "style" not in self.open:
            self.text += data


def page_of(evaluation: Evaluation) -> str:
    return evaluation_page(evaluation, "Spam filter: evaluation", FACTS)


def drawings(page: str) -> Iterator[ET.Element]:
    for svg in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        yield ET.fromstring(svg)  # noqa: S314 (written here)


def texts_of_calibration(evaluation: Evaluation) -> list[str | None]:
    drawn = list(drawings(page_of(evaluation)))[PLOTS.index("Calibration")]
    return [text.text for text in drawn.iter("text")]


def numbers(text: str) -> list[float]:
    return [float(word) for word in re.findall(r"(?<!\w)-?\d[\d,]*\.?\d*(?:e-\d+)?", text.replace(",", ""))]


def test_every_page_closes_what_it_opens_and_tells_what_was_evaluated(evaluation: Evaluation, page: str) -> None:
    elements = Elements(page)
    assert elements.open == []
    assert [one for name, one in FACTS.items() if name != "commit" and one not in elements.text] == []
    assert "commit" not in elements.text
    assert f"{evaluation.rows:,} test outcomes" in elements.text


def test_the_numbers_in_the_tables_are_those_of_the_evaluation(evaluation: Evaluation, page: str) -> None:
    rows = {row[0]: row for row in Elements(page).rows}
    counted = vars(evaluation.confusion) if evaluation.confusion else {}
    for name in evaluation.metrics.keys() - counted.keys():
        told = [evaluation.metrics[name], *evaluation.intervals.get(name, ())]
        assert numbers(" ".join(rows[name.replace("_", " ")][1:3]).replace(" - ", "")) == pytest.approx(told, rel=6e-3)
    for name, figures in evaluation.slices.items():
        ends = evaluation.slice_intervals.get(name, {}).get(evaluation.primary, ())
        primary = [figures[evaluation.primary]] if evaluation.primary in figures else []
        told = [figures["rows"], *primary, *ends]
        assert numbers(" ".join(rows[name][1:5])) == pytest.approx(told, rel=6e-3)


def test_the_deciding_metric_stands_first_and_alone_above(evaluation: Evaluation, page: str) -> None:
    elements = Elements(page)
    assert elements.rows[1][0] == evaluation.primary.replace("_", " ")
    assert f"{evaluation.metrics[evaluation.primary]:.4f}" in elements.text.partition("Metrics")[0]


def test_the_confusion_matrix_is_that_of_the_models_threshold(evaluations: dict[str, Evaluation]) -> None:
    counts = evaluations["maintenance"].confusion
    assert counts is not None
    rows = {
        row[0]: numbers(row[1])[:1] + numbers(row[2])[:1]
        for row in Elements(page_of(evaluations["maintenance"])).rows
        if row[0] in {"positive", "negative"}
    }
    assert rows == {
        "positive": [counts.true_positives, counts.false_negatives],
        "negative": [counts.false_positives, counts.true_negatives],
    }


@pytest.mark.parametrize("name", ["spam", "maintenance"])
def test_a_classifier_has_all_four_plots_with_what_they_show_in_words(
    name: str, evaluations: dict[str, Evaluation]
) -> None:
    found = evaluations[name]
    page = page_of(found)
    assert re.findall(r"<h3>(.*?)</h3>", page) == PLOTS
    told = dict(zip(PLOTS, re.findall(r'role="img" aria-label="(.*?)"', page), strict=True))
    assert found.calibration is not None
    assert [int(rows) for rows in re.findall(r"(\d+) rows of", told["Calibration"].replace(",", ""))] == [
        each.rows for each in found.calibration.bins
    ]
    counts = [int(count) for count in re.findall(r"(\d+) (?:nega|posi)tive", told["Scores"].replace(",", ""))]
    assert sum(counts) == found.rows
    assert all(svg.get("viewBox") for svg in drawings(page))
    assert len(list(drawings(page))) == len(PLOTS)


def test_the_counts_of_the_calibration_stand_in_its_drawing(of_coin: Evaluation) -> None:
    assert of_coin.calibration is not None
    texts = texts_of_calibration(of_coin)
    assert [each.rows for each in of_coin.calibration.bins if f"{each.rows:,}" not in texts] == []


@pytest.mark.parametrize(
    ("rows", "shown"),
    [(9_999, "9,999"), (27_411, "27k"), (999_499, "999k"), (999_500, "1M"), (17_323_752, "17.3M")],
)
def test_large_counts_of_the_calibration_are_short_so_that_they_do_not_meet(
    rows: int, shown: str, of_coin: Evaluation
) -> None:
    assert of_coin.calibration is not None
    bins = tuple(replace(each, rows=rows) for each in of_coin.calibration.bins)
    texts = texts_of_calibration(replace(of_coin, calibration=replace(of_coin.calibration, bins=bins)))
    assert texts.count(shown) == len(bins)


def test_a_model_without_scores_has_metrics_and_slices_only(evaluations: dict[str, Evaluation]) -> None:
    page = page_of(evaluations["recommender"])
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["Metrics", "Slices", "How to read this page"]
    assert list(drawings(page)) == []


def test_an_evaluation_with_nothing_but_a_figure_has_a_page(of_coin: Evaluation) -> None:
    bare = replace(
        of_coin,
        intervals={},
        slices={},
        slice_intervals={},
        calibration=None,
        curve=(),
        confusion=None,
        metrics={"mae": 31_415.9},
        primary="mae",
    )
    elements = Elements(page_of(bare))
    assert elements.rows[1:] == [["mae", "31,416", "-"]]
    assert "interval" not in elements.text.partition("Metrics")[0]


def test_figures_far_from_shares_are_drawn_among_slices_alone(of_coin: Evaluation) -> None:
    error = replace(
        of_coin,
        metrics={"error": -120.0},
        primary="error",
        intervals={"error": (-140.0, -90.0)},
        slices={"north": {"rows": 40, "error": -180.0}, "south": {"rows": 2}},
        slice_intervals={"north": {"error": (-300.0, -100.0)}},
    )
    page = page_of(error)
    rows = [[cell for cell in row[:5] if cell.strip()] for row in Elements(page).rows]
    assert ["north", "40", "-180", "-300 to -100"] in rows
    assert ["south", "2", "-", "-"] in rows
    places = [float(place) for place in re.findall(r'style="left: (\S+?)%', page)]
    assert places
    assert all(0 <= place <= 100 for place in places)


def test_the_ends_of_a_scale_of_thousands_are_plain_numbers(of_coin: Evaluation) -> None:
    slices = {"north": {"rows": 40, "error": -1800.0}, "south": {"rows": 30, "error": -900.0}}
    error = replace(of_coin, metrics={"error": -1200.0}, primary="error", intervals={}, slices=slices)
    page = page_of(replace(error, slice_intervals={}))
    assert '<div class="ends" aria-hidden="true"><span>-1,845</span><span>-855</span></div>' in page


def test_a_threshold_that_flags_nothing_has_no_place_among_precisions(of_coin: Evaluation) -> None:
    quiet = replace(of_coin, confusion=Confusion(0, 0, 120, 280))
    _, roc, precisions, *_ = page_of(quiet).split("<figure>")
    assert "the model's threshold" in unescape(roc)
    assert "no row is flagged, which leaves no precision; 0.3000 of the rows are positive" in precisions
    assert re.findall(r'<i class="(.*?)"', precisions) == ["line", "dashed"]


def test_test_rows_of_one_label_have_no_curves_and_a_calibration(of_coin: Evaluation) -> None:
    rows = coin.outcomes(coin.Guesser(1.0), coin.tosses(30, seed=2, share=0.0))
    alone = replace(of_coin, curve=(), calibration=calibration(rows["score"].to_numpy(), rows["truth"].to_numpy()))
    page = page_of(alone)
    assert re.findall(r"<h3>(.*?)</h3>", page) == ["Calibration", "Scores"]
    assert "At every threshold" not in page


def test_metrics_of_common_names_are_told_in_words_and_others_are_not(evaluations: dict[str, Evaluation]) -> None:
    told = {
        name: re.findall(r"<dt>(.*?)</dt><dd>", page_of(found).partition('class="meanings"')[2])
        for name, found in evaluations.items()
    }
    assert told == {
        "coin": ["average precision", "precision", "recall"],
        "spam": ["average precision", "precision", "recall", "false positive rate"],
        "maintenance": ["average precision", "roc auc", "precision", "recall", "brier score"],
        "recommender": ["recall at 10", "recall at 10 all users", "popularity recall at 10", "lead over popularity"],
    }


def test_a_scale_that_begins_below_zero_shows_where_zero_is(of_coin: Evaluation) -> None:
    lead = {"lead": 0.1}
    bare = replace(of_coin, metrics=lead, primary="lead", slices={}, slice_intervals={})
    below = page_of(replace(bare, intervals={"lead": (-0.25, 0.4)}))
    above = page_of(replace(bare, intervals={"lead": (0.05, 0.4)}))
    assert re.findall(r'<s style="left: (\S+?)%', below) == ["23.08"]
    assert "The upright line is 0." in below
    assert "<s " not in above
    assert "The upright line is 0." not in above


def test_every_page_asks_nobody_for_anything(page: str) -> None:
    elements = Elements(page)
    loading = {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert not {tag for tag, _ in elements.found} & loading
    assert "@import" not in page
    assert "http" not in re.sub(r"http-equiv|http://www\.w3\.org/\d+/\w+", "", page)
    references = re.findall(r'(?:href|src)="([^"]*)"|url\(([^)]*)\)', page)
    assert all("".join(reference).startswith("#") for reference in references)
    policy = [told["content"] for tag, told in elements.found if tag == "meta" and "content" in told]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policy


def test_what_a_drawing_refers_to_is_in_it_and_has_one_name_in_the_page(of_coin: Evaluation) -> None:
    page = page_of(of_coin)
    for svg in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        referred = set(re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', svg))
        assert {"".join(pair) for pair in referred} <= set(re.findall(r'id="([^"]*)"', svg))
    names = re.findall(r'\bid="([^"]*)"', page)
    assert len(names) == len(set(names))
    assert re.findall(r"#0000[0-9a-f]{2}\b", page) == []


def test_hostile_names_are_shown_and_do_nothing(of_coin: Evaluation) -> None:
    figures = dict.fromkeys([HOSTILE], 0.5)
    hostile = replace(
        of_coin,
        primary=HOSTILE,
        metrics=figures,
        intervals={HOSTILE: (0.4, 0.6)},
        slices={HOSTILE: {"rows": 3, **figures}},
    )
    elements = Elements(evaluation_page(hostile, HOSTILE, {HOSTILE: HOSTILE}))
    assert elements.open == []
    assert not {tag for tag, _ in elements.found} & {"script", "img"}
    assert [row[0] for row in elements.rows].count(HOSTILE.replace("_", " ")) == 2


def test_the_same_evaluation_gives_the_same_bytes_also_when_read_from_its_file(
    evaluation: Evaluation, page: str
) -> None:
    assert page_of(Evaluation.from_json(evaluation.to_json())) == page
