"""The dashboard, the alerts and the chart ask for metrics that the gateway has."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment import DEPLOY, ROOT, checked_by, read, yaml_of

NAME = re.compile(r"\blivecue_\w+")

DASHBOARD = "deploy/grafana/livecue.json"

ALERTS = "deploy/prometheus/alerts.yml"


def declared() -> Iterator[str]:
    """Yield the names under which the gateway exports its metrics."""
    for path in (ROOT / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
                continue
            name, called = node.args[0].value, ast.unparse(node.func).lower()
            if not (isinstance(name, str) and NAME.fullmatch(name)):
                continue
            if "histogram" in called:
                yield from (f"{name}_{part}" for part in ("bucket", "sum", "count"))
            elif "counter" in called:
                yield f"{name.removesuffix('_total')}_total"
            else:
                yield name


METRICS = frozenset(declared())


def panels() -> list[dict[str, object]]:
    dashboard = json.loads(read(DASHBOARD))
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    listed: list[str] = []
    for panel in panels():
        targets = panel["targets"]
        assert isinstance(targets, list)
        listed += [target["expr"] for target in targets]
    return listed


def test_the_declared_metrics_are_found() -> None:
    assert {"livecue_sessions", "livecue_finals_total", "livecue_final_latency_seconds_bucket"} <= METRICS
    assert "livecue_upstream_cost_total" in METRICS


@pytest.mark.parametrize("expression", expressions())
def test_the_dashboard_asks_for_metrics_that_exist(expression: str) -> None:
    assert set(NAME.findall(expression)) <= METRICS


def test_the_alerts_ask_for_metrics_that_exist() -> None:
    groups = yaml_of(ALERTS)["groups"]
    assert isinstance(groups, list)
    asked = {name for group in groups for rule in group["rules"] for name in NAME.findall(rule["expr"])}
    assert asked
    assert asked <= METRICS


def test_every_variable_of_the_dashboard_is_defined() -> None:
    text = read(DASHBOARD)
    defined = {each["name"] for each in json.loads(text)["templating"]["list"]}
    builtin = {"__rate_interval", "__all"}
    assert set(re.findall(r"\$\{?(\w+)", text)) - builtin == defined


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    dashboard = json.loads(read(DASHBOARD))
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in dashboard["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24, "Grafana has 24 columns"


def test_grafana_finds_the_dashboard_where_compose_mounts_it() -> None:
    provider = read("deploy/grafana/provisioning/dashboards/livecue.yaml")
    folder = re.search(r"path: (\S+)", provider)
    assert folder is not None
    assert f"./{DASHBOARD}:{folder[1]}/livecue.json:ro" in read("compose.yaml")


def test_prometheus_accepts_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m").replace("$instance", ".*")}
        for number, expression in enumerate(expressions())
    ]
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    assert f"{len(rules)} rules found" in checked_by("promtool", "check", "rules", file)


def test_prometheus_accepts_the_alerts_and_its_configuration() -> None:
    checked_by("promtool", "check", "rules", ROOT / ALERTS)
    checked_by("promtool", "check", "config", "--syntax-only", DEPLOY / "prometheus/prometheus.yml")
