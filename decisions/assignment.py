"""Uniform numbers from names: the same name always gets the same number, so nobody changes sides."""

import hashlib


def uniform(*parts: str) -> float:
    """Return a number in [0, 1) that depends on the parts alone and is uniform over them."""
    digest = hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / float(1 << 53)


def assignment_id(journey: str, visitor_id: str) -> str:
    """Return the id that a visitor brings along to be drawn by: one that does not tell the visitor's."""
    return hashlib.sha256(
        "\x1f".join(("assignment", journey, visitor_id)).encode("utf-8", "surrogatepass")
    ).hexdigest()[:32]


def in_holdout(journey: str, assignment: str, share: float) -> bool:
    """Whether an assignment id belongs to the ``share`` of a journey's that never see an intervention."""
    return uniform("holdout", journey, assignment) < share
