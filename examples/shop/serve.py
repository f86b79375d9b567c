"""A small shop to try dropoff with: its pages, and beside them the service with the demo's model.

    python examples/shop/serve.py

Both listen on this machine only. ``dropoff demo --no-serve`` trains the model that it needs.
"""

import argparse
import functools
import http.server
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from console.terminal import say
from demo import JOURNEY, DemoError, running_service
from storage.models import champion_version, home_folder

FOLDER = Path(__file__).parent
PORT = 8080
WRITTEN = "http://127.0.0.1:3000"
"""Where the pages, as they lie in the folder, find the service."""
DELAYS_SECONDS = {"/sale.html": 3.0}
"""What is slow to come, so that there is something to be impatient about."""


class ShopHandler(http.server.SimpleHTTPRequestHandler):
    """Hands out the pages, with the address of the service in them."""

    def __init__(self, *arguments: object, service: str) -> None:
        self._service = service
        super().__init__(*arguments, directory=str(FOLDER))  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer with a page or a file of the folder."""
        path = self.path.partition("?")[0]
        time.sleep(DELAYS_SECONDS.get(path, 0.0))
        page = FOLDER / (path.strip("/") or "index.html")
        if page.suffix != ".html" or page.parent != FOLDER or page.name == "404.html":
            super().do_GET()
        elif page.is_file():
            self._send_page(200, page)
        else:
            self._send_page(404, FOLDER / "404.html")

    def end_headers(self) -> None:
        """Let nobody keep what may change while it is being tried out."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of single requests."""

    def _send_page(self, status: int, page: Path) -> None:
        body = page.read_text(encoding="utf-8").replace(WRITTEN, self._service).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running_shop(service: str, port: int = 0) -> Iterator[str]:
    """Serve the shop for a service at this address, in a thread, until the end of the block; yields the address."""
    handler = functools.partial(ShopHandler, service=service)
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def main() -> None:
    """Run the shop, and the service if none is given, until Ctrl-C."""
    parser = argparse.ArgumentParser(
        description="Serve the example shop and dropoff beside it.", epilog="Example: python examples/shop/serve.py"
    )
    parser.add_argument("--port", type=int, default=PORT, help="port of the shop; 0 chooses a free one")
    parser.add_argument("--service", help="address of a running service, instead of starting one")
    given = parser.parse_args()
    home = home_folder()
    if given.service is None and champion_version(home, JOURNEY) is None:
        sys.exit(f"There is no model of {JOURNEY} in {home} yet: run `dropoff demo --no-serve` first.")
    # Whoever ends this ends the service too, also by SIGTERM, and where a shell has SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with (
            nullcontext(given.service) if given.service else running_service(home, home / "shop.log") as service,
            running_shop(service, given.port) as shop,
        ):
            say(f"  shop       {shop}")
            say(f"  service    {service}")
            say("A card declined: 4000 0000 0000 0002. A slow page: Sale. Delivery costs show at the payment.")
            say("Both stay up until Ctrl-C.")
            threading.Event().wait()
    except KeyboardInterrupt:
        say("")
    except (DemoError, OSError) as error:
        sys.exit(f"The shop cannot be started: {error}.")


if __name__ == "__main__":
    main()
