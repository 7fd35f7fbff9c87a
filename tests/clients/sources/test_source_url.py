import pytest

from clients.sources.errors import SourceRefused
from clients.sources.source_url import Protocol, SourceUrl, is_url, parse_source_url


def test_a_url_has_a_protocol_a_host_a_port_and_a_path() -> None:
    assert parse_source_url("rtsp://Camera.example.com/stream/1?ch=2") == SourceUrl(
        Protocol.RTSP, "camera.example.com", 554, "/stream/1?ch=2"
    )


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("rtsp://example.com", 554),
        ("rtsps://example.com", 322),
        ("rtmp://example.com", 1935),
        ("rtmps://example.com", 443),
        ("http://example.com", 80),
        ("HTTPS://example.com", 443),
        ("srt://example.com:9000", 9000),
    ],
)
def test_every_protocol_but_srt_has_a_port_of_its_own(text: str, port: int) -> None:
    assert parse_source_url(text).port == port


def test_a_user_and_a_password_are_decoded_and_never_displayed() -> None:
    url = parse_source_url("rtsp://ann:p%40ss@192.0.2.1:8554/live?token=secret#part")
    assert (url.user, url.password) == ("ann", "p@ss")
    assert url.displayed == "rtsp://192.0.2.1:8554/live"


def test_an_ipv6_address_keeps_its_brackets_in_the_network_location_only() -> None:
    url = parse_source_url("http://[2001:db8::1]/talk")
    assert (url.host, url.netloc) == ("2001:db8::1", "[2001:db8::1]")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("file:///etc/passwd", "file: not a protocol of streams: expected rtsp, rtsps, rtmp, rtmps, srt, http, https"),
        ("concat:http://example.com/a|http://example.com/b", "not a protocol of streams"),
        ("ftp://example.com/a.mp3", "not a protocol of streams"),
        ("http:example.com", "not a protocol of streams"),
        ("http://example.com/a b", "a space, a backslash or a control character"),
        ("http://example.com\\@192.0.2.1/", "a space, a backslash or a control character"),
        ("http://example.com/\r\nHost:x", "a space, a backslash or a control character"),
        ("http://example.com:99999/", "Port out of range"),
        ("http://[::1/", "Invalid IPv6 URL"),
        ("http:///talk.mp3", "host '' is neither a name nor an address"),
        ("http://exa,mple.com/", "host 'exa,mple.com' is neither a name nor an address"),
        ("srt://example.com", "no port, which SRT needs"),
        ("srt://:9000", "host '' is neither a name nor an address"),
    ],
)
def test_anything_else_is_refused(text: str, reason: str) -> None:
    with pytest.raises(SourceRefused) as refused:
        parse_source_url(text)
    assert reason in str(refused.value)


def test_an_srt_listener_may_have_no_host() -> None:
    url = parse_source_url("srt://:9000?mode=listener&latency=200000")
    assert url.is_listener
    assert (url.host, url.port, url.path) == ("", 9000, "?mode=listener&latency=200000")


def test_only_srt_listens() -> None:
    assert not parse_source_url("http://example.com/?mode=listener").is_listener
    assert not parse_source_url("srt://example.com:9000?mode=caller").is_listener


@pytest.mark.parametrize(
    ("text", "expected"), [("http://x", True), ("srt://x", True), ("talk.mp3", False), ("-", False), ("C:\\a", False)]
)
def test_a_source_with_a_scheme_is_a_url(text: str, expected: bool) -> None:
    assert is_url(text) is expected


def test_the_protocols_with_http_and_with_tls_are_known() -> None:
    assert {each for each in Protocol if each.is_http} == {Protocol.HTTP, Protocol.HTTPS}
    assert {each for each in Protocol if each.uses_tls} == {Protocol.HTTPS, Protocol.RTMPS, Protocol.RTSPS}
