"""Write the dashboards as Grafana reads them.

    python -m deploy.dashboards     # writes deploy/grafana/dashboards/*.json

A test compares the files with what is declared, and runs every query on a real Prometheus.
"""

import json
from pathlib import Path

from deploy.dashboards.duties import DUTIES
from deploy.dashboards.model import MODEL
from deploy.dashboards.panels import Dashboard
from deploy.dashboards.service import SERVICE

FOLDER = Path(__file__).parents[1] / "grafana" / "dashboards"
DASHBOARDS = (SERVICE, MODEL, DUTIES)


def to_text(dashboard: Dashboard) -> str:
    """Return a dashboard's file."""
    return json.dumps(dashboard.to_json(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all dashboards."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for one in DASHBOARDS:
        (FOLDER / f"{one.uid}.json").write_text(to_text(one), encoding="utf-8")


if __name__ == "__main__":
    main()
