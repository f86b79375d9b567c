"""``python -m serving``: serve in a container, where there is a Bento or DROPOFF_JOURNEY, until it is stopped."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from serving.configuration import PACKAGED_FOLDER, Configuration
from serving.environment import ConfigurationError
from serving.errors import StartError
from serving.logs import telling
from serving.run import serve

COMPILED = "DROPOFF_COMPILED"
"""The environment variable that names a folder of the image, in which the kernel lies compiled."""


def main() -> None:
    """Serve, or say in a line why that is not possible and end with status 1."""
    parser = argparse.ArgumentParser(prog="python -m serving", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="where to listen; elsewhere than on this machine with keys")
    parser.add_argument("--port", type=int, default=3000)
    asked = parser.parse_args()
    if PACKAGED_FOLDER.is_dir():
        _use_compiled()
    try:
        serve(os.environ.get("DROPOFF_JOURNEY", ""), host=asked.host, port=asked.port, ready=_tell)
    except (StartError, ConfigurationError) as error:
        sys.exit(f"dropoff: {error}")


def _use_compiled() -> None:
    """Copy the compiled kernel to where numba may write; for another kind of processor it compiles anew."""
    compiled, cache = os.environ.get(COMPILED), os.environ.get("NUMBA_CACHE_DIR")
    if compiled and cache and Path(compiled).is_dir():
        shutil.copytree(compiled, cache, dirs_exist_ok=True)


def _tell(address: str) -> None:
    telling(Configuration.from_environment().logs, _say)(f"Serving at {address}.")


def _say(said: str) -> None:
    print(said, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
