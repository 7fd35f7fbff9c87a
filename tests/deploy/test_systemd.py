"""The unit fits the gateway that it starts."""

import sys
from pathlib import Path

import pytest

from gateway.cli.running import EXIT_CONFIGURATION
from gateway.journal.journal_file import journal_path
from gateway.settings import load_settings
from tests.deployment import DEPLOY, checked_by, read, seconds, stop_s

UNIT = "deploy/systemd/livecue.service"


def service() -> dict[str, str]:
    """Return the settings of the service, the last of each."""
    lines = (line for line in read(UNIT).partition("[Service]")[2].partition("[Install]")[0].splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key: value for key, _, value in pairs}


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in service()["Environment"].split())


def test_the_time_to_stop_covers_the_drain() -> None:
    assert seconds(service()["TimeoutStopSec"]) > stop_s()


def test_the_documentation_has_the_longest_time_to_stop() -> None:
    assert f"At most {stop_s():g} s by default" in read("docs/deployment.md")


def test_only_the_gateway_is_asked_to_stop_since_it_still_needs_its_decoders() -> None:
    assert service()["KillMode"] == "mixed"


def test_a_mistake_in_the_settings_is_not_retried() -> None:
    assert service()["RestartPreventExitStatus"] == str(EXIT_CONFIGURATION)


def test_the_journal_is_kept_in_the_directory_of_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    assert journal_path(load_settings().journal).parent == Path("/var/lib") / service()["StateDirectory"]


def test_models_are_kept_in_the_directory_of_the_cache() -> None:
    cache = Path("/var/cache") / service()["CacheDirectory"]
    assert environment()["HF_HOME"] == str(cache)
    assert Path(environment()["XDG_CACHE_HOME"]) / "livecue" == cache


def test_the_libraries_may_generate_machine_code() -> None:
    assert "MemoryDenyWriteExecute" not in service(), "CTranslate2 fails with it"
    assert "ProcSubset" not in service(), "ONNX Runtime reads /proc/cpuinfo"


def test_the_user_is_the_one_that_sysusers_creates() -> None:
    assert read("deploy/systemd/livecue.sysusers.conf").splitlines()[-1].split()[:2] == ["u", service()["User"]]


def test_the_example_of_a_configuration_is_accepted() -> None:
    settings = load_settings(file=DEPLOY / "systemd/livecue.toml")
    assert settings.server.host == "127.0.0.1"
    assert service()["ExecStart"].endswith("--config /etc/livecue/livecue.toml")


@pytest.mark.parametrize("with_gpu", [False, True])
def test_systemd_accepts_the_unit(with_gpu: bool, tmp_path: Path) -> None:
    unit = tmp_path / "livecue.service"
    unit.write_text(read(UNIT).replace("/opt/livecue/bin/livecue", sys.executable), encoding="utf-8")
    if with_gpu:
        (tmp_path / "livecue.service.d").mkdir()
        (tmp_path / "livecue.service.d/gpu.conf").write_text(read("deploy/systemd/gpu.conf"), encoding="utf-8")
    checked_by("systemd-analyze", "verify", "--man=no", unit)


def test_systemd_finds_little_exposure() -> None:
    checked_by("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", DEPLOY.parent / UNIT)
