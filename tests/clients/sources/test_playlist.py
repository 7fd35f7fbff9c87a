import pytest

from clients.sources.errors import SourceRefused
from clients.sources.playlist import has_ended, is_playlist, prepared

BASE = "https://cdn.example.com/live/talk.m3u8"


def test_relative_addresses_become_absolute() -> None:
    text = '#EXTM3U\n#EXT-X-MAP:URI="init.mp4"\n#EXTINF:2,\n1.m4s\n\n#EXTINF:2,\n/2.m4s\n#EXTINF:2,\nhttp://x.example.com/3.m4s\n'
    assert prepared(text, BASE).splitlines() == [
        "#EXTM3U",
        '#EXT-X-MAP:URI="https://cdn.example.com/live/init.mp4"',
        "#EXTINF:2,",
        "https://cdn.example.com/live/1.m4s",
        "",
        "#EXTINF:2,",
        "https://cdn.example.com/2.m4s",
        "#EXTINF:2,",
        "http://x.example.com/3.m4s",
    ]


def test_of_several_variants_the_smallest_is_kept() -> None:
    text = (
        "#EXTM3U\n"
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",URI="a.m3u8"\n'
        "#EXT-X-STREAM-INF:AVERAGE-BANDWIDTH=1,BANDWIDTH=900\n# comment\nhigh.m3u8\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=300,CODECS="mp4a.40.2"\n\nlow.m3u8\n'
        "#EXT-X-STREAM-INF:BANDWIDTH=600\nmiddle.m3u8\n"
    )
    lines = prepared(text, BASE).splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == ["https://cdn.example.com/live/low.m3u8"]
    assert '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",URI="https://cdn.example.com/live/a.m3u8"' in lines


def test_a_variant_without_bandwidth_counts_as_the_smallest() -> None:
    text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9\na\n#EXT-X-STREAM-INF:CODECS=x\nb\n"
    assert prepared(text, BASE).splitlines()[-1] == "https://cdn.example.com/live/b"


@pytest.mark.parametrize("tag", ["#EXT-X-KEY:METHOD=AES-128,URI=k", "#EXT-X-SESSION-KEY:URI=k,METHOD=SAMPLE-AES"])
def test_an_encrypted_playlist_is_refused(tag: str) -> None:
    with pytest.raises(SourceRefused, match="encrypted"):
        prepared(f"#EXTM3U\n{tag}\n#EXTINF:2,\n1.ts\n", BASE)


def test_a_key_of_no_method_is_no_encryption() -> None:
    assert "1.ts" in prepared("#EXTM3U\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:2,\n1.ts\n", BASE)


def test_a_playlist_is_recognised_by_its_first_line() -> None:
    assert is_playlist(b"#EXTM3U\n")
    assert is_playlist(b"\xef\xbb\xbf#EXTM3U")
    assert not is_playlist(b"ID3#EXTM3U")


def test_a_byte_order_mark_is_dropped() -> None:
    assert prepared("\ufeff#EXTM3U\n", BASE) == "#EXTM3U\n"


def test_a_playlist_with_its_last_segment_has_ended() -> None:
    assert has_ended(b"#EXTM3U\n#EXT-X-ENDLIST\n")
    assert not has_ended(b"#EXTM3U\n")
