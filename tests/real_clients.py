"""Clients as others publish them: npm packages, the snippets of docs/clients.md, and a way that loses answers."""

import fcntl
import http.client
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from servers import ROOT, require

HERE = ROOT / "tests" / "serving" / "clients"
_GUIDE = ROOT / "docs" / "clients.md"
_PLACEHOLDER = "http://127.0.0.1:3000"
_UNREACHABLE = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|network", re.IGNORECASE)
_INSTALL_SECONDS = 240


def node() -> str:
    """Return the path of Node.js; skips the test, or fails it in CI, where there is none."""
    return require(shutil.which("node"), "Node.js", "nodejs npm")


def installed(folder: Path) -> Path:
    """Return ``node_modules`` under a folder that tests share, installed from the lock if it is not there yet.

    Skips the test where the packages cannot be fetched.
    """
    node()
    npm = require(shutil.which("npm"), "npm", "npm")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "done"
        if not done.exists():
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(HERE / name, folder / name)
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
            answer = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
            )
            if answer.returncode and _UNREACHABLE.search(answer.stderr):
                pytest.skip(f"npm cannot fetch the packages: {answer.stderr.strip().splitlines()[-1]}")
            assert answer.returncode == 0, answer.stderr
            done.touch()
    return folder / "node_modules"


def snippet(client: str, url: str) -> str:
    """Return the snippet of a client in the guide, with the address of a service in place of its own."""
    section = re.split(r"^## ", _GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    [found] = [part for part in section if part.startswith(f"{client}\n")]
    code = re.search(r"^```\w*\n(.*?)^```$", found, re.MULTILINE | re.DOTALL)
    assert code, client
    return code[1].replace(_PLACEHOLDER, url).replace("3000", str(urlsplit(url).port))


def run_node(code: str, modules: Path, seconds: float = 30) -> str:
    """Run a script to its end and return what it said; fails with that where it fails."""
    answer = subprocess.run(
        [node(), "-e", code],
        check=False,
        env={**os.environ, "NODE_PATH": str(modules)},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout + answer.stderr


class Proxy:
    """A way to the service on which answers get lost: the service has done its work, and its client is told otherwise.

    ``statuses`` are what the next requests that would write are answered with, before all goes well again.
    """

    def __init__(self, url: str) -> None:
        self.service = urlsplit(url)
        self.statuses: list[int] = []
        self.asked: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Forwarding, self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def next_status(self, method: str, path: str) -> int | None:
        """Return what a request is answered with whatever the service says, None for what it says."""
        with self._lock:
            self.asked.append((method, path))
            return self.statuses.pop(0) if self.statuses and method != "OPTIONS" else None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def losing(url: str, *statuses: int) -> Iterator[Proxy]:
    """Run a proxy whose first answers have these statuses."""
    proxy = Proxy(url)
    proxy.statuses.extend(statuses)
    try:
        yield proxy
    finally:
        proxy.close()


class _Forwarding(BaseHTTPRequestHandler):
    def __init__(self, proxy: Proxy, *given: object) -> None:
        self._proxy = proxy
        super().__init__(*given)  # type: ignore[arg-type]

    def _forward(self) -> None:
        lost = self._proxy.next_status(self.command, self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        connection = http.client.HTTPConnection(str(self._proxy.service.hostname), self._proxy.service.port, timeout=30)
        # With 429 the request itself gets lost, with any other status the answer to it.
        if lost != 429:
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            status, content, headers = answer.status, answer.read(), dict(answer.getheaders())
        else:
            status, content, headers = lost, b"", {}
        connection.close()
        self.send_response(lost or status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "date", "server", "transfer-encoding"):
                self.send_header(name, value)
        if lost is not None:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_OPTIONS = _forward  # noqa: N815 (http.server calls them)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
