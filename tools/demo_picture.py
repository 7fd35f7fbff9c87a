"""Draw `docs/demo.svg`: the terminal during the demo's last sentence, with its unstable end dimmed."""

import argparse
from collections.abc import AsyncIterator
from functools import partial
from io import StringIO
from pathlib import Path

import anyio
from rich.console import Console
from rich.text import Text

from benchmarks.processes import GatewayProcess
from clients.connection import connect
from clients.paced_media import MEDIA_FORMAT, MediaFile, paced
from clients.stream import stream
from clients.terminal import styled_cue
from gateway.wire import SAMPLE_RATE_HZ, Cue, CueEvent, CueState, Final, ServerEvent, Start
from tests.meeting import TALK

PICTURE = Path(__file__).parents[1] / "docs" / "demo.svg"

WORD = "exhibition"
"""The picture is taken when this word is displayed."""

COLUMNS = 96


class Picture:
    """A terminal that freezes once the word is displayed."""

    def __init__(self) -> None:
        self.console = Console(width=COLUMNS, record=True, file=StringIO())
        self.is_taken = False
        self._partials: dict[str, Cue] = {}

    def event(self, event: ServerEvent) -> None:
        """Display an event, unless the picture is taken."""
        match event:
            case Final(text=text, start_sample=start) if text and not self.is_taken:
                self._partials.clear()
                self.console.print(Text.assemble((_clock(start), "cyan"), text))
            case CueEvent(cue=cue) if cue.state is CueState.PARTIAL and not self.is_taken:
                self._partials[cue.cue_id] = cue
                self.is_taken = WORD in " ".join(cue.lines)
                if self.is_taken:
                    self.console.print(*map(styled_cue, self._partials.values()), sep="\n")
            case _:
                pass

    async def frames(self, media: MediaFile) -> AsyncIterator[bytes]:
        """Yield frames of the recording in real time until the picture is taken."""
        async for frame in paced(media.frames(), speed=1.0):
            if self.is_taken:
                return
            yield frame


def _clock(sample: int) -> str:
    seconds = sample // SAMPLE_RATE_HZ
    return f"{seconds // 60:02}:{seconds % 60:02}  "


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=PICTURE, help="default: docs/demo.svg")
    options = parser.parse_args()
    picture = Picture()
    picture.console.print(Text.assemble(("$ ", "green"), ("make demo", "bold")))
    with GatewayProcess("--engine", "whisper", "--model", "tiny.en") as gateway, MediaFile(str(TALK)) as media:
        anyio.run(stream, partial(connect, gateway.url), Start(MEDIA_FORMAT), picture.frames(media), picture.event)
    picture.console.save_svg(str(options.into), title="livecue")


if __name__ == "__main__":
    main()
