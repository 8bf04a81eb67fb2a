# SPDX-License-Identifier: Apache-2.0
"""The command of this part: loadtest. It imports what it needs when it runs."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from loadtests.errors import LoadTestError

if TYPE_CHECKING:
    from loadtests.generator import Processes
    from loadtests.judging.verdict import Verdict
    from loadtests.plan import Plan
    from loadtests.run import Run

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)
_POSITIVE = click.FloatRange(min=0, min_open=True)
_NUMBER = click.IntRange(min=1)
_EXIT_CODES: Final = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}


def _words(_ctx: click.Context, _option: click.Parameter, text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


@click.command()
@click.argument("suite", required=False, metavar="[SUITE]")
@click.argument("locust", nargs=-1, type=click.UNPROCESSED, metavar="[-- LOCUST OPTIONS]")
@click.option("--host", metavar="URL", help="The server.  [default: http://MODEL.localhost:8080]")
@click.option("--grpc-host", metavar="HOST:PORT", help="Where gRPC is served; without it all requests are REST.")
@click.option("--connect-to", metavar="HOST", help="Connect there, whatever host --host and --grpc-host name.")
@click.option("--wait", type=click.FloatRange(min=0), default=0.0, help="Seconds to wait for the model to be ready.")
@click.option("--rate", metavar="RATES", help='Requests/s: "200", "50..400" (a ramp), "50,100,200" (steps).')
@click.option("--duration", type=_POSITIVE, metavar="SECONDS", help="How long requests arrive.")
@click.option("--arrivals", type=click.Choice(["poisson", "constant"]), default="poisson", show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The same: the same timetable.")
@click.option("--replay", type=_FILE, help="A recorded timetable in the place of --rate.")
@click.option("--profile", metavar="NAME", help="smoke, steady, spike, soak or overload, in the place of --rate.")
@click.option("--warmup", type=click.FloatRange(min=0), default=0.0, help="Seconds from the start that do not count.")
@click.option("--save-timetable", type=_NEW_FILE, help="Write the timetable, for --replay.")
@click.option("--model", metavar="NAME", help="The model's name; alone, with --input, loads any V2 server.")
@click.option("--model-version", metavar="VERSION", help="The version to ask for; else whichever is served.")
@click.option("--input", type=_FILE, help="V2 requests, one JSON object a line.")
@click.option("--golden", type=_FILE, help="An artifact's golden.json: requests whose answers are known.")
@click.option("--tags", callback=_words, metavar="TAG,...", help="Only these: rest, json, binary, grpc, single, batch.")
@click.option("--slo", type=_FILE, help="What must hold.  [default: the suite's own]")
@click.option("--report", metavar="FILE", help="Write a page with plots (.html): a path, s3:// or gs://.")
@click.option("--json", "json_report", metavar="FILE", help="Write all figures as JSON: a path, s3:// or gs://.")
@click.option("--verdict", "verdict_file", metavar="FILE", help="Write the verdict as one line of JSON.")
@click.option("--timeout", type=_POSITIVE, default=10.0, show_default=True, help="Seconds until a request has failed.")
@click.option("--max-in-flight", type=_NUMBER, help="Requests under way at once, for each process.")
@click.option("--max-lag", type=_POSITIVE, default=10.0, show_default=True, help="Milliseconds (p99) to leave late.")
@click.option("--workers", type=_NUMBER, default=1, show_default=True, help="Processes of this machine that send.")
@click.option("--expect-workers", type=_NUMBER, metavar="N", help="N processes that join from elsewhere send.")
@click.option("--worker-of", metavar="HOST", help="Join the run that HOST leads; the other options are not looked at.")
@click.option("--find-knee", is_flag=True, help="Look for the highest rate at which the SLO holds.")
@click.option("--knee-from", type=_POSITIVE, default=50.0, show_default=True, help="Where --find-knee begins.")
@click.pass_context
def loadtest(ctx: click.Context, /, **words: Any) -> None:
    """Send requests when they are due, and say whether a server holds its SLO.

    SUITE is spam, maintenance, recommender, or a locustfile of your own. Exit code 0: PASS, 1: FAIL, 3: INCONCLUSIVE
    (the run cannot tell, and says why), 2: the load test could not be run as asked.
    """
    from loadtests.generator import Processes, work_for
    from loadtests.plan import find_suite
    from loadtests.preflight import check_server

    name, extra = words["suite"], words["locust"]
    if name is not None and name.startswith("-"):  # there is no suite, and Locust's options came first
        name, extra = None, (name, *extra)
    suite = find_suite(name, words["model"])
    if words["worker_of"] is not None:
        ctx.exit(work_for(words["worker_of"], suite.locustfile))
    if words["find_knee"] and words["rate"] is None and words["profile"] is None and words["replay"] is None:
        words["rate"] = f"{words['knee_from']:.12g}"
    plan = _plan(suite, words)
    quiet = bool(ctx.parent and ctx.parent.params.get("quiet"))
    processes = Processes(words["workers"], words["expect_workers"] or 0, quiet)
    check_server(plan, words["wait"])
    run = _find_knee if words["find_knee"] else _load
    ctx.exit(run(plan, processes, extra, words))


def _plan(suite: Any, words: dict[str, Any]) -> "Plan":
    from loadtests.options import LoadOptions
    from loadtests.plan import make_plan

    given = {field: words[field] for field in LoadOptions.__dataclass_fields__ if field in words}
    kept = ("host", "profile", "slo", "tags")
    return make_plan(suite, options=LoadOptions(**given), **{name: words[name] for name in kept})


def _load(plan: "Plan", processes: "Processes", extra: tuple[str, ...], words: dict[str, Any]) -> int:
    from loadtests.generator import run_plan
    from loadtests.judging.verdict import judge
    from loadtests.judging.verdict_text import text_lines

    about = f": {plan.about}" if plan.about else ""
    click.echo(f"portside: {plan.options.describe_arrivals()}, to {plan.host}{about}", err=True)
    run = run_plan(plan, processes, extra)
    verdict = judge(plan.slo, run.evidence(), max_lag_us=_max_lag_us(words))
    click.echo(run.generator_line())
    if (failures := run.failures_line()) is not None:
        click.echo(failures)
    click.echo("\n".join(text_lines(verdict)))
    _keep(run, verdict, words)
    return _EXIT_CODES[verdict.outcome]


def _find_knee(plan: "Plan", processes: "Processes", extra: tuple[str, ...], words: dict[str, Any]) -> int:
    """Search, and report the last run; PASS when there is a rate that holds and one that does not."""
    from loadtests.saturation import find_knee_of

    last: tuple[Run, Verdict] | None = None

    def told(rate: float, run: "Run", verdict: "Verdict") -> None:
        nonlocal last
        last = run, verdict
        why = "; ".join(verdict.generator) or f"{verdict.requests:,} requests, {verdict.failed:,} failed"
        click.echo(f"{rate:10.4g} requests/s  {verdict.outcome:12}  {why}")

    knee = find_knee_of(plan, processes, extra, max_lag_us=_max_lag_us(words), told=told)
    click.echo(knee.about)
    if last is not None:
        _keep(*last, words)
    found = knee.holds is not None and knee.high is not None
    return _EXIT_CODES["PASS" if found else "INCONCLUSIVE"]


def _max_lag_us(words: dict[str, Any]) -> int:
    milliseconds: float = words["max_lag"]
    return round(milliseconds * 1000)


def _keep(run: "Run", verdict: "Verdict", words: dict[str, Any]) -> None:
    """Write what was asked for; what cannot be written is told, and changes nothing of the verdict."""
    from loadtests.destination import write_to
    from loadtests.report import write_json, write_page, write_verdict

    told = partial(write_verdict, run, verdict, report=words["report"])
    page, figures = partial(write_page, run, verdict), partial(write_json, run, verdict)
    for place, write in ((words["verdict_file"], told), (words["report"], page), (words["json_report"], figures)):
        if place is None:
            continue
        try:
            write_to(place, write)
        except LoadTestError as err:
            click.echo(f"portside: {err}", err=True)
        else:
            click.echo(f"portside: wrote {place}", err=True)
