"""HLS subtitles over HTTP."""

from pathlib import Path

from decoder.engines.scripted import ScriptedEngine
from gateway.delivery.broadcast import Broadcast
from gateway.settings import load_settings
from tests.broadcasts import NATIVE
from tests.events import ready
from tests.servers import Served, get, serving


def _live(served: Served) -> Broadcast:
    """Return the broadcast of a session that is open."""
    broadcast = served.gateway.sessions.broadcaster.create(NATIVE)
    broadcast.publish(ready())
    return broadcast


async def test_the_files_of_a_session_are_served_and_no_others(tmp_path: Path) -> None:
    sinks = {"targets": [{"name": "hls", "url": f"hls://{tmp_path}"}]}
    journal = {"database": tmp_path / "journal.db"}
    async with serving(ScriptedEngine(), load_settings({"sinks": sinks, "journal": journal})) as served:
        with served.gateway.sessions.broadcaster.registered("a", _live(served)):
            (tmp_path / "a").mkdir()
            (tmp_path / "a" / "captions.m3u8").write_text("#EXTM3U\ncaptions-0.vtt\n")
            (tmp_path / "a" / "captions-0.vtt").write_text("WEBVTT\n")
            (tmp_path / "a" / "secret.txt").write_text("secret")
            base = f"{served.url}/v1/sessions/a/hls"
            playlist = await get(f"{base}/captions.m3u8")
            assert (playlist.status, playlist.body) == (200, b"#EXTM3U\ncaptions-0.vtt\n")
            assert playlist.headers["content-type"] == "application/vnd.apple.mpegurl"
            assert playlist.headers["cache-control"] == "no-cache"
            with_token = await get(f"{base}/captions.m3u8?token=lcv_1")
            assert with_token.body == b"#EXTM3U\ncaptions-0.vtt?token=lcv_1\n"
            assert (await get(f"{base}/captions-0.vtt")).body == b"WEBVTT\n"
            for name in ("secret.txt", "captions-1.vtt", "..%2Fa%2Fcaptions-0.vtt"):
                assert (await get(f"{base}/{name}")).status in (404, 422, 400)
            assert (await get(f"{served.url}/v1/sessions/b/hls/captions.m3u8")).status == 404


async def test_without_such_a_sink_there_are_no_files(tmp_path: Path) -> None:
    settings = load_settings({"journal": {"database": tmp_path / "journal.db"}})
    async with serving(ScriptedEngine(), settings) as served:
        with served.gateway.sessions.broadcaster.registered("a", _live(served)):
            assert (await get(f"{served.url}/v1/sessions/a/hls/captions.m3u8")).status == 404
