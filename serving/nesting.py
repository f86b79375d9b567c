"""How deeply JSON may be nested: every reader has a limit, and what one accepts the next one must be able to read."""

from typing import Any

from serving.errors import ClientError

DEEPEST = 100
"""Most levels of objects and arrays in an event's properties."""


def require_shallow(value: object, content: bytes, field: str | None, most: int = DEEPEST) -> None:
    """Raise :class:`ClientError` where a value has more levels; ``content`` is the JSON that holds it."""
    if content.count(b"[") + content.count(b"{") <= most:
        return
    level: list[Any] = [value]
    for _ in range(most):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise ClientError(422, "too_deep", f"JSON that is nested deeper than {most} levels cannot be kept.", field)
