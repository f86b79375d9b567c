"""The application that BentoML builds of the service has nothing of OpenTelemetry before the routes."""

import json
import os
import subprocess
import sys
from pathlib import Path

from servers import ROOT

PROGRAM = """
import json
from serving.service import Dropoff
print(json.dumps([one.cls.__name__ for one in Dropoff.to_asgi(is_main=True).user_middleware]))
"""


def test_bentomls_tracing_is_left_out_and_nothing_observes_unasked(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DROPOFF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    before_routes = json.loads(done.stdout.splitlines()[-1])
    assert "Guard" in before_routes
    assert "Untraced" in before_routes
    assert not {"OpenTelemetryMiddleware", "Observed"} & set(before_routes)
