import base64
from io import SEEK_CUR, SEEK_END, BytesIO

import pytest

from clients.sources.address_policy import AddressPolicy
from clients.sources.errors import SourceError, SourceRefused
from clients.sources.http_input import HttpFile, HttpInput
from clients.sources.source_url import parse_source_url
from tests.clients.sources.serving import HOST, OTHER_HOST, Page, WebServer, web_server

TALK = bytes(range(256)) * 64


def http_input(web: WebServer, *hosts: str, user: str = "") -> HttpInput:
    url = web.url.replace("://", f"://{user}")
    return HttpInput(parse_source_url(url), AddressPolicy((HOST, *hosts)))


def all_of(file: HttpFile | BytesIO) -> bytes:
    data = b""
    while piece := file.read(1_000):
        data += piece
    file.close()
    return data


def test_a_file_of_known_length_is_read_to_its_end() -> None:
    with web_server() as web:
        web.pages["/talk.mp3"] = Page(TALK)
        source = http_input(web)
        assert all_of(source.open(f"{web.url}/talk.mp3")) == TALK
        assert source.is_whole


def test_a_stream_without_a_length_has_no_known_end() -> None:
    with web_server() as web:
        web.pages["/radio"] = Page(TALK, has_length=False)
        source = http_input(web)
        assert all_of(source.open(f"{web.url}/radio")) == TALK
        assert not source.is_whole


def test_redirects_on_the_same_host_are_followed() -> None:
    with web_server() as web:
        web.pages |= {"/a": Page(status=302, headers={"Location": "/b?x=1"}), "/b?x=1": Page(TALK)}
        assert all_of(http_input(web).open(f"{web.url}/a")) == TALK


def test_a_redirect_to_another_host_is_refused_and_that_host_is_not_contacted() -> None:
    with web_server() as web, web_server(OTHER_HOST) as other:
        web.pages["/a"] = Page(status=307, headers={"Location": f"{other.url}/b"})
        other.pages["/b"] = Page(TALK)
        with pytest.raises(SourceRefused, match=r"host 127\.0\.0\.2 is not allowed"):
            http_input(web).open(f"{web.url}/a")
        assert other.paths == []
        assert all_of(http_input(web, OTHER_HOST).open(f"{web.url}/a")) == TALK


def test_a_name_that_resolves_to_a_private_address_is_refused_after_a_redirect() -> None:
    with web_server() as web:
        web.pages["/a"] = Page(status=302, headers={"Location": "http://db.example.com/"})
        policy = AddressPolicy((HOST, "public"))
        source = HttpInput(parse_source_url(web.url), policy, lambda host, _: ["10.0.0.5" if "db" in host else host])
        with pytest.raises(SourceRefused, match=r"private address 10\.0\.0\.5"):
            source.open(f"{web.url}/a")


@pytest.mark.parametrize("location", ["file:///etc/passwd", "gopher://127.0.0.1/", "rtmp://127.0.0.1/a/b"])
def test_a_redirect_to_another_protocol_is_refused(location: str) -> None:
    with web_server() as web:
        web.pages["/a"] = Page(status=302, headers={"Location": location})
        with pytest.raises(SourceRefused):
            http_input(web).open(f"{web.url}/a")


def test_a_loop_of_redirects_ends() -> None:
    with web_server() as web:
        web.pages["/a"] = Page(status=302, headers={"Location": "/a"})
        with pytest.raises(SourceError, match="more than 5 redirects"):
            http_input(web).open(f"{web.url}/a")
        assert len(web.paths) == 6


def test_user_and_password_go_to_the_host_of_the_url_only() -> None:
    with web_server() as web, web_server(OTHER_HOST) as other:
        web.pages["/a"] = Page(status=302, headers={"Location": f"{other.url}/b"})
        other.pages["/b"] = Page(TALK)
        http_input(web, OTHER_HOST, user="ann:p%40ss@").open(f"{web.url}/a").close()
        [(_, sent)], [(_, sent_to_other)] = web.requests, other.requests
        assert base64.b64decode(sent["Authorization"].removeprefix("Basic ")) == b"ann:p@ss"
        assert "Authorization" not in sent_to_other


@pytest.mark.parametrize(("status", "is_final"), [(401, True), (403, True), (404, False), (410, True), (503, False)])
def test_a_refusal_is_an_error_that_may_pass_or_not(status: int, is_final: bool) -> None:
    with web_server() as web:
        web.pages["/a"] = Page(status=status)
        source = http_input(web)
        with pytest.raises(SourceError, match=f"answered HTTP {status}") as failed:
            source.open(f"{web.url}/a")
        assert isinstance(failed.value, SourceRefused) is is_final
        assert source.failure is failed.value


def test_a_file_that_takes_ranges_is_read_from_any_position() -> None:
    with web_server() as web:
        web.pages["/a"] = Page(TALK, takes_ranges=True)
        file = http_input(web).open(f"{web.url}/a")
        assert isinstance(file, HttpFile)
        assert file.seekable()
        assert file.seek(-100, SEEK_END) == len(TALK) - 100
        assert file.read(4) == TALK[-100:-96]
        assert file.seek(10) == 10
        assert file.read(2) == TALK[10:12]
        assert file.seek(5, SEEK_CUR) == file.tell() == 17
        assert all_of(file) == TALK[17:]
        assert file.seek(0, SEEK_END) == len(TALK)
        assert file.read(1) == b""


def test_a_file_whose_connection_is_lost_goes_on_where_it_was() -> None:
    with web_server() as web:
        web.pages["/a"] = Page(TALK, takes_ranges=True, sent_bytes=5_000)
        assert all_of(http_input(web).open(f"{web.url}/a")) == TALK
        assert len(web.paths) == 4


def test_a_file_that_cannot_be_resumed_is_an_error_not_an_end() -> None:
    with web_server() as web:
        web.pages["/a"] = Page(TALK, sent_bytes=5_000)
        file = http_input(web).open(f"{web.url}/a")
        with pytest.raises(SourceError, match="lost after 5000 of 16384 bytes"):
            all_of(file)


def test_a_file_of_which_nothing_more_comes_is_given_up() -> None:
    with web_server() as web:
        web.pages["/a"] = Page(TALK, takes_ranges=True, sent_bytes=0)
        with pytest.raises(SourceError, match="lost after 0 of 16384 bytes"):
            all_of(http_input(web).open(f"{web.url}/a"))


def test_a_part_is_requested_where_a_playlist_names_one() -> None:
    with web_server() as web:
        web.pages["/a"] = Page(TALK, takes_ranges=True)
        file = http_input(web).open(f"{web.url}/a", 1, {"offset": "100", "end_offset": "200"})
        assert isinstance(file, HttpFile)
        assert not file.seekable()
        assert all_of(file) == TALK[100:200]


def test_the_entries_of_a_playlist_are_absolute_from_where_it_was_redirected_to() -> None:
    with web_server() as web:
        web.pages |= {
            "/a": Page(status=302, headers={"Location": "/deep/b.m3u8"}),
            "/deep/b.m3u8": Page(b"#EXTM3U\n#EXTINF:2,\n1.ts\n"),
        }
        source = http_input(web)
        assert all_of(source.open(f"{web.url}/a")).splitlines()[-1] == f"{web.url}/deep/1.ts".encode()
        assert not source.is_whole
        web.pages["/deep/1.ts"] = Page(TALK)
        all_of(source.open(f"{web.url}/deep/1.ts"))
        assert not source.is_whole


def test_a_playlist_with_its_end_is_whole() -> None:
    with web_server() as web:
        web.pages["/a"] = Page(b"#EXTM3U\n#EXTINF:2,\n1.ts\n#EXT-X-ENDLIST\n")
        source = http_input(web)
        all_of(source.open(f"{web.url}/a"))
        assert source.is_whole


def test_an_answer_that_is_no_http_is_an_error() -> None:
    import socket
    import threading

    with socket.create_server((HOST, 0)) as listener:

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(4_096)
                client.sendall(b"SSH-2.0-x\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        url = f"http://{HOST}:{listener.getsockname()[1]}/"
        with pytest.raises(SourceError, match="cannot be read"):
            HttpInput(parse_source_url(url), AddressPolicy((HOST,))).open(url)
        thread.join(5.0)
