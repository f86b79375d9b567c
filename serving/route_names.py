"""What routes are called in metrics, logs and traces: by their address, without what stands in it for somebody."""

import re

REFUSED = "refused"
"""What requests count as that are turned away before any route."""
UNSERVED = "/{address:path}"
"""The address that takes what none of the others serves."""
_PARAMETER = re.compile(r"\{[a-z_]+:path\}")


def route_name(address: str) -> str:
    """Return a route's address as one for all sessions and visitors, and one for all that is not served."""
    return "unserved" if address == UNSERVED else _PARAMETER.sub("{id}", address)
