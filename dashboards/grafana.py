"""Turn the table of panels into Grafana's dashboard JSON (schema of Grafana 10 and later)."""

from __future__ import annotations

from typing import Any

from panels import Panel, Row

_COLUMNS = 24
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}

type Json = dict[str, Any]


def dashboard(rows: tuple[Row, ...]) -> Json:
    """Lay the rows out from top to bottom."""
    return {
        "uid": "sekimori",
        "title": "関守 / Sekimori",
        "description": "AI サービスへの出口の関所 / The barrier on the way to AI services",
        "tags": ["sekimori"],
        "timezone": "browser",
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_datasource(), _instance()]},
        "panels": list(_laid_out(rows)),
    }


def _laid_out(rows: tuple[Row, ...]) -> list[Json]:
    placed: list[Json] = []
    y = 0
    for row in rows:
        title = f"{row.ja} / {row.en}"
        placed.append(_numbered(placed, {"type": "row", "title": title, "panels": []}, 0, y, _COLUMNS, 1))
        y += 1
        x = line = 0
        for panel in row.panels:
            if x + panel.width > _COLUMNS:
                x, y, line = 0, y + line, 0
            placed.append(_numbered(placed, _panel(panel), x, y, panel.width, panel.height))
            x, line = x + panel.width, max(line, panel.height)
        y += line
    return placed


def _numbered(placed: list[Json], panel: Json, x: int, y: int, width: int, height: int) -> Json:
    return {"id": len(placed) + 1, **panel, "gridPos": {"x": x, "y": y, "w": width, "h": height}}


def _panel(panel: Panel) -> Json:
    return {
        "type": panel.kind,
        "title": f"{panel.ja} / {panel.en}",
        "description": f"{panel.help_ja}\n\n{panel.help_en}",
        "datasource": _SOURCE,
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": _SOURCE, "expr": query.expr}
            | ({"legendFormat": query.legend} if query.legend else {})
            for number, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
    }


def _defaults(panel: Panel) -> Json:
    defaults: Json = {"unit": panel.unit, "min": 0}
    if panel.steps:
        defaults["thresholds"] = {
            "mode": "absolute",
            "steps": [{"value": value, "color": color} for value, color in panel.steps],
        }
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "fillOpacity": 20 if panel.stacked else 0,
            "stacking": {"mode": "normal" if panel.stacked else "none"},
            "showPoints": "never",
        }
    return defaults


_REDUCE = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: dict[str, Json] = {
    "timeseries": {
        "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["mean", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {"colorMode": "background", "graphMode": "area", "reduceOptions": _REDUCE},
    "bargauge": {"displayMode": "basic", "orientation": "horizontal", "reduceOptions": _REDUCE},
}


def _datasource() -> Json:
    return {
        "name": "datasource",
        "label": "データソース / Data source",
        "type": "datasource",
        "query": "prometheus",
    }


def _instance() -> Json:
    return {
        "name": "instance",
        "label": "インスタンス / Instance",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": "label_values(sekimori_policy_loads_total, instance)", "refId": "instance"},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }
