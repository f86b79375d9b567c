"""A real nginx for tests and benchmarks, with the configuration that is shipped for replicas."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import httpx
from servers import ROOT, free_port, require, wait_for

SHIPPED = ROOT / "deploy" / "nginx-replicas.conf"
_AROUND = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {shipped}
}}
"""


def shipped_for(ports: Sequence[int], port: int, folder: Path) -> str:
    """Return the shipped configuration with these replicas in it, listening on a port of this machine."""
    text = SHIPPED.read_text(encoding="utf-8")
    servers = re.findall(r"^    server 10\.0\.0\.1[12]:3000(.*);\n", text, re.MULTILINE)
    assert len(servers) == 4, "two upstreams of two replicas each"
    own = "".join(f"    server 127.0.0.1:{one}{servers[0]};\n" for one in ports)
    text = re.sub(r"(    server 10\.0\.0\.1[12]:3000.*;\n)+", own, text)
    for written, meant in (("listen 80;", f"listen 127.0.0.1:{port};"), ("/var/log/nginx/", f"{folder}/")):
        assert text.count(written) == 1, written
        text = text.replace(written, meant)
    return text


class Nginx:
    """nginx before replicas at these ports of this machine."""

    def __init__(self, ports: Sequence[int], folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.configuration = folder / "nginx.conf"
        shipped = shipped_for(ports, self.port, folder)
        self.configuration.write_text(_AROUND.format(folder=folder, shipped=shipped), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        binary = require(shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin"), "nginx", "nginx-light")
        command = [binary, "-c", str(self.configuration), "-p", str(self.folder)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_for(
            lambda: httpx.get(f"{self.url}/metrics", timeout=2).status_code == 404,
            (httpx.TransportError,),
            self._process,
        )

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

    def passed_on(self) -> list[str]:
        """Return the lines of its log about requests that were sent to a second replica."""
        lines = (self.folder / "dropoff.log").read_text(encoding="utf-8").splitlines()
        return [line for line in lines if re.search(r"127\.0\.0\.1:\d+, 127\.0\.0\.1:\d+", line)]
