"""Panels and dashboards as declarations, and Grafana's JSON of them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_GRID = 24
_SCHEMA = 39
_SELECTOR = re.compile(r"(?<![\w:])((?:job\w*:)?dropoff_\w+)(?:\{([^}]*)\})?")
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


class Kind(StrEnum):
    """How a panel shows what its queries find: over time, as the latest values, or as one bar for each."""

    LINES = "timeseries"
    NUMBER = "stat"
    BARS = "bargauge"
    GRID = "heatmap"


class Unit(StrEnum):
    """What values are of, by Grafana's names."""

    COUNT = "short"
    PER_SECOND = "reqps"
    SHARE = "percentunit"
    SECONDS = "s"
    BYTES = "bytes"
    TEXT = "string"


@dataclass(frozen=True, slots=True)
class Query:
    """A query in PromQL, written for one job and without naming it; ``legend`` may hold labels as ``{{route}}``."""

    expression: str
    legend: str = ""

    def __str__(self) -> str:
        return within_job(self.expression)


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture of some queries; ``width`` is in parts of 24, ``stacked`` shows parts of a whole."""

    title: str
    about: str
    queries: Sequence[Query]
    unit: Unit = Unit.COUNT
    kind: Kind = Kind.LINES
    width: int = 8
    height: int = 8
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of Grafana; ``uid`` is the end of its address and the name of its file."""

    uid: str
    title: str
    about: str
    rows: Sequence[Row]

    def to_json(self) -> dict[str, Any]:
        """Return what Grafana reads."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["dropoff"],
            "timezone": "browser",
            "editable": True,
            "graphTooltip": 1,
            "refresh": "30s",
            "schemaVersion": _SCHEMA,
            "time": {"from": "now-6h", "to": "now"},
            "links": [
                {"type": "dashboards", "tags": ["dropoff"], "title": "dropoff", "asDropdown": False, "keepTime": True}
            ],
            "templating": {"list": [_datasource(), _job()]},
            "panels": list(_placed(self.rows)),
        }


def within_job(expression: str) -> str:
    """Return a query of all jobs as one of the job that somebody has chosen."""

    def narrowed(found: re.Match[str]) -> str:
        selectors = ['job="$job"', *([found[2]] if found[2] else [])]
        return f"{found[1]}{{{', '.join(selectors)}}}"

    return _SELECTOR.sub(narrowed, expression)


def _datasource() -> Mapping[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}}


def _job() -> Mapping[str, Any]:
    return {
        "name": "job",
        "label": "Service",
        "type": "query",
        "datasource": _DATASOURCE,
        "query": {"query": "label_values(dropoff_model, job)", "refId": "job"},
        "refresh": 2,
        "sort": 1,
        "current": {},
    }


def _placed(rows: Sequence[Row]) -> Sequence[Mapping[str, Any]]:
    placed: list[Mapping[str, Any]] = []
    top = 0
    for row in rows:
        heading = {"type": "row", "title": row.title, "collapsed": False, "panels": []}
        placed.append({"id": len(placed) + 1, **heading, "gridPos": {"x": 0, "y": top, "w": _GRID, "h": 1}})
        top, left, tallest = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > _GRID:
                top, left, tallest = top + tallest, 0, 0
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            placed.append({"id": len(placed) + 1, **_described(panel), "gridPos": place})
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest
    return placed


def _described(panel: Panel) -> Mapping[str, Any]:
    return {
        "type": panel.kind.value,
        "title": panel.title,
        "description": panel.about,
        "datasource": _DATASOURCE,
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _DATASOURCE,
                "expr": str(query),
                "legendFormat": query.legend or "__auto",
                "instant": panel.kind in (Kind.NUMBER, Kind.BARS),
                "range": panel.kind not in (Kind.NUMBER, Kind.BARS),
                **({"format": "heatmap"} if panel.kind is Kind.GRID else {}),
            }
            for place, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    }


def _defaults(panel: Panel) -> Mapping[str, Any]:
    found: dict[str, Any] = {"unit": panel.unit.value, "color": {"mode": "palette-classic"}}
    if panel.unit is Unit.TEXT:
        del found["unit"]
    if panel.kind is Kind.LINES:
        found["min"] = 0
        found["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 60 if panel.stacked else 5,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
    if panel.kind is Kind.BARS:
        found["min"] = 0
    return found


def _options(panel: Panel) -> Mapping[str, Any]:
    match panel.kind:
        case Kind.LINES:
            legend = {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull"], "showLegend": True}
            return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
        case Kind.NUMBER:
            text = "name" if panel.unit is Unit.TEXT else "auto"
            return {"reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": text, "colorMode": "none"}
        case Kind.BARS:
            return {"reduceOptions": {"calcs": ["lastNotNull"]}, "orientation": "horizontal", "displayMode": "basic"}
        case Kind.GRID:
            return {"calculate": False, "yAxis": {"unit": panel.unit.value}, "color": {"scheme": "Blues"}}
