"""Write the Grafana dashboard and the Prometheus rules from their tables: ``make dashboards``.

Both files are committed, so that an installation needs no build step; a test holds them against this.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml
from alerts import ALERTS, RECORDINGS, Alert
from grafana import dashboard
from panels import ROWS

HERE = Path(__file__).parent
_NOTE = "# Written by `make dashboards` from dashboards/alerts.py; change that and run it again.\n"


def dashboard_text() -> str:
    """Return the dashboard's file."""
    return json.dumps(dashboard(ROWS), ensure_ascii=False, indent=2) + "\n"


def rules_text() -> str:
    """Return the rules' file."""
    groups: list[dict[str, Any]] = [
        {
            "name": "sekimori-figures",
            "rules": [{"record": each.record, "expr": each.expr} for each in RECORDINGS],
        },
        {"name": "sekimori-alerts", "rules": [_rule(alert) for alert in ALERTS]},
    ]
    return _NOTE + yaml.safe_dump({"groups": groups}, allow_unicode=True, sort_keys=False, width=10_000)


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.lasts,
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": f"{alert.ja} / {alert.en}",
            "summary_ja": alert.ja,
            "summary_en": alert.en,
            "action_ja": alert.do_ja,
            "action_en": alert.do_en,
            "runbook": f"docs/operating.md#{alert.name.lower()}",
        },
    }


def main() -> int:
    """Write both files."""
    (HERE / "sekimori.json").write_text(dashboard_text(), encoding="utf-8")
    (HERE / "sekimori.rules.yml").write_text(rules_text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
