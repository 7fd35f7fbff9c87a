"""The URLs of sinks: which kind they are, and which a client may bring."""

import pytest

from gateway.errors import ConfigurationError
from gateway.sinks.target import address_of, check_client_target, parse_target

HOOK = "https://hooks.example.com/a#secret=0123456789abcdef"
ZOOM = "https://wmcc.zoom.us/closedcaption?id=1&ns=a%2Bb&signature=c"
YOUTUBE = "http://upload.youtube.com/closedcaption?cid=a"
TEAMS = "https://api.captions.office.microsoft.com/cartcaption?meetingid=a&token=b"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (ZOOM, "zoom"),
        (YOUTUBE, "youtube"),
        (TEAMS, "teams"),
        (HOOK, "webhook"),
        ("zoom+http://127.0.0.1:1/closedcaption?id=1", "zoom"),
        ("webhook+" + HOOK, "webhook"),
        ("file:///tmp/a+b.txt", "file"),
    ],
)
def test_the_kind_follows_from_the_prefix_the_scheme_or_the_host(url: str, kind: str) -> None:
    target = parse_target("one", url)
    assert target.kind == kind
    assert url.partition("#")[0].endswith(target.url), "the URL of the service stays as it is"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gopher://example.com/", "scheme 'gopher': expected https:// or one of webhook:, file:"),
        ("fax+https://example.com/", "kind 'fax': expected one of"),
        (ZOOM + "#colour=red", "no option 'colour': sinks of kind zoom have lang"),
        ("https://[broken/", "sink one: "),
    ],
)
def test_what_is_no_url_of_a_sink_is_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_target("one", url)


@pytest.mark.parametrize("url", [ZOOM, YOUTUBE, HOOK, f"webhook+{ZOOM}#secret=0123456789abcdef"])
def test_a_client_may_bring_sinks_of_allowed_hosts(url: str) -> None:
    check_client_target(
        parse_target("one", url, is_clients=True), ("*.zoom.us", "upload.youtube.com", "hooks.example.com")
    )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (HOOK, "host 'hooks.example.com' is not one of sinks.client_hosts"),
        ("zoom+https://zoom.us.example.com/?id=1", "host 'zoom.us.example.com' is not one"),
        (ZOOM.replace("https", "http"), "expected https://"),
        (ZOOM.replace("zoom.us/", "zoom.us:8443/"), "expected no user and no port"),
        (ZOOM.replace("https://", "https://user@"), "expected no user and no port"),
        ("file:///tmp/a.txt", "only the operator can configure sinks of kind file"),
    ],
)
def test_a_client_may_not_bring_others(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_client_target(parse_target("one", url, is_clients=True), ("*.zoom.us",))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (ZOOM, "https://wmcc.zoom.us"),
        ("zoom+http://127.0.0.1:81/?a=secret", "http://127.0.0.1:81"),
        ("file:///tmp/a.txt", "file:/tmp/a.txt"),
    ],
)
def test_an_address_has_no_secrets(url: str, address: str) -> None:
    assert address_of(parse_target("one", url)) == address
