"""A real Prometheus with the configuration and the rules that are shipped, for benchmarks and tests."""

import math
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.service import free_port

SHIPPED = Path(__file__).parents[1] / "deploy" / "prometheus"
_START_SECONDS = 60.0

Labels = Mapping[str, str]


class Prometheus:
    """A Prometheus that answers at ``url``."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **parameters: Any) -> Any:
        """Return the data of an answer of its API; raises ValueError with what it says is wrong."""
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30).json()
        if answer["status"] != "success":
            raise ValueError(f"{parameters}: {answer['error']}")
        return answer["data"]

    def find(self, query: str, at: float | None = None) -> list[tuple[Labels, float]]:
        """Return the labels and values that a query finds at a moment, by default now; what is no number is nothing."""
        moment = {} if at is None else {"time": at}
        found = [(one["metric"], float(one["value"][1])) for one in self.ask("query", query=query, **moment)["result"]]
        return [(labels, value) for labels, value in found if not math.isnan(value)]

    def follow(self, query: str, since: float, until: float, step: float) -> list[tuple[Labels, dict[float, float]]]:
        """Return what a query finds over a stretch of time, in seconds since 1970, by moment."""
        data = self.ask("query_range", query=query, start=since, end=until, step=step)
        return [(one["metric"], {float(at): float(value) for at, value in one["values"]}) for one in data["result"]]


@contextmanager
def watching(folder: Path, targets: Sequence[str], interval: str = "1s") -> Iterator[Prometheus]:
    """Run a Prometheus on addresses such as ``127.0.0.1:3000``, as the job ``dropoff``, until the end of the block.

    Raises SystemExit where there is no Prometheus, and RuntimeError where it does not start.
    """
    binary = shutil.which("prometheus")
    if binary is None:
        raise SystemExit("there is no Prometheus; install it with: apt-get install prometheus")
    configuration = yaml.safe_load((SHIPPED / "prometheus.yml").read_text(encoding="utf-8"))
    configuration["global"] = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), interval)
    [job] = configuration["scrape_configs"]
    # There is no name server that knows the replicas.
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": list(targets)}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    for name in configuration["rule_files"]:
        shutil.copy(SHIPPED / name, folder)
    address = f"127.0.0.1:{free_port()}"
    with (folder / "prometheus.log").open("wb") as output:
        process = subprocess.Popen(
            [
                binary,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(f"http://{address}/-/ready", process, folder / "prometheus.log")
        yield Prometheus(f"http://{address}")
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"Prometheus does not answer; it said: {log.read_text(encoding='utf-8')}")
