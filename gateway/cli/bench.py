"""`livecue bench`: measures any streaming transcription server, and compares results."""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import msgspec
import typer
from rich.console import Console
from typer.core import TyperGroup

from clients.bench.benchmark import Watch, play_streams
from clients.bench.measure import measure_run
from clients.bench.report import join_results, print_summary, read_results, write_csv, write_html
from clients.bench.result import Result
from clients.bench.self_test import Comparison, SelfTest
from clients.bench.self_test_server import serving
from clients.bench.targets import SELF_TEST, EndpointSpec, endpoint_of
from clients.interrupts import interruptible
from gateway.cli.bench_material import cost_text
from gateway.cli.bench_options import BenchOptions, is_local, read_counts, read_duration, read_options
from gateway.cli.bench_prepare import prepare
from gateway.cli.bench_progress import run_progress
from gateway.cli.bench_run import Exit, Plan, exit_code, make_plan, run_plan
from gateway.cli.running import notices, reported_errors
from gateway.cli.tables import print_table
from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from typer._click.core import Context  # Typer's own since it no longer requires Click

__all__ = ["app"]


@dataclass(frozen=True, slots=True)
class _Outputs:
    """Files to write; None: not."""

    json: Path | None
    html: Path | None
    csv: Path | None

    def check(self) -> None:
        """Fail before the runs, rather than after them."""
        for path in (self.json, self.html, self.csv):
            if path is not None and not path.absolute().parent.is_dir():
                raise ConfigurationError(f"{path}: no such folder")

    def write(self, result: Result) -> None:
        """Write the files."""
        if self.json is not None:
            self.json.write_bytes(msgspec.json.format(msgspec.json.encode(result)))
        if self.html is not None:
            write_html([result], self.html)
        if self.csv is not None:
            write_csv(result, self.csv)


class _RunByDefault(TyperGroup):
    """A group whose command is `run`, unless another one is named: `livecue bench URL` and `livecue bench report`."""

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        """Name `run` where no command is named."""
        names = {*self.commands, *self.get_help_option_names(ctx)}
        if args and args[0] not in names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    help="Measure streaming transcription servers: livecue bench URL --audio DIR, or one of the commands below.",
    no_args_is_help=True,
)

_Json = Annotated[Path | None, typer.Option("--json", help="Write the result as JSON.")]
_Html = Annotated[Path | None, typer.Option("--html", help="Write a report as one HTML file.")]
_Csv = Annotated[Path | None, typer.Option("--csv", help="Write all words with their times.")]


@app.command("run")
def bench(
    url: Annotated[str, typer.Argument(help="Server: ws://HOST:PORT, https://…, tcp://HOST:PORT; a path is optional.")],
    audio: Annotated[Path, typer.Option(help="Folder of recordings with texts, or a manifest.json.")],
    dialect: Annotated[
        str, typer.Option(help="Protocol of the server; auto: by the URL, else livecue's own.")
    ] = "auto",
    streams: Annotated[str, typer.Option("-n", "--streams", help="Streams at once, loads in sequence: 1,2,4.")] = "1",
    seconds: Annotated[
        str | None, typer.Option(help="Least audio of a stream: 60, 90s, 2m; default: one recording.")
    ] = None,
    slo: Annotated[
        list[str] | None, typer.Option(help="Condition on a metric, such as 'word_shown.p95<=1.5'; repeatable.")
    ] = None,
    find_capacity: Annotated[
        bool, typer.Option("--find-capacity", help="Search the most streams that meet the SLO for a whole run.")
    ] = False,
    overload: Annotated[
        float | None, typer.Option(help="Then play so many times that, and observe what becomes of the others.")
    ] = None,
    cut_every: Annotated[str | None, typer.Option(help="Cut each connection at this interval: 20s.")] = None,
    silence: Annotated[
        bool, typer.Option("--silence", help="Also play silence, noise and music, and count invented words.")
    ] = False,
    model: Annotated[str | None, typer.Option(help="Model to ask of the server.")] = None,
    language: Annotated[str | None, typer.Option(help="Language to ask of the server: en, de …")] = None,
    terms: Annotated[list[str] | None, typer.Option("--term", help="Name or word to favour; repeatable.")] = None,
    options: Annotated[
        list[str] | None, typer.Option("--option", metavar="NAME=VALUE", help="Parameter of the dialect; repeatable.")
    ] = None,
    pid: Annotated[int | None, typer.Option(help="Process of the server here: its CPU, memory and GPU count.")] = None,
    frame_ms: Annotated[int, typer.Option(min=20, max=1000, help="Audio in a message.")] = 100,
    stagger: Annotated[str, typer.Option(help="Time over which the streams connect.")] = "1s",
    name: Annotated[str | None, typer.Option(help="Name of the server in reports.")] = None,
    json_file: _Json = None,
    html_file: _Html = None,
    csv_file: _Csv = None,
    yes: Annotated[bool, typer.Option("--yes", help="Send audio to a service elsewhere without asking.")] = False,
) -> None:
    """Measure a server. Streams are paced by an open loop; beyond 50 they are spread over several processes.

    Exit code: 0 the SLO is met, 1 it is not, 2 wrong usage, 3 the client was late, so the run is invalid.
    Keys of services come from OPENAI_API_KEY, DEEPGRAM_API_KEY and ASSEMBLYAI_API_KEY, of others from LIVECUE_API_KEY.
    """
    with reported_errors():
        outputs = _Outputs(json_file, html_file, csv_file)
        outputs.check()
        plan = make_plan(
            BenchOptions(
                url=url,
                dialect=dialect,
                audio=audio,
                counts=read_counts(streams),
                seconds=None if seconds is None else read_duration("--seconds", seconds),
                slo=tuple(slo or ()),
                finds_capacity=find_capacity,
                overload=overload,
                cut_every_s=None if cut_every is None else read_duration("--cut-every", cut_every),
                measures_silence=silence,
                frame_s=frame_ms / 1000,
                stagger_s=read_duration("--stagger", stagger),
                name=name,
                model=model,
                language=language,
                terms=tuple(terms or ()),
                extra=read_options(options or ()),
                pid=pid,
            )
        )
        _confirm(plan, is_confirmed=yes)
        code = _on_event_loop(partial(_measure, plan, outputs))
    raise typer.Exit(code)


app.command()(prepare)


@app.command("report")
def report_results(
    results: Annotated[list[Path], typer.Argument(help="JSON files of results, in the order of their columns.")],
    html_file: _Html = None,
) -> None:
    """Compare results, in the terminal and side by side in one HTML file. Results of one server are joined."""
    with reported_errors():
        read = join_results(read_results(results))
        for result in read:
            print_summary(result, Console())
        if html_file is not None:
            write_html(read, html_file)


@app.command("self-test")
def self_test() -> None:
    """Measure a scripted server on loopback for some 20 s, and compare every figure with the script.

    Exit code: 0 all figures agree within 5 ms and one word, 1 they do not, 3 the machine was too busy to say.
    """
    with reported_errors():
        code = _on_event_loop(_test_self)
    raise typer.Exit(code)


def _confirm(plan: Plan, *, is_confirmed: bool) -> None:
    """Ask before audio is sent to a service that may charge for it.

    Raises:
        ConfigurationError: there is nobody to ask.
    """
    url = plan.options.url
    if is_local(url) or is_confirmed:
        return
    cost = cost_text(plan.materials, plan.options)
    notices.print(f"livecue will send {cost} to {url.partition('?')[0]}", markup=False, soft_wrap=True)
    if not sys.stdin.isatty():
        raise ConfigurationError("--yes is needed where there is no terminal to ask")
    typer.confirm("Send it?", abort=True, err=True)


def _on_event_loop(main_task: Callable[[], Awaitable[Exit]]) -> Exit:
    # asyncio's own loop: uvloop's clock, by which frames are due, has a resolution of 1 ms
    return anyio.run(main_task)


async def _measure(plan: Plan, outputs: _Outputs) -> Exit:
    async with interruptible() as leaving:
        with run_progress(notices) as progress:
            watch = Watch(leaving, progress.run, progress.update)
            result = await run_plan(plan, play_streams(plan.endpoint), watch)
        was_interrupted = leaving.is_set()
    print_summary(result, Console())
    for reason in (reason for run in result.runs for reason in run.clock.reasons):
        notices.print(f"invalid: {reason}", style="red", markup=False, soft_wrap=True)
    outputs.write(result)
    return exit_code(result, was_interrupted=was_interrupted)


async def _test_self() -> Exit:
    test = SelfTest()
    async with interruptible() as leaving, serving(test.server) as url:
        with run_progress(notices) as progress:
            progress.run(len(test.server.scripts) + 1, "load", test.audio_s)
            endpoint = endpoint_of(EndpointSpec(url, SELF_TEST))
            run = await test.run(endpoint, measure_run, leaving, progress.update)
    rows = test.comparisons(run)
    print_table(("figure", "script", "measured", "differs by", ""), [_cells(row) for row in rows])
    if obstacles := test.obstacles(run):
        typer.echo(f"invalid: the machine is too busy to measure on: {', '.join(obstacles)}")
        return Exit.INVALID
    agreeing = sum(row.agrees for row in rows)
    typer.echo(f"{agreeing} of {len(rows)} figures agree")
    return Exit.MET if agreeing == len(rows) else Exit.NOT_MET


def _cells(row: Comparison) -> tuple[str, ...]:
    places = 4 if row.unit == "s" else 0
    measured = "nothing" if row.measured is None else f"{row.measured:.{places}f}"
    difference = "" if row.measured is None else f"{row.measured - row.expected:+.{places}f} {row.unit}"
    return row.figure, f"{row.expected:.{places}f}", measured, difference, "" if row.agrees else "wrong"
