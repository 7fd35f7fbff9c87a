"""The files to transcribe and the destinations of their captions, planned before any is opened."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from clients.caption_writers import OutputFormat
from clients.sources.source_url import is_url, parse_source_url
from gateway.wire import LivecueError

__all__ = ["STANDARD_INPUT", "Job", "TargetRefused", "media_files", "plan"]

STANDARD_INPUT = "-"

_MEDIA_SUFFIXES = frozenset(
    [
        ".3gp",
        ".aac",
        ".ac3",
        ".aif",
        ".aiff",
        ".amr",
        ".ape",
        ".asf",
        ".au",
        ".avi",
        ".caf",
        ".dts",
        ".eac3",
        ".f4v",
        ".flac",
        ".flv",
        ".m2ts",
        ".m4a",
        ".m4b",
        ".m4v",
        ".mka",
        ".mkv",
        ".mov",
        ".mp2",
        ".mp3",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".oga",
        ".ogg",
        ".ogv",
        ".opus",
        ".tta",
        ".ts",
        ".vob",
        ".w64",
        ".wav",
        ".weba",
        ".webm",
        ".wma",
        ".wmv",
        ".wv",
    ]
)
"""Of the files that are transcribed in a folder; a file named explicitly may have any suffix."""


class TargetRefused(LivecueError):
    """The sources and the destination of a command do not fit together."""

    code = "target_refused"


@dataclass(frozen=True, slots=True)
class Job:
    """One recording.

    Attributes:
        source: its path or URL, or `-` for standard input.
        output: file for its captions; None: standard output.
        format: of the captions.
    """

    source: str
    output: Path | None
    format: OutputFormat

    @property
    def name(self) -> str:
        """The source, for messages: without what may be secret in a URL."""
        return parse_source_url(self.source).displayed if is_url(self.source) else self.source


def plan(sources: Sequence[str], output: Path | None, output_format: OutputFormat | None) -> list[Job]:
    """Return the jobs in the order of the sources; files of a folder are ordered by name.

    Args:
        sources: paths of files and folders, URLs, or `-`.
        output: a file, or a folder, which several recordings require; None: standard output.
        output_format: None: by the suffix of `output`, else plain text.

    Raises:
        TargetRefused: a file is missing, or the destination is ambiguous or would overwrite a recording.
        SourceRefused: a URL is not one of a stream.
    """
    found = [pair for source in sources for pair in _found(source)]
    is_folder = output is not None and (output.is_dir() or len(found) > 1 or Path(sources[0]).is_dir())
    if len(found) > 1 and output is None:
        raise TargetRefused(f"{len(found)} recordings: expected -o FOLDER for their captions")
    if is_folder and output is not None:
        if output.exists() and not output.is_dir():
            raise TargetRefused(f"--output {output} is a file: expected a folder for {len(found)} recordings")
        chosen = output_format or OutputFormat.TXT
        paths = _paths_in(output, [name for _, name in found], chosen)
        jobs = [Job(source, path, chosen) for (source, _), path in zip(found, paths, strict=True)]
    else:
        if output is not None and not output.parent.is_dir():
            raise TargetRefused(f"--output {output}: no such folder {output.parent}")
        jobs = [Job(source, output, _format_of(output, output_format)) for source, _ in found]
    for job in jobs:
        _refuse_overwriting(job, [source for source, _ in found])
    return jobs


def media_files(folder: Path) -> list[Path]:
    """Return the recordings in a folder and below, by their suffixes, ordered by name."""
    return [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in _MEDIA_SUFFIXES and file.is_file()]


def _found(source: str) -> list[tuple[str, Path]]:
    """Return the recordings of an argument, each with the name for its captions."""
    if is_url(source):
        url = parse_source_url(source)
        return [(source, Path(PurePosixPath(url.path.partition("?")[0]).name or url.host or "captions"))]
    path = Path(source)
    if not path.is_dir():
        return [(source, Path("captions" if source == STANDARD_INPUT else path.name))]
    files = media_files(path)
    if not files:
        raise TargetRefused(f"{source}: no recordings in this folder (*.wav, *.mp3, *.mp4 …)")
    return [(str(file), file.relative_to(path)) for file in files]


def _paths_in(folder: Path, names: Sequence[Path], output_format: OutputFormat) -> list[Path]:
    """Return `talk.srt` for talk.mp4, or `talk.mp4.srt` if there is also a talk.wav."""
    counts = Counter(name.with_suffix("") for name in names)
    bases = [name.with_suffix("") if counts[name.with_suffix("")] == 1 else name for name in names]
    paths = [folder / f"{base}.{output_format}" for base in bases]
    duplicates = [path for path, count in Counter(paths).items() if count > 1]
    if duplicates:
        raise TargetRefused(f"--output {folder}: {duplicates[0]} would hold the captions of two recordings")
    return paths


def _format_of(output: Path | None, wanted: OutputFormat | None) -> OutputFormat:
    suffix = "" if output is None else output.suffix.lower()
    named = next((known for known in OutputFormat if suffix == f".{known}"), None)
    if wanted is None and named is None and suffix:
        known = ", ".join(f".{known}" for known in OutputFormat)
        raise TargetRefused(f"--output {output}: expected one of {known}, or --format for another suffix")
    if wanted is not None and named is not None and wanted is not named:
        raise TargetRefused(f"--output {output} --format {wanted}: suffix and format contradict each other; omit one")
    return wanted or named or OutputFormat.TXT


def _refuse_overwriting(job: Job, sources: Sequence[str]) -> None:
    """Refuse to overwrite a recording, even under another name or through a link."""
    if job.output is None or not job.output.exists():
        return
    existing = job.output.stat()
    for source in sources:
        try:
            status = os.fstat(sys.stdin.fileno()) if source == STANDARD_INPUT else Path(source).stat()
        except OSError:  # the source does not exist, or has no descriptor
            continue
        if os.path.samestat(existing, status):
            raise TargetRefused(f"--output {job.output}: would overwrite the recording {source}")
