"""A meeting whose captions go everywhere: viewers, and one sink of each kind, of which each fails for a while in turn.

A gateway in its own process captions recordings of people, which a client plays in real time. Two viewers watch in
Chromium: one joins late, one loses its network in the middle. The sinks send to scripted services behind networks that
can be cut, and to folders that cannot be written for a while; hls.js in Chromium plays a live video with the captions.
In mid-meeting one utterance is corrected.

- *Expected*: captions that the client got, of those that the sink takes. *Lost*, *repeated*: of these, what the
  place has not, or more than once. *Dropped*: what the sink says that it gave up, in the session and in the metric.
- *Caught up*: from the end of the outage until everything from before was there.
- *Delay*: from the client's receipt of a caption to that of the place, seconds at p50 and p95, without the place's own
  outage: while every place could be reached, and during outages of others.
- *Shown*: by how much later than its words were spoken a cue appears, by the date of the picture on which it appears.

Fails if something is lost whose protocol allows to repeat it, if a loss is not announced, if an outage delays another
place, or if viewers, transcript, file and player differ in more than the correction.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time

import anyio
from anyio import to_thread
from playwright.async_api import Browser

from benchmarks.meeting_account import Account, Outage, account_of, blocks_of, counts_of, schedule, shown_errors
from benchmarks.meeting_pages import PlayerPage, Video, ViewerPage, opened_player, opened_viewer, playing_video
from benchmarks.meeting_places import Place, open_places, spaced
from benchmarks.meeting_report import Findings, PlayerFinding, SinkFinding, faults_of, print_findings
from benchmarks.meeting_session import MeetingSession, fetched, text_of
from benchmarks.processes import GatewayProcess
from benchmarks.recordings import SHARED_AUDIO
from benchmarks.report import write_json
from benchmarks.talks import read_talk, talk_from
from decoder.packaged_models import EMBEDDED
from tests.browsers import Network, launched, network

FOLDERS = ("en_lj", "en_librispeech", "en_librivox_austen", "en_spontaneous")

CUT_VIEWER, LATE_VIEWER = "viewer, cut off", "viewer, late"

_CORRECTED_AFTER = 2
"""Outages, after which the next final is corrected."""

_UNLISTED_S = 30.0
"""A caption is listed so long after its words at most: utterance, segment, and the time for which that is held."""

_SETTLE_S = 120.0
"""At most, for what is left to do after the session."""


class _Meeting:
    """One run.

    Args:
        options: of the command.
        root: an empty folder.
        frames: of the audio.
    """

    def __init__(self, options: argparse.Namespace, root: Path, frames: list[bytes]) -> None:
        self._options = options
        self._root = root
        self._frames = frames
        self._stack = AsyncExitStack()
        self._viewers: dict[str, ViewerPage] = {}
        self._player: PlayerPage | None = None

    async def hold(self) -> Findings:
        """Hold the meeting, and return what it has shown."""
        for name in ("video", "places"):
            (self._root / name).mkdir()
        async with self._stack as stack:
            video = stack.enter_context(playing_video(self._root / "video"))
            hls_options = f"epoch={await video.epoch_s():.3f}"
            places = await stack.enter_async_context(open_places(self._root / "places", hls_options))
            gateway = stack.enter_context(GatewayProcess(*self._serve(places, video)))
            browser = await stack.enter_async_context(launched("--autoplay-policy=no-user-gesture-required"))
            way = await stack.enter_async_context(network(gateway.url))
            await video.until_longer_than(self._options.behind_s + 6.0)
            session = MeetingSession(gateway.url)
            async with anyio.create_task_group() as watching:
                for place in places.values():
                    watching.start_soon(place.watch)
                outages = await self._run(session, places, browser, way, video)
                await self._settle(session, gateway.url)
                watching.cancel_scope.cancel()
            return await self._findings(session, places, outages, gateway.url)

    def _serve(self, places: dict[str, Place], video: Video) -> list[str]:
        """Return the options of the gateway."""
        serve = ["--engine", "whisper", "--model", self._options.model, "--offline"]
        serve += ["--set", f"journal.database={self._root}/journal.db"]
        serve += ["--set", f"server.allowed_origins={video.url}"]
        for place in places.values():
            serve += ["--sink", f"{place.name}={place.url}"]
        return serve

    async def _run(
        self, session: MeetingSession, places: dict[str, Place], browser: Browser, way: Network, video: Video
    ) -> list[Outage]:
        """Run the session with everything that happens in it, and return the outages."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.speak, self._frames)
            await session.is_ready.wait()
            begun_s, length_s = time(), self._options.minutes * 60
            outages = schedule(list(places), begun_s, length_s, self._options.down_s)
            cut = Outage(CUT_VIEWER, begun_s + length_s / 2, begun_s + length_s / 2 + self._options.down_s / 2)
            joins = Outage(LATE_VIEWER, begun_s, begun_s + length_s / 4)
            for outage in outages:
                tasks.start_soon(places[outage.name].fail, outage)
            tasks.start_soon(_cut, way, cut)
            tasks.start_soon(session.correct, outages[_CORRECTED_AFTER - 1].end_s)
            tasks.start_soon(self._play, browser, session, video)
            await self._view(browser, CUT_VIEWER, f"{way.url}/watch/{session.session_id}")
            await anyio.sleep(joins.end_s - time())
            await self._view(browser, LATE_VIEWER, f"{session.url}/watch/{session.session_id}")
        return [*outages, cut, joins]

    async def _view(self, browser: Browser, name: str, url: str) -> None:
        self._viewers[name] = await self._stack.enter_async_context(opened_viewer(browser, url))

    async def _play(self, browser: Browser, session: MeetingSession, video: Video) -> None:
        """Play the video as soon as there are captions."""
        playlist = f"{session.url}/v1/sessions/{session.session_id}/hls/captions.m3u8"
        while await to_thread.run_sync(fetched, playlist) is None:  # noqa: ASYNC110  # of another process
            await anyio.sleep(1)
        page = opened_player(browser, video.caption(playlist), self._options.behind_s)
        self._player = await self._stack.enter_async_context(page)

    async def _settle(self, session: MeetingSession, url: str) -> None:
        """Wait until all sinks are done, and the player has displayed the end."""
        assert self._player is not None, "the playlist is there before the end"
        with anyio.move_on_after(_SETTLE_S):
            while await to_thread.run_sync(_sinks_at_work, url):  # noqa: ASYNC110  # of another process
                await anyio.sleep(0.5)
        last = session.cues[-1][0]
        await self._player.until(session.spoken_s()[last.cue_id] + 10.0, _SETTLE_S)

    async def _findings(
        self, session: MeetingSession, places: dict[str, Place], outages: Sequence[Outage], url: str
    ) -> Findings:
        metrics = fetched(f"{url}/metrics") or ""
        counts = counts_of(metrics, "livecue_sink_events_total")
        sinks, viewers = list[SinkFinding](), list[Account]()
        for name, place in places.items():
            place.look()
            account = account_of(name, session.expected_of(name), place.arrivals, _affecting(name, outages))
            dropped, unsupported = (counts.get((name, outcome), 0) for outcome in ("dropped", "unsupported"))
            has_correction = bool(session.correction_keys() & {*place.keys(), *place.displayed()})
            announced = session.statuses[name].dropped
            sinks.append(SinkFinding(account, place.may_lose, announced, dropped, unsupported, has_correction))
        for name, viewer in self._viewers.items():
            finals = await viewer.finals()
            viewers.append(account_of(name, session.expected_of(name), finals, _affecting(name, outages)))
        return Findings(tuple(sinks), tuple(viewers), await self._played(session, outages), await self._texts(session))

    async def _played(self, session: MeetingSession, outages: Sequence[Outage]) -> PlayerFinding:
        """Return what the player has displayed of what was spoken since its first picture."""
        assert self._player is not None, "the playlist is there before the end"
        shown, began_s, errors = await self._player.shown()
        own = next(outage for outage in outages if outage.name == "hls")
        unlisted = Outage("hls", own.start_s - _UNLISTED_S, own.end_s)
        spoken_s = {cue_id: at_s for cue_id, at_s in session.spoken_s().items() if at_s >= began_s}
        late_s = shown_errors(spoken_s, shown)
        texts = {cue.cue_id: text_of(cue) for cue, _ in session.cues}
        in_time, affected = (
            [cue_id for cue_id, at_s in spoken_s.items() if unlisted.has(at_s) is is_affected]
            for is_affected in (False, True)
        )
        return PlayerFinding(
            late_s=tuple(late_s[cue_id] for cue_id in in_time if cue_id in late_s),
            missing=sum(cue_id not in late_s for cue_id in in_time),
            affected=len(affected),
            affected_missing=sum(cue_id not in late_s for cue_id in affected),
            wrong=sum(texts.get(each.cue_id) != spaced(each.text) for each in shown),
            errors=errors,
        )

    async def _texts(self, session: MeetingSession) -> dict[str, bool]:
        """Return whether what was seen agrees with the transcripts, by what is compared."""
        base = f"{session.url}/v1/sessions/{session.session_id}/transcript"
        subrip, text = blocks_of(fetched(f"{base}.srt") or ""), (fetched(f"{base}.txt") or "").splitlines()
        file = blocks_of((self._root / "places" / "notes" / f"{session.session_id}.srt").read_text("utf-8"))
        lines = list(map(spaced, text))
        seen = {name: [final.key for final in await viewer.finals()] for name, viewer in self._viewers.items()}
        changed = session.corrected_texts()
        kept = [[(times, block) for times, block in each if spaced(block) not in changed] for each in (subrip, file)]
        return {
            **{f"the page of the {name} = transcript.txt": finals == lines for name, finals in seen.items()},
            "transcript.srt = transcript.txt, word by word": _words(block for _, block in subrip) == _words(lines),
            "transcript.srt = the cues and the correction that the client got": [spaced(block) for _, block in subrip]
            == session.newest_cues(),
            "the file of the sink = transcript.srt, with times, but for the corrected utterance": kept[0] == kept[1],
        }


async def _cut(way: Network, outage: Outage) -> None:
    """Take the network of a viewer away."""
    await anyio.sleep(outage.start_s - time())
    way.is_down = True
    way.cut()
    await anyio.sleep(outage.end_s - time())
    way.is_down = False


def _sinks_at_work(url: str) -> int:
    return sum(counts_of(fetched(f"{url}/metrics") or "", "livecue_sinks").values())


def _affecting(name: str, outages: Sequence[Outage]) -> list[Outage]:
    """Return the outages without the time before a late viewer joins, which is one only for itself."""
    return [outage for outage in outages if outage.name in (name, CUT_VIEWER) or outage.name != LATE_VIEWER]


def _words(texts: Iterable[str]) -> list[str]:
    return " ".join(texts).split()


def main() -> int:
    """Run the benchmark, and return 1 if the meeting has faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folders = [SHARED_AUDIO / name for name in FOLDERS]
    parser.add_argument("--audio", type=Path, nargs="+", default=folders, help="folders of recordings")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--down-s", type=float, default=60.0, help="length of each outage of a sink")
    parser.add_argument("--behind-s", type=float, default=36.0, help="of the player; 0: as hls.js does by itself")
    parser.add_argument("--model", default=EMBEDDED, help="of the engine whisper")
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    talk = [frame for folder in options.audio for frame in read_talk(folder)]
    with TemporaryDirectory() as folder:
        meeting = _Meeting(options, Path(folder), talk_from(talk, 0, options.minutes * 60))
        findings = anyio.run(meeting.hold)
    print_findings(findings)
    write_json(options.json, "meeting", asdict(findings))
    faults = faults_of(findings)
    for fault in faults:
        print(f"fault: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
