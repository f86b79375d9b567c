"""Prometheus's own checker of configurations and rules, for tests."""

import shutil
import subprocess

from servers import require

from benchmarks.prometheus import SHIPPED


def promtool(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Prometheus's own checker where its configuration is, and return what it said."""
    binary = require(shutil.which("promtool"), "promtool", "prometheus")
    return subprocess.run([binary, *arguments], cwd=SHIPPED, check=False, capture_output=True, text=True, timeout=60)
