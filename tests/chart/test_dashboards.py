"""The dashboards: the JSON files match their source and the linter's rules, and every query is valid PromQL.

The rules are those of grafana/dashboard-linter, with `pod` instead of `instance`.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from observability import write
from observability.boards import BOARDS
from observability.builder import BROKERS, OURS, Board
from support import alerts, helm, schemas
from support.manifests import of_kind
from support.strimzi import METRICS

BOARD = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
COUNTERS = re.compile(r"\b(\w+_total|\w+_bucket|\w+_count|\w+_sum)\b")
DURATION = re.compile(r"\[([^]]+)\]")


def panels(board: Board) -> list[dict[str, Any]]:
    """Return the panels of a board, without the headings of its rows."""
    return [panel for panel in board.json()["panels"] if panel["type"] != "row"]


def queries(board: Board) -> list[str]:
    """Return every query of a board, including those of its annotations."""
    content = board.json()
    found = [target["expr"] for panel in panels(board) for target in panel["targets"]]
    return found + [annotation["expr"] for annotation in content["annotations"]["list"]]


def test_committed_json_is_generated_from_the_source() -> None:
    """The committed files equal the output of `make dashboards`."""
    committed = {path.name: path.read_text(encoding="utf-8") for path in write.FOLDER.iterdir()}

    assert committed == write.files()
    assert len(committed) == 5


@BOARD
def test_every_query_is_valid_promql(board: Board, tmp_path: Path) -> None:
    """Promtool parses each query, after Grafana's variables are replaced."""
    if alerts.PROMTOOL is None:
        pytest.skip("promtool is not installed: needs Debian's package prometheus")
    plain = [query.replace("$__rate_interval", "5m").replace("$namespace", "n") for query in queries(board)]
    rules = [{"record": f"query{number}", "expr": query} for number, query in enumerate(plain)]
    (tmp_path / "rules.yaml").write_text(yaml.dump({"groups": [{"name": "queries", "rules": rules}]}))
    command = [alerts.PROMTOOL, "check", "rules", str(tmp_path / "rules.yaml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout


@BOARD
def test_every_panel_is_described_and_has_a_unit(board: Board) -> None:
    for panel in panels(board):
        assert panel["title"], panel
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    titles = [panel["title"] for panel in panels(board)]
    assert len(titles) == len(set(titles))


@BOARD
def test_queries_select_the_chosen_namespace_job_and_pod_or_brokers(board: Board) -> None:
    for panel in board.panels:
        for query in panel.queries.values():
            selectors = re.findall(r"\b((?:retail|process)_\w+)(\{[^}]*)?", query)
            assert panel.external or selectors
            assert all(rest.startswith("{OURS") for _, rest in selectors), query
            brokers = re.findall(r"\bkafka_\w+(\{[^}]*)?", query)
            assert bool(brokers) == panel.external
            assert all(rest.startswith("{BROKERS") for rest in brokers), query
    assert OURS == 'namespace="$namespace", job=~"$job", pod=~"$pod"'


@BOARD
def test_counters_are_queried_by_rate_or_increase_over_allowed_intervals(board: Board) -> None:
    for query in queries(board):
        for counter in COUNTERS.finditer(query):
            before = query[: counter.start()]
            assert before.endswith(("rate(", "increase(")), query
    fixed = {length for query in queries(board) for length in DURATION.findall(query)} - {"$__rate_interval"}
    assert fixed <= {"1m", "5m", "30d"}  # the fixed intervals of some panels and of an annotation


@BOARD
def test_every_board_has_the_same_variables_and_links(board: Board) -> None:
    content = board.json()
    variables = {variable["name"]: variable for variable in content["templating"]["list"]}

    brokers = ["kafka_namespace", "kafka_cluster"] if any(panel.external for panel in board.panels) else []
    assert list(variables) == ["datasource", "namespace", "job", "pod", *brokers]
    assert all(variables[name]["multi"] and variables[name]["allValue"] == ".+" for name in ("job", "pod"))
    assert content["editable"] is False
    assert content["links"][0]["tags"] == content["tags"] == ["retail-orders"]
    assert {annotation["name"] for annotation in content["annotations"]["list"]} == {"Starts", "Breakers"}


@BOARD
def test_panels_do_not_overlap(board: Board) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board.json()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_first_row_of_the_orders_board_has_only_stat_panels() -> None:
    _, first = BOARDS[0].rows[0]

    assert {panel.kind for panel in first} == {"stat"}
    assert all(panel.limits for panel in first)


def test_every_runbook_linked_by_a_panel_exists() -> None:
    named = {panel.runbook for board in BOARDS for panel in board.panels if panel.runbook}

    assert len(named) >= 5
    assert named <= alerts.runbooks()


def test_chart_sets_the_runbook_address_in_the_boards() -> None:
    maps = [
        resource
        for resource in of_kind(helm.rendered(helm.CHART / "ci/everything-values.yaml"), "ConfigMap")
        if "-dashboard-" in resource["metadata"]["name"]
    ]
    contents = [json.loads(text) for resource in maps for text in resource["data"].values()]

    assert {content["uid"] for content in contents} == {f"retail-orders-{board.name}" for board in BOARDS}
    assert "RUNBOOKS" not in json.dumps(contents)
    assert contents[0]["links"][1]["url"].endswith("operations.md")


def test_strimzis_reporter_exports_every_broker_metric_of_the_boards() -> None:
    external = [
        query for board in BOARDS for panel in board.panels if panel.external for query in panel.queries.values()
    ]
    used = {name for query in external for name in re.findall(r"\bkafka_\w+", query)}
    clusters = [
        document["spec"]["kafka"]["metricsConfig"]
        for size in ("production", "kind")
        for document in yaml.safe_load_all((helm.ROOT / f"k8s/{size}/kafka.yaml").read_text(encoding="utf-8"))
        if document["kind"] == "Kafka"
    ]

    assert len(used) >= 3
    assert used <= METRICS
    assert clusters == [{"type": "strimziMetricsReporter"}] * 2  # Strimzi's JMX exporter gives the metrics other names


def test_pod_monitor_of_kafka_matches_its_schema() -> None:
    (monitor,) = yaml.safe_load_all((helm.ROOT / "k8s/monitoring/kafka.yaml").read_text(encoding="utf-8"))

    assert schemas.problems(monitor) == []
    labels = {re.sub(r"\W", "_", label) for label in monitor["spec"]["podTargetLabels"]}  # as Prometheus names them
    assert set(re.findall(r"(\w+)=", BROKERS)) == labels | {"namespace"}
