"""The files of HLS subtitles: WebVTT segments and their playlist, RFC 8216. PURE."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.captions.subtitles import vtt_block, vtt_timestamp
from gateway.wire.cue import Cue

__all__ = ["TimedCue", "blocks_of", "listed_in", "playlist_text", "segment_name", "segment_text"]

_MS_PER_S = 1_000


@dataclass(frozen=True, slots=True)
class TimedCue:
    """A final cue, with its times in the stream.

    Attributes:
        cue: with the lines.
        start_ms, end_ms: since the stream began.
    """

    cue: Cue
    start_ms: int
    end_ms: int


def segment_name(number: int) -> str:
    """Return the name of a segment's file."""
    return f"captions-{number}.vtt"


def segment_text(cues: Iterable[TimedCue], mpegts: int, kept: Sequence[str] = ()) -> str:
    """Return a segment, with absolute times.

    The map stands right after the first line, without the blank line that WebVTT itself would want (RFC 8216 §3.5).

    Args:
        cues: that are displayed in the segment, or could not be listed before; oldest first.
        mpegts: the video's timestamp at the beginning of the stream, at 90 kHz.
        kept: blocks that an earlier run has written.
    """
    head = f"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{mpegts % 2**33},LOCAL:00:00:00.000\n\n"
    ids = {_id_of(block) for block in kept}  # after a restart the times of a cue may differ by some milliseconds
    return head + "".join([*kept, *(block for block in map(_block, cues) if _id_of(block) not in ids)])


def blocks_of(segment: str) -> tuple[str, ...]:
    """Return the cues of a segment as they stand there."""
    return tuple(f"{block}\n\n" for block in segment.split("\n\n")[1:] if block)


def listed_in(playlist: str) -> range | None:
    """Return the numbers of the segments of a playlist; None: it has none."""
    first = re.search(r"(?m)^#EXT-X-MEDIA-SEQUENCE:(\d+)$", playlist)
    return None if first is None else range(int(first[1]), int(first[1]) + playlist.count("#EXTINF:"))


def playlist_text(numbers: range, target_s: int, begins_s: float, *, is_over: bool) -> str:
    """Return the media playlist of some segments.

    Args:
        numbers: of the segments, whose length is the target duration.
        target_s: that duration.
        begins_s: when segment 0 begins, in seconds since 1970.
        is_over: whether no segment follows.
    """
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        f"#EXT-X-TARGETDURATION:{target_s}",
        f"#EXT-X-MEDIA-SEQUENCE:{numbers.start}",
    ]
    for number in numbers:
        begins = datetime.fromtimestamp(begins_s + number * target_s, UTC).isoformat(timespec="milliseconds")
        lines += [
            f"#EXT-X-PROGRAM-DATE-TIME:{begins.replace('+00:00', 'Z')}",
            f"#EXTINF:{target_s:.3f},",
            segment_name(number),
        ]
    return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if is_over else []), ""])


def _id_of(block: str) -> str:
    return block.partition("\n")[0]


def _block(timed: TimedCue) -> str:
    """Return a cue of WebVTT at its time in the stream."""
    identifier, _, rest = vtt_block(timed.cue).partition("\n")
    lines = rest.partition("\n")[2]
    times = f"{vtt_timestamp(timed.start_ms)} --> {vtt_timestamp(max(timed.end_ms, timed.start_ms + 1))}"
    return f"{identifier}\n{times}\n{lines}"
