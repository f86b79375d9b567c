"""An object store that speaks S3, on a free loopback port."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer

from features.store_path import StorePath


@contextmanager
def object_store() -> Iterator[StorePath]:
    """Yield an empty bucket, ``s3://shop``; also the processes that are started meanwhile reach it."""
    from s3fs import S3FileSystem

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    host, port = server.get_host_and_port()
    # What a former server of this process was given outlives it.
    httpx.post(f"http://{host}:{port}/moto-api/reset").raise_for_status()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ACCESS_KEY_ID", "tests")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        S3FileSystem.clear_instance_cache()
        bucket = StorePath("s3://shop")
        bucket.filesystem().mkdir("s3://shop")
        try:
            yield bucket
        finally:
            server.stop()
            S3FileSystem.clear_instance_cache()


@contextmanager
def no_store() -> Iterator[None]:
    """Let nobody answer where the store is meanwhile."""
    from s3fs import S3FileSystem

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        S3FileSystem.clear_instance_cache()
        try:
            yield
        finally:
            S3FileSystem.clear_instance_cache()


def put(folder: Path, into: StorePath) -> None:
    """Copy the files of a folder, by the names that they have in it."""
    for file in sorted(one for one in folder.rglob("*") if one.is_file()):
        (into / file.relative_to(folder)).write_bytes(file.read_bytes())
