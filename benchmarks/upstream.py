"""Audio uploaded for a second of speech, by the source of partials.

`off`, `local` and `upstream` are the policies of the engine `upstream` (`engine.pool.partials`). `naive` sends the
whole utterance so far at every interval, pause and end, as open peers do. Audio, segmentation and intervals are the
same. Sessions run on a virtual clock without a network: the seconds are counted where the client would send them, and
the words are those of a script that follows the audio. All figures are the same in every run.

Speech is the audio of the segmenter's utterances, including some silence around them. 1.00 means finals only.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio

from benchmarks.gateway import decoded
from benchmarks.recordings import SHARED_AUDIO
from benchmarks.report import print_table, write_json
from benchmarks.virtual import VirtualGateway
from clients.paced_media import MEDIA_FORMAT
from decoder.engine import Engine
from decoder.engines.scripted import ScriptedEngine, spoken_count
from decoder.engines.upstream.audio_encoding import padded_samples
from decoder.engines.upstream.client import UpstreamRequest
from decoder.engines.upstream.engine import UpstreamEngine
from decoder.engines.upstream.response_parsing import Transcription
from decoder.settings import PoolSettings, UpstreamSettings
from decoder.types import DecodeRequest, EngineError, Hypothesis, RequestKind
from gateway.settings import load_settings
from gateway.wire import SAMPLE_RATE_HZ, CueEvent, CueState, Final, SpeechEnded, Start

POLICIES = ("off", "local", "upstream", "naive")

RECORDINGS = (SHARED_AUDIO / "long_lj_contiguous.flac", Path(__file__).parents[1] / "tests" / "data" / "meeting.flac")


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The uploads of one policy for one recording.

    Attributes:
        recording: its name.
        policy: in `POLICIES`.
        speech_s: of the utterances.
        partials_per_s, eager_per_s, finals_per_s: seconds sent per kind of request for a second of speech.
        total_per_s: of all kinds.
        requests: number sent.
        shown_partials: partial cues emitted.
    """

    recording: str
    policy: str
    speech_s: float
    partials_per_s: float
    eager_per_s: float
    finals_per_s: float
    total_per_s: float
    requests: int
    shown_partials: int


class CountingUpstream:
    """An upstream that counts the audio it receives, and answers with the scripted words, without times."""

    def __init__(self) -> None:
        self.settings = UpstreamSettings("http://127.0.0.1:9/v1", "counted")
        self.name = "counted"
        self.sent_samples: Counter[RequestKind] = Counter()
        self.requests = 0

    async def connect(self) -> None:
        """Do nothing."""

    async def post(self, ask: UpstreamRequest, *, on_new_connection: bool) -> Transcription:
        """Count the sound and return its words."""
        self.count(ask.kind, len(ask.samples))
        request = DecodeRequest("", 0, 0, ask.kind, ask.samples, ask.start_sample, 0.0)
        return Transcription("".join(word.text for word in spoken_count(request).words).strip())

    async def aclose(self) -> None:
        """Do nothing."""

    def count(self, kind: RequestKind, samples: int) -> None:
        """Count uploaded audio."""
        self.sent_samples[kind] += padded_samples(samples)
        self.requests += 1


def engine_of(policy: str, upstream: CountingUpstream) -> Engine:
    """Return an engine of that policy, with that upstream."""
    match policy:
        case "off":
            return UpstreamEngine([upstream], PoolSettings(partials="off"))
        case "local":
            return UpstreamEngine([upstream], PoolSettings(partials="local"), ScriptedEngine())
        case "upstream":
            return UpstreamEngine([upstream], PoolSettings(partials="upstream"))
        case _:

            def growing(request: DecodeRequest) -> Hypothesis | EngineError:
                upstream.count(request.kind, len(request.samples))
                return spoken_count(request)

            return ScriptedEngine(growing)


async def measure(recording: str, audio: bytes, policy: str) -> Uploaded:
    """Return the uploads of a policy for a recording.

    Args:
        recording: its name.
        audio: in the format of files: 16 bits, mono, 16 kHz.
        policy: in `POLICIES`.
    """
    upstream = CountingUpstream()
    gateway = VirtualGateway(engine_of(policy, upstream), load_settings(), Start(MEDIA_FORMAT, language="en"), [audio])
    [moments] = await gateway.run()
    events = [event for moment in moments for event in moment.events]
    spans = [event.end_sample - event.start_sample for event in events if isinstance(event, SpeechEnded)]
    failed = [event for event in events if isinstance(event, Final) and event.error]
    assert spans, f"{recording} has no speech"
    assert not failed, f"{len(failed)} finals failed"
    sent, speech = upstream.sent_samples, sum(spans)
    return Uploaded(
        recording,
        policy,
        speech / SAMPLE_RATE_HZ,
        sent[RequestKind.PARTIAL] / speech,
        sent[RequestKind.EAGER] / speech,
        sent[RequestKind.FINAL] / speech,
        sent.total() / speech,
        upstream.requests,
        sum(isinstance(event, CueEvent) and event.cue.state is CueState.PARTIAL for event in events),
    )


async def run(recordings: Sequence[Path]) -> list[Uploaded]:
    """Measure every policy on every recording."""
    return [
        await measure(recording.name, audio, policy)
        for recording in recordings
        for audio in [decoded(recording)]
        for policy in POLICIES
    ]


def main() -> None:
    """Measure, print the table and write the JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.upstream", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recordings", type=Path, nargs="+", default=RECORDINGS, help="audio files")
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    results = anyio.run(run, options.recordings)
    columns = ["recording", "policy", "speech s", "partials s / s", "eager s / s", "finals s / s", "all s / s"]
    columns += ["requests", "partial cues"]
    print_table("uploaded for a second of speech", columns, [list(asdict(result).values()) for result in results])
    write_json(options.json, "upstream", [asdict(result) for result in results])


if __name__ == "__main__":
    main()
