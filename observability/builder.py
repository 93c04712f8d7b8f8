"""Builds Grafana's JSON: a board is rows of panels, a panel is a title, a sentence and its queries."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

# The selector in every query of our own metrics: only series of the chosen namespace, jobs and pods.
OURS = 'namespace="$namespace", job=~"$job", pod=~"$pod"'
# The selector in every query of the brokers' metrics: only those of the chosen Kafka cluster.
BROKERS = 'namespace="$kafka_namespace", strimzi_io_cluster="$kafka_cluster"'
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
TAG = "retail-orders"
RUNBOOKS = "RUNBOOKS"  # a placeholder that the chart replaces with the address of docs/operations.md
WIDTH, STAT_HEIGHT, GRAPH_HEIGHT = 24, 4, 8
GREEN, YELLOW, RED = "green", "yellow", "red"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel. `queries` maps legends to PromQL; in a query, OURS stands for the selector of our series.

    `limits` are the values from which the panel is yellow and red. If the second is lower, the panel is yellow below
    the first and red below the second. With `external`, the series come from Kafka's brokers; in a query, BROKERS
    stands for their selector.
    """

    title: str
    description: str
    queries: Mapping[str, str]
    unit: str
    kind: str = "timeseries"
    width: int = 8
    limits: tuple[float, float] | None = None
    runbook: str = ""
    decimals: int | None = None
    mappings: Mapping[int, tuple[str, str]] = field(default_factory=dict)  # text and colour by value
    external: bool = False

    @property
    def height(self) -> int:
        """The height in rows of Grafana's grid."""
        return STAT_HEIGHT if self.kind == "stat" else GRAPH_HEIGHT

    @property
    def steps(self) -> list[tuple[str, float | None]]:
        """The colours, each with the lowest value that is shown in it; None: no lower bound."""
        if self.limits is None:
            return [(GREEN, None)]
        first, second = self.limits
        colors = (RED, YELLOW, GREEN) if second < first else (GREEN, YELLOW, RED)
        low, high = sorted(self.limits)
        return list(zip(colors, (None, low, high), strict=True))

    def json(self, number: int, x: int, y: int) -> Json:
        """Return Grafana's JSON of the panel, with the id `number`, at a place of the grid."""
        options: dict[str, Json] = {
            "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background", "graphMode": "area"},
            "timeseries": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
            "state-timeline": {"showValue": "never", "mergeValues": True},
            "table": {"showHeader": True},
        }
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": options[self.kind],
            "targets": [self._target(place, *query) for place, query in enumerate(self.queries.items())],
            "links": [{"title": "Runbook", "url": f"{RUNBOOKS}#{self.runbook}", "targetBlank": True}]
            if self.runbook
            else [],
        }

    def _defaults(self) -> Json:
        steps = [{"color": color, "value": value} for color, value in self.steps]
        defaults: Json = {"unit": self.unit, "thresholds": {"mode": "absolute", "steps": steps}}
        if self.decimals is not None:
            defaults["decimals"] = self.decimals
        if self.mappings:
            texts = {str(value): {"text": text, "color": color} for value, (text, color) in self.mappings.items()}
            defaults["mappings"] = [{"type": "value", "options": texts}]
            defaults["color"] = {"mode": "thresholds"}
        return defaults

    def _target(self, place: int, legend: str, query: str) -> Json:
        instant = self.kind == "table"
        return {
            "refId": chr(ord("A") + place),
            "datasource": DATASOURCE,
            "expr": query.replace("OURS", OURS).replace("BROKERS", BROKERS),
            "legendFormat": legend,
            "instant": instant,
            "range": not instant,
            **({"format": "table"} if instant else {}),
        }


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board: named rows of panels."""

    name: str
    title: str
    description: str
    rows: Sequence[tuple[str, Sequence[Panel]]]

    @property
    def panels(self) -> list[Panel]:
        """All panels, in their order."""
        return [panel for _, panels in self.rows for panel in panels]

    def json(self) -> Json:
        """Return Grafana's JSON of the board."""
        return {
            "title": f"Retail Orders / {self.title}",
            "uid": f"{TAG}-{self.name}",
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": 39,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-1h", "to": "now"},
            "templating": {"list": [*_variables(), *self._broker_variables()]},
            "annotations": {"list": _annotations()},
            "links": [
                {
                    "type": "dashboards",
                    "title": "Boards",
                    "tags": [TAG],
                    "asDropdown": False,
                    "keepTime": True,
                    "includeVars": True,
                },
                {"type": "link", "title": "Runbooks", "url": RUNBOOKS, "targetBlank": True},
            ],
            "panels": [*self._laid_out()],
        }

    def _broker_variables(self) -> list[Json]:
        if not any(panel.external for panel in self.panels):
            return []
        metric = "kafka_controller_kafkacontroller_activecontrollercount"
        clusters = f'label_values({metric}{{namespace="$kafka_namespace"}}, strimzi_io_cluster)'
        return [
            _variable("kafka_namespace", "Namespace of Kafka", f"label_values({metric}, namespace)"),
            _variable("kafka_cluster", "Kafka cluster", clusters),
        ]

    def _laid_out(self) -> Iterator[Json]:
        number = y = 0
        for title, panels in self.rows:
            number += 1
            yield {
                "id": number,
                "type": "row",
                "title": title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
            }
            y += 1
            x = height = 0
            for panel in panels:
                if x + panel.width > WIDTH:
                    x, y, height = 0, y + height, 0
                number += 1
                yield panel.json(number, x, y)
                x, height = x + panel.width, max(height, panel.height)
            y += height


def _variables() -> list[Json]:
    datasource = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}
    return [
        datasource,
        _variable("namespace", "Namespace", "label_values(retail_build_info, namespace)"),
        _variable("job", "Job", 'label_values(retail_build_info{namespace="$namespace"}, job)', several=True),
        _variable(
            "pod", "Pod", 'label_values(retail_build_info{namespace="$namespace", job=~"$job"}, pod)', several=True
        ),
    ]


def _variable(name: str, label: str, query: str, *, several: bool = False) -> Json:
    all_of_them = {"multi": True, "includeAll": True, "allValue": ".+", "current": {"text": "All", "value": "$__all"}}
    return {
        "name": name,
        "type": "query",
        "label": label,
        "datasource": DATASOURCE,
        "query": query,
        "refresh": 2,
        "sort": 1,
        **(all_of_them if several else {}),
    }


def _annotations() -> list[Json]:
    return [
        _annotation("Starts", "blue", "(time() - process_start_time_seconds{OURS}) < 60", "{{pod}} started"),
        _annotation(
            "Breakers",
            "orange",
            "increase(retail_circuit_breaker_transitions_total{OURS}[1m]) > 0",
            "{{breaker}} of {{pod}}: {{to}}",
        ),
    ]


def _annotation(name: str, color: str, query: str, text: str) -> Json:
    return {
        "name": name,
        "enable": True,
        "iconColor": color,
        "datasource": DATASOURCE,
        "expr": query.replace("OURS", OURS),
        "titleFormat": text,
        "step": "30s",
    }
