"""What a route asks of the key that comes with a request."""

from enum import StrEnum


class Permission(StrEnum):
    """What a key may do; a route asks for one of these, or for none."""

    WRITE = "write"
    """Send events and outcomes."""
    READ = "read"
    """Ask for risks and recommendations."""
    ADMIN = "admin"
    """All else: sessions, annotations, erasing, metrics and the pages."""
