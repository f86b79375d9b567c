"""Uniform numbers from names: the same name always gets the same number, so nobody changes sides."""

import hashlib


def uniform(*parts: str) -> float:
    """Return a number in [0, 1) that depends on the parts alone and is uniform over them."""
    digest = hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / float(1 << 53)


def in_holdout(journey: str, visitor_id: str, share: float) -> bool:
    """Whether a visitor belongs to the ``share`` of a journey's visitors who never see an intervention."""
    return uniform("holdout", journey, visitor_id) < share
