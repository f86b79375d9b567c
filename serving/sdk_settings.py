"""What browser SDKs ask for before they send anything, so that changing their host is all they need.

Segment's analytics-next loads ``/v1/projects/KEY/settings`` from its ``cdnURL``, RudderStack's SDK ``/sourceConfig``
from its ``configUrl``. Both learn that there is nothing but this service: no other destination, nobody to report to.
"""

from typing import Any

from starlette.requests import Request

_ID = "dropoff"
_DATE = "2026-01-01T00:00:00.000Z"


def segment_settings(request: Request) -> dict[str, Any]:
    """Return the settings of analytics-next: it is to send to the address that it asked."""
    return {
        "integrations": {
            "Segment.io": {
                "apiKey": request.path_params["write_key"],
                "apiHost": f"{request.url.netloc}/v1",
                "protocol": request.url.scheme,
                "addBundledMetadata": True,
                "unbundledIntegrations": [],
                "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
            }
        },
        "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}},
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "remotePlugins": [],
        "legacyVideoPluginsEnabled": False,
        "metrics": {"sampleRate": 0},
    }


def rudder_source(request: Request) -> dict[str, Any]:
    """Return the source of RudderStack's SDK: enabled, without destinations, reporting no errors and no metrics."""
    return {
        "source": {
            "id": _ID,
            "name": _ID,
            "writeKey": request.query_params.get("writeKey", ""),
            "workspaceId": _ID,
            "enabled": True,
            "updatedAt": _DATE,
            "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
            "connections": [],
            "destinations": [],
        },
        "updatedAt": _DATE,
    }
