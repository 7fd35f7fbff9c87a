import pytest

from clients.sources.errors import SourceRefused
from clients.sources.srt_command import srt_stream


def test_without_ffmpeg_srt_is_refused_and_the_message_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SourceRefused, match="SRT needs the command ffmpeg"), srt_stream("srt://127.0.0.1:9", 1.0):
        pass
