# SPDX-License-Identifier: Apache-2.0
"""The SLO file: what is read, and what is said of each fault."""

from pathlib import Path

import pytest

from loadtests.errors import LoadTestError
from loadtests.judging.slo import Goodput, Slo, quantile, read_slo

FILES = sorted((Path(__file__).parents[2] / "loadtests" / "slo").glob("*.yaml"))


def written(folder: Path, text: str) -> Path:
    path = folder / "slo.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_full_file_is_read(tmp_path: Path) -> None:
    text = """
    latency: {p99.9: 1.5s, p50: 250us, p99: 100 ms}
    error_rate: 0.001
    goodput: {within: 100ms, at_least: 0.99}
    min_requests: 1000
    confidence: 0.9
    """
    assert read_slo(written(tmp_path, text)) == Slo.model_construct(
        latency={"p50": 250, "p99": 100_000, "p99.9": 1_500_000},
        error_rate=0.001,
        goodput=Goodput.model_construct(within=100_000, at_least=0.99),
        min_requests=1000,
        confidence=0.9,
    )


def test_percentiles_are_in_rising_order(tmp_path: Path) -> None:
    slo = read_slo(written(tmp_path, "latency: {p99.9: 2s, p9: 1ms, p99: 1s, p50: 20ms}"))
    assert list(slo.latency) == ["p9", "p50", "p99", "p99.9"]


def test_what_is_left_out_has_a_meaning(tmp_path: Path) -> None:
    slo = read_slo(written(tmp_path, "error_rate: 0.01"))
    assert (slo.latency, slo.goodput, slo.min_requests, slo.confidence) == ({}, None, 100, 0.95)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("latency: {p99: 1s", "it is not YAML (expected ',' or '}', but got '<stream end>' in line 1); mend it there"),
        ("\tlatency: 1", "it is not YAML (found character '\\t' that cannot start any token in line 1); mend it there"),
        ("error_rate: 0.1\nerror_rate: 0.2", "it is not YAML (error_rate is written twice in line 2); mend it there"),
        ("", "it is no SLO file; it must hold keys such as latency: {p99: 100ms}"),
        ("- p99", "it is no SLO file; it must hold keys such as latency: {p99: 100ms}"),
        ("{}", "it states nothing to keep; write at least one of latency, error_rate and goodput"),
        ("min_requests: 5", "it states nothing to keep; write at least one of latency, error_rate and goodput"),
        ("latencies: {p99: 1s}", "latencies: there is no such key; did you mean latency?"),
        (
            "x: 1",
            "x: there is no such key; write one of confidence, error_rate, goodput, latency, min_requests",
        ),
        ("1: 2", "1: there is no such key; write one of confidence, error_rate, goodput, latency, min_requests"),
        (
            "goodput: {within: 1s, at_most: 0.9, at_least: 0.9}",
            "goodput.at_most: there is no such key; did you mean at_least?",
        ),
        (
            "latency: {p99: 20}",
            "latency: p99: 20 is no duration; write a number and its unit, such as 20ms, 1.5s or 250us",
        ),
        (
            "latency: {p99: '20'}",
            "latency: p99: '20' is no duration; write a number and its unit, such as 20ms, 1.5s or 250us",
        ),
        (
            "latency: {p99: -1ms}",
            "latency: p99: '-1ms' is no duration; write a number and its unit, such as 20ms, 1.5s or 250us",
        ),
        (
            "latency: {p99: 0ms}",
            "latency: p99: 0ms cannot be measured; write whole microseconds, from 1us to 3600s",
        ),
        (
            "latency: {p99: 1.5us}",
            "latency: p99: 1.5us cannot be measured; write whole microseconds, from 1us to 3600s",
        ),
        (
            "latency: {p99: 3601s}",
            "latency: p99: 3601s cannot be measured; write whole microseconds, from 1us to 3600s",
        ),
        ("latency: {99: 20ms}", "latency: '99' is no percentile; write p99"),
        ("latency: {P99: 20ms}", "latency: 'P99' is no percentile; write p99"),
        ("latency: {max: 20ms}", "latency: 'max' is no percentile; write for example p99 or p99.9"),
        (
            "latency: {p0: 20ms}",
            "latency: p0 is no percentile that a run can show; write one between p0 and p100, such as p99.9",
        ),
        (
            "latency: {p100: 20ms}",
            "latency: p100 is no percentile that a run can show; write one between p0 and p100, such as p99.9",
        ),
        ("latency: {p99: 1s, p99.0: 1s}", "latency: it states a percentile twice; leave one of them out"),
        (
            "latency: {p99: 20ms, p50: 100ms}",
            "latency: the limit of p99 is below that of p50, which is never the longer one; raise p99 or lower p50",
        ),
        (
            "latency: {}",
            "latency: it states no percentile; write for example {p50: 20ms, p99: 100ms}, or leave latency out",
        ),
        ("latency: 20ms", "latency: '20ms' does not say enough; write for example {p50: 20ms, p99: 100ms}"),
        ("error_rate: 0", "error_rate: 0 can never be shown by a finite run; write for example 0.001"),
        (
            "error_rate: 1.0",
            "error_rate: 1 is no share of the requests; write one above 0 and below 1, for example 0.001",
        ),
        (
            "error_rate: -0.1",
            "error_rate: -0.1 is no share of the requests; write one above 0 and below 1, for example 0.001",
        ),
        (
            "error_rate: .nan",
            "error_rate: nan is no share of the requests; write one above 0 and below 1, for example 0.001",
        ),
        ("error_rate: 0.1%", "error_rate: '0.1%' is no number; write for example 0.001"),
        ("error_rate: 1e-3", "error_rate: '1e-3' is no number; write for example 0.001"),
        ("error_rate: yes", "error_rate: True is no number; write for example 0.001"),
        ("goodput: 0.99", "goodput: 0.99 does not say enough; write for example {within: 100ms, at_least: 0.99}"),
        (
            "goodput: {at_least: 0.99}",
            "goodput: it lacks within; write for example {within: 100ms, at_least: 0.99}",
        ),
        (
            "goodput: {within: 100, at_least: 0.99}",
            "goodput.within: 100 is no duration; write a number and its unit, such as 20ms, 1.5s or 250us",
        ),
        (
            "goodput: {within: 100ms, at_least: 1}",
            "goodput.at_least: 1 can never be shown by a finite run; write for example 0.999",
        ),
        (
            "goodput: {within: 100ms, at_least: 99}",
            "goodput.at_least: 99 is no share of the requests; write one above 0 and below 1, for example 0.99",
        ),
        (
            "{error_rate: 0.1, min_requests: 0}",
            "min_requests: 0 is no number of requests; write a whole number, at least 1",
        ),
        (
            "{error_rate: 0.1, min_requests: 1.5}",
            "min_requests: 1.5 is no number of requests; write a whole number, at least 1",
        ),
        (
            "{error_rate: 0.1, confidence: 95}",
            "confidence: 95 is no level of confidence; write one from 0.5 to below 1, for example 0.95",
        ),
        (
            "{error_rate: 0.1, confidence: 1}",
            "confidence: 1 is no level of confidence; write one from 0.5 to below 1, for example 0.95",
        ),
    ],
)
def test_a_fault_is_one_sentence_that_names_file_and_key(tmp_path: Path, text: str, sentence: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(LoadTestError) as caught:
        read_slo(path)
    assert str(caught.value) == f"{path}: {sentence}"


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(LoadTestError, match="it cannot be read \\(No such file or directory\\); is --slo the right"):
        read_slo(tmp_path / "none.yaml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(LoadTestError, match="it cannot be read"):
        read_slo(tmp_path)


def test_a_picture_is_no_file_of_text(tmp_path: Path) -> None:
    path = tmp_path / "slo.yaml"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    with pytest.raises(LoadTestError, match="it is not YAML"):
        read_slo(path)


@pytest.mark.parametrize(("name", "share"), [("p50", 0.5), ("p99.9", 0.999), ("p99.99", 0.9999)])
def test_a_percentile_names_a_share(name: str, share: float) -> None:
    assert quantile(name) == share


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_files_beside_it_are_sound(path: Path) -> None:
    slo = read_slo(path)
    # A server that refuses what is too much for it answers those requests never.
    assert bool(slo.latency) != path.stem.endswith("overload")


def test_there_is_a_file_for_each_use_case_and_profile() -> None:
    expected = {
        f"{name}{kind}.yaml" for name in ("spam", "maintenance", "recommender") for kind in ("", "-smoke", "-overload")
    }
    assert {path.name for path in FILES} == expected
