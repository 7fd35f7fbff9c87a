"""compose.yaml fits the image, the settings and the files that it mounts."""

import re

import pytest

from gateway.settings import ServerSettings, load_settings
from tests.deployment import ROOT, instructions, read, seconds, stop_s, yaml_of


def service(name: str) -> dict[str, object]:
    services = yaml_of("compose.yaml")["services"]
    assert isinstance(services, dict)
    found = services[name]
    assert isinstance(found, dict)
    return found


def strings(service_name: str, key: str) -> list[str]:
    listed = service(service_name)[key]
    assert isinstance(listed, list)
    return [str(each) for each in listed]


def environment(name: str) -> dict[str, str]:
    """Return the environment of a service, with a word in place of each variable; what .env may set is left out."""
    given = service(name)["environment"]
    assert isinstance(given, dict)
    return {
        key: re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)\}", lambda m: m[1] or "word", value)
        for key, value in given.items()
        if value is not None
    }


def environment_names(name: str) -> list[str]:
    given = service(name)["environment"]
    assert isinstance(given, dict)
    return list(given)


def test_the_settings_accept_the_environment_of_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment("gateway").items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert len(settings.server.api_keys) == 2
    assert settings.engine.model == "tiny.en"


def test_the_journal_of_two_gateways_is_the_redis_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    commented = dict(re.findall(r"^# (\w+)=(.+)$", read("deploy/compose.env.example"), re.MULTILINE))
    assert "LIVECUE_JOURNAL__URL" in environment_names("gateway")
    monkeypatch.setenv("LIVECUE_JOURNAL__URL", commented["LIVECUE_JOURNAL__URL"])
    url = load_settings().journal.url
    assert url is not None
    assert url.get_secret_value().startswith("redis://redis:")
    assert service("gateway-2")["profiles"] == service("redis")["profiles"] == [commented["COMPOSE_PROFILES"]]


def test_two_gateways_share_neither_port_nor_data() -> None:
    assert set(strings("gateway", "ports")).isdisjoint(strings("gateway-2", "ports"))
    data = [
        {volume for volume in strings(name, "volumes") if volume.endswith(":/data")}
        for name in ("gateway", "gateway-2")
    ]
    assert data[0].isdisjoint(data[1])


def test_redis_forgets_nothing_on_its_own() -> None:
    assert strings("redis", "command")[-2:] == ["--maxmemory-policy", "noeviction"]
    assert "ports" not in service("redis")


def test_every_variable_is_in_the_example() -> None:
    used = set(re.findall(r"\$\{(\w+)", read("compose.yaml"))) | set(
        re.findall(r"environment: (\w+)$", read("compose.yaml"), re.MULTILINE)
    )
    given = set(re.findall(r"^(\w+)=", read("deploy/compose.env.example"), re.MULTILINE))
    assert used == given


def test_the_volumes_of_the_image_are_named() -> None:
    mounted = {volume.split(":")[1] for volume in strings("gateway", "volumes")}
    declared = next(arguments for name, arguments in instructions("Dockerfile") if name == "VOLUME")
    assert mounted == set(re.findall(r'"([^"]+)"', declared))


def test_the_gateway_is_given_the_time_that_its_drain_takes() -> None:
    assert seconds(str(service("gateway")["stop_grace_period"])) > stop_s()


def test_the_gateway_cannot_write_its_image_or_gain_privileges() -> None:
    gateway = service("gateway")
    assert gateway["read_only"] is True
    assert gateway["cap_drop"] == ["ALL"]
    assert strings("gateway", "security_opt") == ["no-new-privileges:true"]
    assert [tmpfs.partition(":")[0] for tmpfs in strings("gateway", "tmpfs")] == ["/tmp"]  # noqa: S108  # the container's
    assert ("USER", str(gateway["user"])) in instructions("Dockerfile")


def test_a_service_with_a_secret_of_the_environment_has_a_writable_root() -> None:
    """Compose copies such a secret into the container, and a read-only root refuses it."""
    assert strings("prometheus", "secrets") == ["metrics_key"]
    assert "read_only" not in service("prometheus")


@pytest.mark.parametrize("name", ["gateway", "gateway-2", "prometheus", "grafana"])
def test_a_port_is_published_on_this_machine_alone(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in strings(name, "ports"))


def test_the_port_of_the_gateway_is_published_and_scraped() -> None:
    port = ServerSettings().port
    assert strings("gateway", "ports") == [f"127.0.0.1:{port}:{port}"]
    assert f"targets: [gateway:{port}]" in read("deploy/prometheus/prometheus.yml")


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_every_file_that_is_mounted_exists(name: str) -> None:
    sources = [volume.split(":")[0] for volume in strings(name, "volumes") if volume.startswith("./")]
    assert sources
    assert all((ROOT / source).exists() for source in sources)


def test_prometheus_authenticates_with_the_secret_that_it_is_given() -> None:
    assert "credentials_file: /run/secrets/metrics_key" in read("deploy/prometheus/prometheus.yml")
    assert "${LIVECUE_METRICS_KEY" in read("compose.yaml").partition("prometheus:")[0], "the gateway accepts that key"
