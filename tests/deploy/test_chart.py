"""The Helm chart fits the image and the settings; where helm is installed, what it renders is examined, too."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from gateway.errors import ConfigurationError
from gateway.settings import ServerSettings, load_settings
from tests.deployment import DEPLOY, checked_by, instructions, read, stop_s, yaml_of

CHART = DEPLOY / "helm/livecue"

TEMPLATES = sorted((CHART / "templates").glob("*.*"))

KEYS = ("--set", "secret.apiKeys={one,two}")

VALUES = yaml_of("deploy/helm/livecue/values.yaml")


def name_of(path: Path) -> str:
    return path.name


def deployment() -> str:
    return (CHART / "templates/deployment.yaml").read_text(encoding="utf-8")


def has_value(path: str) -> bool:
    """Return whether values.yaml has a value, given as `group.key`."""
    at: object = VALUES
    for key in path.split("."):
        if not isinstance(at, dict) or key not in at:
            return False
        at = at[key]
    return True


def rendered(*arguments: str) -> dict[str, dict[str, object]]:
    """Return the objects that the chart renders, by kind."""
    documents = yaml.safe_load_all(checked_by("helm", "template", "captions", CHART, *arguments))
    return {document["kind"]: document for document in documents if document is not None}


def refusal(*arguments: str) -> str:
    helm = shutil.which("helm")
    if helm is None:
        pytest.skip("helm is not installed")
    command = [helm, "template", "captions", str(CHART), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)  # noqa: S603  # our own command
    assert done.returncode != 0
    return done.stderr


def test_the_version_of_the_application_is_that_of_the_project() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert yaml_of("deploy/helm/livecue/Chart.yaml")["appVersion"] == project["version"]


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_the_blocks_of_a_template_are_closed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("{{") == text.count("}}")
    opened = re.findall(r"\{\{-?\s*(if|with|range|define)\b", text)
    assert len(opened) == len(re.findall(r"\{\{-?\s*end\b", text))


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_a_template_uses_values_that_exist(path: Path) -> None:
    used = re.findall(r"\$?\.Values\.([\w.]+)", path.read_text(encoding="utf-8"))
    assert [value for value in used if not has_value(value)] == []


def test_every_value_is_used() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in TEMPLATES)
    assert [value for value in VALUES if f".Values.{value}" not in text] == []


def test_the_default_settings_are_accepted() -> None:
    settings = VALUES["settings"]
    assert isinstance(settings, dict)
    assert load_settings(settings).engine.model == "tiny.en"


def test_the_environment_of_the_container_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"(LIVECUE_\w+)", deployment().partition("env:")[2]):
        monkeypatch.setenv(name, "redis://redis:6379" if name.endswith("URL") else "30")
    for name in re.findall(r"^  (LIVECUE_\w+):", (CHART / "templates/secret.yaml").read_text("utf-8"), re.MULTILINE):
        monkeypatch.setenv(name, "one,two")
    assert len(load_settings().server.api_keys) == 2


def test_variables_that_kubernetes_makes_of_services_are_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a service `livecue` a gateway would not start: they look like settings."""
    assert "enableServiceLinks: false" in deployment()
    monkeypatch.setenv("LIVECUE_SERVICE_HOST", "192.0.2.1")
    with pytest.raises(ConfigurationError, match="LIVECUE_SERVICE_HOST"):
        load_settings()


def test_a_pod_is_given_the_time_that_its_drain_takes() -> None:
    drain = VALUES["drain"]
    assert isinstance(drain, dict)
    helpers = (CHART / "templates/_helpers.tpl").read_text(encoding="utf-8")
    spare = re.search(r"add \.Values\.drain\.preStopSeconds \.Values\.drain\.seconds (\d+)", helpers)
    assert spare is not None
    assert drain["seconds"] + int(spare[1]) > stop_s({"LIVECUE_LIMITS__DRAIN_S": drain["seconds"]})


def test_the_container_is_that_of_the_image() -> None:
    text, image = deployment(), dict(instructions("Dockerfile"))
    uid, _, gid = image["USER"].partition(":")
    assert f"runAsUser: {uid}" in text
    assert f"runAsGroup: {gid}" in text
    assert f"fsGroup: {gid}" in text
    assert f"containerPort: {ServerSettings().port}" in text
    for volume in re.findall(r'"([^"]+)"', image["VOLUME"]):
        assert f"mountPath: {volume}}}" in text


def test_the_probes_restart_a_dead_gateway_but_not_one_that_is_full_or_drains() -> None:
    probes = dict(re.findall(r"(\w+)Probe:\n\s+httpGet: \{path: (\S+), port: http\}", deployment()))
    assert probes == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}


def test_helm_finds_nothing() -> None:
    checked_by("helm", "lint", "--strict", CHART, *KEYS)


def test_the_pod_that_helm_renders_is_unprivileged() -> None:
    pod = str(rendered(*KEYS)["Deployment"]["spec"])
    for wanted in (
        "'runAsNonRoot': True",
        "'readOnlyRootFilesystem': True",
        "'allowPrivilegeEscalation': False",
        "'automountServiceAccountToken': False",
        "'capabilities': {'drop': ['ALL']}",
        "'terminationGracePeriodSeconds': 50",
    ):
        assert wanted in pod


def test_the_settings_that_helm_renders_are_accepted(tmp_path: Path) -> None:
    settings = ("--set", "settings.server.max_sessions=20,settings.session.grace_s=90,settings.server.wyoming=null")
    file = tmp_path / "livecue.toml"
    config = rendered(*KEYS, *settings)["ConfigMap"]["data"]
    assert isinstance(config, dict)
    file.write_text(config["livecue.toml"], encoding="utf-8")
    assert load_settings(file=file).server.max_sessions == 20


def test_prometheus_gets_a_key_that_the_gateway_accepts() -> None:
    secret = rendered(*KEYS)["Secret"]["stringData"]
    assert isinstance(secret, dict)
    one, two, metrics = secret["LIVECUE_SERVER__API_KEYS"].split(",")
    assert (one, two) == ("one", "two")
    assert secret["METRICS_KEY"] == metrics
    assert len(metrics) == 40


def test_a_disk_for_the_journal_means_that_one_gateway_ends_before_the_next_begins() -> None:
    objects = rendered(*KEYS, "--set", "persistence.data.enabled=true")
    assert "'strategy': {'type': 'Recreate'}" in str(objects["Deployment"])
    assert objects["PersistentVolumeClaim"]["metadata"]


@pytest.mark.parametrize(
    ("url", "port"),
    [("rediss://redis.example.com:6380/2", 6380), ("redis://redis", 6379), ("redis://10.0.0.1/1", 6379)],
)
def test_gateways_reach_the_journal_that_they_share(url: str, port: int) -> None:
    objects = rendered(*KEYS, "--set", f"redis.url={url},replicaCount=3")
    assert f"{{'name': 'LIVECUE_JOURNAL__URL', 'value': '{url}'}}" in str(objects["Deployment"])
    assert f"{{'protocol': 'TCP', 'port': {port}}}" in str(objects["NetworkPolicy"])
    assert "6379" not in str(rendered(*KEYS)["NetworkPolicy"])


@pytest.mark.parametrize(("kind", "rendered_as"), [("hpa", "HorizontalPodAutoscaler"), ("keda", "ScaledObject")])
def test_the_number_of_gateways_is_left_to_the_autoscaler(kind: str, rendered_as: str) -> None:
    objects = rendered(*KEYS, "--set", f"autoscaling.kind={kind}")
    assert rendered_as in objects
    spec = objects["Deployment"]["spec"]
    assert isinstance(spec, dict)
    assert "replicas" not in spec


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("replicaCount=1", "secret: expected existing or apiKeys"),
        ("secret.existing=keys,persistence.data.enabled=true,replicaCount=2", "gateways cannot share a volume"),
        ("secret.existing=keys,autoscaling.kind=vpa", "expected none, hpa or keda"),
    ],
)
def test_a_mistake_is_refused_with_what_is_expected(values: str, message: str) -> None:
    assert message in refusal("--set", values)
