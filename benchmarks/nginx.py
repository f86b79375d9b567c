"""A real nginx with the configuration that is shipped for replicas."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.service import ROOT, free_port, wait_until_ready

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


def nginx_binary() -> str | None:
    """Return where nginx is, which need not be on a user's path; None where there is none."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def shipped_for(ports: Sequence[int], port: int, folder: Path) -> str:
    """Return the shipped configuration with these replicas in it, listening on a port of this machine."""
    text = SHIPPED.read_text(encoding="utf-8")

    def replicas(found: re.Match[str]) -> str:
        return "".join(f"    server 127.0.0.1:{one}{found['how']};\n" for one in ports)

    text = re.sub(r"(    server 10\.0\.0\.1[12]:3000(?P<how>.*);\n)+", replicas, text)
    for written, meant in (("listen 80;", f"listen 127.0.0.1:{port};"), ("/var/log/nginx/", f"{folder}/")):
        if text.count(written) != 1:
            raise RuntimeError(f"{SHIPPED} has {written!r} {text.count(written)} times, not once")
        text = text.replace(written, meant)
    return text


class Nginx:
    """nginx before replicas at these ports of this machine."""

    def __init__(self, ports: Sequence[int], folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        shipped = shipped_for(ports, self.port, folder)
        (folder / "nginx.conf").write_text(_AROUND.format(folder=folder, shipped=shipped), encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        binary = nginx_binary()
        if binary is None:
            raise RuntimeError("there is no nginx; install it with: apt-get install nginx-light")
        # As root it would work as an account that may not write here.
        command = [binary, "-c", str(self._folder / "nginx.conf"), "-p", str(self._folder), "-g", "user root;"]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_until_ready(self.port, self.process)

    def stop(self) -> None:
        """Stop it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def passed_on(self) -> int:
        """Return how many requests were sent to a second replica."""
        lines = (self._folder / "dropoff.log").read_text(encoding="utf-8").splitlines()
        return sum(re.search(r"127\.0\.0\.1:\d+, 127\.0\.0\.1:\d+", line) is not None for line in lines)

    def errors(self) -> str:
        """Return what it has complained about."""
        return (self._folder / "error.log").read_text(encoding="utf-8", errors="replace")
