"""Packed bodies: unpacked as another program packs them, within the same bound, and never a failure of the service."""

import gzip
import time
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.body import unpack
from serving.errors import ClientError

MOST = 10_000


def _raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


PACKED = [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", _raw_deflate)]


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
@given(content=st.binary(max_size=MOST))
def test_what_was_packed_comes_back(encoding: str, pack: object, content: bytes) -> None:
    assert unpack(pack(content), encoding, MOST) == content  # type: ignore[operator]


def test_the_parts_of_a_packed_body_are_one_body() -> None:
    assert unpack(gzip.compress(b"ab", mtime=0) + gzip.compress(b"cd"), "gzip", 4) == b"abcd"


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
def test_a_bomb_is_refused_before_it_goes_off(encoding: str, pack: object) -> None:
    bomb = pack(bytes(20_000_000))  # type: ignore[operator]
    assert len(bomb) < 1_000_000
    start = time.perf_counter()
    with pytest.raises(ClientError) as caught:
        unpack(bomb, encoding, MOST)
    assert caught.value.status == 413
    assert time.perf_counter() - start < 0.1


@pytest.mark.parametrize(
    ("packed", "code"),
    [
        (gzip.compress(b"abc", mtime=0)[:-1], "incomplete_body"),
        (b"", "incomplete_body"),
        (b"{}", "damaged_body"),
        (gzip.compress(b"abc", mtime=0) + b"more", "damaged_body"),
        (gzip.compress(b"", mtime=0) * 65, "damaged_body"),
        (gzip.compress(b"abc", mtime=0)[:-8] + bytes(8), "damaged_body"),
    ],
)
def test_what_gzip_did_not_pack_is_refused(packed: bytes, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        unpack(packed, "gzip", MOST)
    assert (caught.value.status, caught.value.code) == (400, code)


@given(st.sampled_from(["gzip", "deflate"]), st.binary(max_size=300))
def test_any_bytes_are_unpacked_or_refused(encoding: str, packed: bytes) -> None:
    with suppress(ClientError):
        assert len(unpack(packed, encoding, MOST)) <= MOST
