"""Live captions in a terminal: finals scroll up, changing cues are below, with their unstable end dimmed."""

import sys
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from gateway.wire import (
    SAMPLE_RATE_HZ,
    Correction,
    Cue,
    CueEvent,
    CueState,
    Error,
    Final,
    Gap,
    ServerEvent,
    SpeechEnded,
    SpeechStarted,
    Warning,
)
from gateway.wire.server_events import channel_of

__all__ = ["CaptionView", "styled_cue"]

_REFRESH_HZ = 10


class CaptionView:
    """Displays a session's captions while the block lasts.

    If the console is not a terminal, only finals and corrections are printed, one per line.

    Args:
        console: to print to.
        times: whether finals are printed with their start time.
    """

    def __init__(self, console: Console, *, times: bool = True) -> None:
        self._console = console
        self._with_times = times
        self._partials: dict[tuple[int | None, str], Cue] = {}
        self._speaking: set[int | None] = set()
        # a log that goes to a file stays there, and is not wrapped to the width of the terminal
        redirects = sys.stderr.isatty()
        self._live = Live(console=console, refresh_per_second=_REFRESH_HZ, transient=True, redirect_stderr=redirects)

    def __enter__(self) -> "CaptionView":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def event(self, event: ServerEvent) -> None:
        """Display an event; finals of several channels are printed with the channel number."""
        channel, inner = channel_of(event)
        match inner:
            case CueEvent(cue=cue):
                self._keep_partial(channel, cue)
            case Final():
                self._print_final(channel, inner)
            case Correction():
                self._print_correction(channel, inner)
            case Gap(start_sample=start_sample, end_sample=end_sample):
                lost_s = (end_sample - start_sample) / SAMPLE_RATE_HZ
                self._warn(f"{lost_s:.1f} s of audio were lost")
            case Warning(message=message) | Error(message=message):
                self._warn(message)
            case SpeechStarted():
                self._speaking.add(channel)
            case SpeechEnded():
                self._speaking.discard(channel)
            case _:
                return
        self._live.update(self._view())

    def _keep_partial(self, channel: int | None, cue: Cue) -> None:
        if cue.state is CueState.PARTIAL and cue.lines:
            self._partials[channel, cue.cue_id] = cue
        else:
            self._partials.pop((channel, cue.cue_id), None)

    def _print_final(self, channel: int | None, final: Final) -> None:
        done = channel, final.utterance_id
        self._partials = {name: cue for name, cue in self._partials.items() if (name[0], cue.utterance_id) != done}
        if final.text:
            time = f"{_clock(final.start_sample)}  " if self._with_times else ""
            speaker = "" if channel is None else f"{channel}: "
            self._console.print(Text.assemble((time, "cyan"), (speaker, "cyan"), final.text), soft_wrap=True)

    def _print_correction(self, channel: int | None, correction: Correction) -> None:
        time = f"{_clock(correction.cues[0].start_sample)}  " if self._with_times and correction.cues else ""
        speaker = "" if channel is None else f"{channel}: "
        what = f"corrected: {correction.text}" if correction.text else f"utterance {correction.utterance_id} removed"
        self._console.print(Text.assemble((time, "cyan"), (speaker, "cyan"), what), soft_wrap=True)

    def _warn(self, message: str) -> None:
        self._console.print(Text(f"! {message}", "yellow"), soft_wrap=True)

    def _view(self) -> Group:
        lines = [line for cue in self._partials.values() for line in styled_cue(cue).split("\n")]
        # a long utterance may have more lines than the terminal, which would hide the newest
        newest = lines[-max(1, self._console.height - 1) :]
        return Group(*newest) if newest else Group(Text("…" if self._speaking else "", "dim"))


def styled_cue(cue: Cue) -> Text:
    """Return a cue's text, with its unstable end dimmed."""
    text = Text("\n".join(cue.lines))
    if cue.state is CueState.PARTIAL:
        text.stylize("dim", cue.stable_chars)
    return text


def _clock(sample: int) -> str:
    seconds = sample // SAMPLE_RATE_HZ
    return f"{seconds // 60:02}:{seconds % 60:02}"
