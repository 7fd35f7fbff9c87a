"""Runs the demo: gateway, recording, live captions, subtitle files, latency, word error rate."""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import quantiles

import anyio
import jiwer
from rich.console import Console
from rich.table import Table

from clients.connection import connect
from clients.paced_media import MEDIA_FORMAT, MediaFile, paced
from clients.stream import stream
from clients.terminal import CaptionView
from gateway.captions.subtitles import to_srt, to_vtt
from gateway.wire import Cue, CueEvent, CueState, Final, LivecueError, ServerEvent, SpeechEnded, Start

_RECORDING = Path(__file__).with_name("talk.flac")
_SCRIPT = Path(__file__).with_name("talk.txt")

_MAX_WORD_ERROR_RATE = 0.08
"""Seven of the 97 words; three or fewer are usual."""

_LISTENING = "livecue listens on "


@dataclass(slots=True)
class _Notes:
    """What the demo records of a session."""

    view: CaptionView
    finals: list[Final] = field(default_factory=list)
    cues: list[Cue] = field(default_factory=list)
    received_s: list[float] = field(default_factory=list)
    """From `SpeechEnded` to the final, as received by this client."""
    _ended_at_s: dict[int, float] = field(default_factory=dict)

    def event(self, event: ServerEvent) -> None:
        match event:
            case SpeechEnded(utterance_id=utterance_id):
                self._ended_at_s[utterance_id] = time.monotonic()
            case Final(utterance_id=utterance_id):
                self.finals.append(event)
                self.received_s.append(time.monotonic() - self._ended_at_s[utterance_id])
            case CueEvent(cue=cue) if cue.state is CueState.FINAL and cue.lines:
                self.cues.append(cue)
            case _:
                pass
        self.view.event(event)


def main() -> int:
    """Run the demo and return its exit code: 0, or 1 if the word error rate is above 8 %."""
    arguments = _arguments()
    console = Console()
    try:
        with _gateway(arguments.engine, arguments.model) as url, CaptionView(console) as view:
            named = f"engine {arguments.engine}, model {arguments.model}"
            console.print(f"gateway at {url}, {named}; three readers and speakers, in real time\n", style="dim")
            notes = _Notes(view)
            anyio.run(_caption, url, notes)
    except LivecueError as error:
        console.print(f"demo: {error}", style="red", markup=False)
        return 1
    _write_subtitles(notes.cues, arguments.out, console)
    _print_latency(notes, console)
    return 0 if _word_error_rate(notes.finals, console) <= _MAX_WORD_ERROR_RATE else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m clients.demo", description="Caption recorded speech, live.")
    parser.add_argument("--engine", default="whisper", help="of the gateway (default: %(default)s)")
    parser.add_argument("--model", default="tiny.en", help="of the engine (default: %(default)s, included in livecue)")
    parser.add_argument("--out", type=Path, default=Path("build/demo"), help="folder for talk.srt and talk.vtt")
    return parser.parse_args()


@contextmanager
def _gateway(engine: str, model: str) -> Iterator[str]:
    """Run a gateway on a free port and yield its URL."""
    command = [sys.executable, "-m", "gateway", "serve", "--port", "0", "--engine", engine, "--model", model]
    command += ["--log-level", "warning"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own command
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith(_LISTENING):
                raise LivecueError("the gateway did not start")
            yield line.removeprefix(_LISTENING).strip()
        finally:
            process.terminate()


async def _caption(url: str, notes: _Notes) -> None:
    with MediaFile(str(_RECORDING)) as media:
        await stream(partial(connect, url), Start(MEDIA_FORMAT), paced(media.frames(), speed=1.0), notes.event)


def _write_subtitles(cues: list[Cue], folder: Path, console: Console) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, text in (("srt", to_srt(cues)), ("vtt", to_vtt(cues))):
        path = folder / f"talk.{suffix}"
        path.write_text(text, encoding="utf-8")
        console.print(f"wrote {path}", style="dim")


def _print_latency(notes: _Notes, console: Console) -> None:
    splits = [final.latency for final in notes.finals]
    rows = {
        "endpoint wait": [split.endpoint_s for split in splits],
        "queue": [split.queue_s for split in splits],
        "decode": [split.decode_s for split in splits],
        "delivery": [split.delivery_s for split in splits],
        "beyond the endpoint wait": [split.queue_s + split.decode_s + split.delivery_s for split in splits],
        "the same, measured by the client": notes.received_s,
    }
    table = Table("end of speech → final", "p50 ms", "p95 ms", box=None, pad_edge=False)
    for name, times_s in rows.items():
        cuts = quantiles(times_s, n=20, method="inclusive")
        table.add_row(name, f"{cuts[9] * 1000:.0f}", f"{cuts[18] * 1000:.0f}")
    console.print()
    console.print(table)


def _word_error_rate(finals: list[Final], console: Console) -> float:
    reference = " ".join(line.partition("\t")[2] for line in _SCRIPT.read_text(encoding="utf-8").splitlines())
    hypothesis = " ".join(final.text for final in finals)
    measured = jiwer.process_words(_plain(reference), _plain(hypothesis))
    words = measured.hits + measured.substitutions + measured.deletions
    errors = measured.substitutions + measured.deletions + measured.insertions
    console.print(f"\n{errors} of {words} words wrong ({measured.wer:.1%})")
    return measured.wer


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower().replace("-", " ")))


if __name__ == "__main__":
    sys.exit(main())
