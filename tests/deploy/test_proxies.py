"""The snippets for proxies let through what the gateway serves, and no more."""

import re
from pathlib import Path

import pytest

from gateway.settings import RealtimeSettings, ServerSettings, UploadSettings
from tests.certificates import Authority
from tests.deployment import DEPLOY, checked_by, read, seconds, yaml_of

MIB = 2**20

NGINX = read("deploy/proxy/nginx.conf")

GATEWAY = f"127.0.0.1:{ServerSettings().port}"


def nginx(directive: str) -> str:
    found = re.findall(rf"^\s*{directive}\s+(.+);", NGINX, re.MULTILINE)
    assert len(found) == 1, directive
    return str(found[0])


@pytest.mark.parametrize("snippet", ["nginx.conf", "Caddyfile", "traefik.yaml"])
def test_a_snippet_forwards_to_the_port_of_the_gateway(snippet: str) -> None:
    assert GATEWAY in re.sub(r"#.*", "", read(f"deploy/proxy/{snippet}"))


def test_nginx_lets_the_largest_upload_through() -> None:
    limit = nginx("client_max_body_size")
    assert int(limit.removesuffix("m")) * MIB > UploadSettings().max_body_bytes


def test_nginx_keeps_idle_connections_for_as_long_as_the_gateway() -> None:
    for directive in ("proxy_read_timeout", "proxy_send_timeout"):
        assert seconds(nginx(directive)) > RealtimeSettings().idle_timeout_s


def test_nginx_holds_back_neither_events_nor_uploads() -> None:
    assert nginx("proxy_buffering") == "off"
    assert nginx("proxy_request_buffering") == "off"


def test_nginx_passes_on_the_address_of_its_peer_and_none_that_a_client_claims() -> None:
    assert nginx("proxy_set_header X-Forwarded-For") == "$remote_addr"
    assert nginx("proxy_set_header Host") == "$host"
    assert nginx("proxy_set_header X-Forwarded-Proto") == "$scheme"


def test_nginx_upgrades_connections() -> None:
    assert nginx("proxy_http_version") == "1.1"
    assert nginx("proxy_set_header Upgrade") == "$http_upgrade"


def test_caddy_lets_the_largest_upload_through() -> None:
    found = re.search(r"max_size (\d+)MiB", read("deploy/proxy/Caddyfile"))
    assert found is not None
    assert int(found[1]) * MIB > UploadSettings().max_body_bytes


def test_traefik_is_given_the_time_that_an_upload_may_take() -> None:
    found = re.search(r"readTimeout: (\w+), idleTimeout: (\w+)", read("deploy/proxy/traefik.yaml"))
    assert found is not None
    assert seconds(found[1]) > UploadSettings().receive_timeout_s
    assert seconds(found[2]) > RealtimeSettings().idle_timeout_s


def test_traefik_does_not_buffer() -> None:
    assert list(yaml_of("deploy/proxy/traefik.yaml")) == ["http"]
    assert "buffering" not in str(yaml_of("deploy/proxy/traefik.yaml"))


def test_metrics_are_not_public() -> None:
    assert re.search(r"location = /metrics \{\s+deny all;", NGINX)
    assert "respond /metrics 403" in read("deploy/proxy/Caddyfile")
    assert "!Path(`/metrics`)" in str(yaml_of("deploy/proxy/traefik.yaml"))


def test_caddy_accepts_its_snippet(tmp_path: Path) -> None:
    checked_by("caddy", "validate", "--adapter", "caddyfile", "--config", DEPLOY / "proxy/Caddyfile", cwd=tmp_path)


def test_nginx_accepts_its_snippet(tmp_path: Path) -> None:
    files = Authority(tmp_path).sign()
    snippet = NGINX.replace("/etc/ssl/livecue/fullchain.pem", str(files.cert))
    (tmp_path / "livecue.conf").write_text(
        snippet.replace("/etc/ssl/livecue/privkey.pem", str(files.key)), encoding="utf-8"
    )
    main = tmp_path / "nginx.conf"
    main.write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ include {tmp_path}/livecue.conf; }}",
        encoding="utf-8",
    )
    checked_by("nginx", "-t", "-c", main)
