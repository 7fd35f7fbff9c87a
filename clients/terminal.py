"""Live captions in a terminal: finals scroll up, the cues still changing stand below, their unstable end dimmed."""

from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from gateway.wire import (
    SAMPLE_RATE_HZ,
    Cue,
    CueEvent,
    CueState,
    Error,
    Final,
    ServerEvent,
    SpeechEnded,
    SpeechStarted,
    Warning,
)

__all__ = ["CaptionView", "styled_cue"]

_REFRESH_HZ = 10


class CaptionView:
    """Shows a session's captions while the block lasts.

    Where the console is no terminal, only finals are printed, one a line.

    Args:
        console: where to.
        times: whether finals are printed with their start time.
    """

    def __init__(self, console: Console, *, times: bool = True) -> None:
        self._console = console
        self._with_times = times
        self._partials: dict[str, Cue] = {}
        self._is_speaking = False
        self._live = Live(console=console, refresh_per_second=_REFRESH_HZ, transient=True)

    def __enter__(self) -> "CaptionView":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def event(self, event: ServerEvent) -> None:
        """Show what the event changes."""
        match event:
            case CueEvent(cue=cue):
                self._take(cue)
            case Final(text=text, start_sample=start_sample) if text:
                time = f"{_clock(start_sample)}  " if self._with_times else ""
                self._console.print(Text.assemble((time, "cyan"), text), soft_wrap=True)
            case Warning(message=message) | Error(message=message):
                self._console.print(Text(f"! {message}", "yellow"), soft_wrap=True)
            case SpeechStarted():
                self._is_speaking = True
            case SpeechEnded():
                self._is_speaking = False
            case _:
                return
        self._live.update(self._view())

    def _take(self, cue: Cue) -> None:
        if cue.state is CueState.PARTIAL and cue.lines:
            self._partials[cue.cue_id] = cue
        else:
            self._partials.pop(cue.cue_id, None)

    def _view(self) -> Group:
        lines = [styled_cue(cue) for cue in self._partials.values()]
        return Group(*lines) if lines else Group(Text("…" if self._is_speaking else "", "dim"))


def styled_cue(cue: Cue) -> Text:
    """Return a cue's text, what may still change dimmed."""
    text = Text("\n".join(cue.lines))
    if cue.state is CueState.PARTIAL:
        text.stylize("dim", cue.stable_chars)
    return text


def _clock(sample: int) -> str:
    seconds = sample // SAMPLE_RATE_HZ
    return f"{seconds // 60:02}:{seconds % 60:02}"
