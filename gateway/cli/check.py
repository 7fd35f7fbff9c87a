"""`livecue check`: names the rules that subtitle files break."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gateway.captions.cue_profiles import PROFILES
from gateway.captions.subtitles import vtt_timestamp
from gateway.checks.files import FORMATS
from gateway.checks.rules import Breach, breaches
from gateway.checks.subtitle import Malformed
from gateway.cli.running import EXIT_FAILED, reported_errors
from gateway.errors import ConfigurationError

__all__ = ["check"]

_MS_PER_S = 1000


def check(
    files: Annotated[list[Path], typer.Argument(help="Subtitle files: .srt, .vtt, .ass, .ttml or .scc.")],
    profile: Annotated[
        str | None, typer.Option("--profile", help="netflix, bbc, ebu, web …; default: web, of .scc files 608.")
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", help="Code of the language, such as en: checks line breaks, too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Name each rule that subtitle files break: its subtitle, time, what it is and what is allowed.

    The exit code is 1 if a rule is broken or a file cannot be read as its format, else 0.
    """
    with reported_errors():
        reports = [_report(file, profile, language) for file in files]
    if as_json:
        typer.echo(json.dumps({"files": [_as_json(report) for report in reports]}, ensure_ascii=False))
    else:
        for report in reports:
            _print(report)
    if any(report.breaches or report.problem for report in reports):
        raise typer.Exit(EXIT_FAILED)


@dataclass(frozen=True, slots=True)
class _Report:
    """What is wrong with a file."""

    file: Path
    profile: str
    subtitles: int
    breaches: tuple[Breach, ...]
    problem: str | None = None
    """Why it cannot be read as its format."""

    @property
    def counts(self) -> dict[str, int]:
        """Broken rules, the most frequent first."""
        return dict(Counter(breach.rule for breach in self.breaches).most_common())


def _report(file: Path, profile: str | None, language: str | None) -> _Report:
    known = FORMATS.get(file.suffix.lower())
    if known is None:
        raise ConfigurationError(f"{file}: expected one of {', '.join(FORMATS)}")
    name = profile or known.profile
    if name not in PROFILES:
        raise ConfigurationError(f"unknown cue profile {name!r}: expected one of {', '.join(PROFILES)}")
    try:
        subtitles = known.read(file.read_bytes())
    except (OSError, Malformed) as error:
        return _Report(file, name, 0, (), error.strerror if isinstance(error, OSError) else str(error))
    found = breaches(subtitles, PROFILES[name], known.tolerance_ms, language)
    return _Report(file, name, len(subtitles), tuple(found))


def _as_json(report: _Report) -> dict[str, object]:
    return {
        "file": str(report.file),
        "profile": report.profile,
        "subtitles": report.subtitles,
        "problem": report.problem,
        "counts": report.counts,
        "breaches": [
            {
                "rule": breach.rule,
                "number": breach.number,
                "start_s": breach.start_ms / _MS_PER_S,
                "got": breach.got,
                "allowed": breach.allowed,
            }
            for breach in report.breaches
        ],
    }


def _print(report: _Report) -> None:
    if report.problem is not None:
        typer.echo(f"{report.file}: {report.problem}")
        return
    for breach in report.breaches:
        where = f"{report.file}: subtitle {breach.number} at {vtt_timestamp(breach.start_ms)}"
        typer.echo(f"{where}: {breach.rule}: {breach.got}; allowed: {breach.allowed}")
    counts = ", ".join(f"{count} {rule}" for rule, count in report.counts.items())
    broken = f"{len(report.breaches)} broken rules ({counts})" if counts else "no broken rules"
    typer.echo(f"{report.file}: {report.subtitles} subtitles, {broken}, profile {report.profile}")
