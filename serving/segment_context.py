"""What the ``context`` of a call in Segment's format tells of the device, the country and how the visitor came."""

from collections.abc import Mapping
from typing import Any

from features.device import device_of_agent, device_of_type
from features.landing import Landing, read_landing

Json = Mapping[str, Any]


def device_of(context: Json) -> str | None:
    """Return the kind of device, None where nothing tells it."""
    said = text_at(object_at(context, "device"), "type") or text_at(context, "device")
    if said:
        return device_of_type(said)
    agent = text_at(context, "userAgent")
    if agent:
        return device_of_agent(agent)
    mobile = object_at(context, "userAgentData").get("mobile")
    return ("mobile" if mobile else "desktop") if isinstance(mobile, bool) else None


def country_of(context: Json) -> str | None:
    """Return the country, None where nothing tells it."""
    return text_at(object_at(context, "location"), "country") or text_at(context, "country")


def consent_of(context: Json) -> bool | None:
    """Return what the visitor said to analytics, as Segment's consent management tells it; None where it does not.

    https://www.twilio.com/docs/segment/privacy/consent-management/consent-in-segment-connections
    """
    said = object_at(object_at(context, "consent"), "categoryPreferences")
    return next((said[name] for name in ("Analytics", "analytics") if isinstance(said.get(name), bool)), None)


def landing_of(context: Json, properties: Json) -> Landing:
    """Return how the visitor came: by ``context.campaign``, else by the parameters of the page's address."""
    page = object_at(context, "page")
    query = (
        text_at(page, "search") or text_at(page, "url") or text_at(properties, "search") or text_at(properties, "url")
    )
    landing = read_landing(query)
    campaign = object_at(context, "campaign")
    if not campaign:
        return landing
    return Landing(
        source=text_at(campaign, "source") or landing.source,
        medium=text_at(campaign, "medium") or landing.medium,
        campaign=text_at(campaign, "name") or landing.campaign,
        click_id=landing.click_id,
    )


def object_at(parent: Json, name: str) -> dict[str, Any]:
    """Return the object of that name, an empty one where there is none."""
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def text_at(parent: Json, name: str) -> str | None:
    """Return the text of that name, None where there is none."""
    value = parent.get(name)
    return value if isinstance(value, str) and value else None
