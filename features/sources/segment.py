"""Calls in Segment's format, as JSON Lines: one call a line, as the service takes it or as Segment dumps it to S3.

https://www.twilio.com/docs/segment/connections/spec describes the calls, and ``serving.segment`` reads them live: the
same calls become the same events.
"""

from dataclasses import replace

from features.source import Source
from features.sources.json_sql import added_sql, keys_sql, members_sql, object_sql, text_sql
from features.sources.times_sql import on_our_clock_sql, text_us_sql

_OVERRIDING = {
    "group_id": f"CASE type WHEN 'group' THEN coalesce({text_sql('groupId')}, 'null') END",
    "previous_id": f"CASE type WHEN 'alias' THEN coalesce({text_sql('previousId')}, 'null') END",
}
_PAGE = text_sql("coalesce(nullif(page_name, ''), path)")
_DEFAULTS = {
    "page": f"CASE WHEN type IN ('page', 'screen') THEN coalesce({_PAGE}, 'null') END",
    "category": f"CASE WHEN type IN ('page', 'screen') THEN {text_sql('category')} END",
    "country": text_sql("coalesce(nullif(location_country, ''), country)"),
    "click_id": text_sql("landing_click(query)"),
    "consent": "CASE WHEN consent_said IN ('true', 'false') THEN consent_said END",
}
_SAID_AT = "coalesce(nullif(originalTimestamp, ''), nullif(timestamp, ''))"
_CORRECTED = on_our_clock_sql(text_us_sql(_SAID_AT), text_us_sql("sentAt"), text_us_sql("receivedAt"))

SEGMENT = Source(
    name="segment",
    columns={
        "event_id": "messageId",
        "session_id": "coalesce(nullif(context_session, ''), property_session)",
        "visitor_id": "coalesce(nullif(anonymousId, ''), nullif(previousId, ''), userId)",
        "user_id": "userId",
        "name": "CASE type WHEN 'track' THEN kept_name(event) "
        "WHEN 'page' THEN coalesce(found_name(page_name), 'page_view') "
        "WHEN 'screen' THEN coalesce(found_name(page_name), 'screen_view') ELSE type END",
        # Both times mean that the difference of the clocks has been taken out; with the time of sending it can be.
        "occurred_at": f"CASE WHEN timestamp <> '' AND originalTimestamp <> '' THEN {text_us_sql('timestamp')} "
        f"WHEN {_SAID_AT} IS NULL THEN {text_us_sql('receivedAt')} "
        f"WHEN sentAt <> '' AND receivedAt <> '' THEN {_CORRECTED} ELSE {text_us_sql(_SAID_AT)} END",
        "received_at": "receivedAt",
        "channel": "coalesce(nullif(context_channel, ''), nullif(campaign_medium, ''), landing_medium(query), "
        "channel_name)",
        "device": "coalesce(device_of_type(coalesce(nullif(device_type, ''), nullif(device_named, ''))), "
        "device_of_agent(nullif(user_agent, '')), CASE agent_mobile WHEN 'true' THEN 'mobile' "
        "WHEN 'false' THEN 'desktop' END)",
        "source": "coalesce(nullif(context_source, ''), nullif(campaign_source, ''), landing_source(query))",
        "campaign": "coalesce(nullif(campaign_name, ''), landing_campaign(query))",
        "properties": object_sql(
            added_sql(_OVERRIDING, "[]"),
            members_sql("about"),
            members_sql("told", f"NOT list_contains({keys_sql('about')}, one.key)"),
            members_sql("properties", "NOT list_contains(taken, one.key)"),
            added_sql(_DEFAULTS, f"list_concat(taken, {keys_sql('properties')})"),
        ),
    },
    fields={
        "messageId": "$.messageId",
        "anonymousId": "$.anonymousId",
        "previousId": "$.previousId",
        "userId": "$.userId",
        "groupId": "$.groupId",
        "type": "$.type",
        "event": "$.event",
        "page_name": "$.name",
        "category": "$.category",
        "timestamp": "$.timestamp",
        "originalTimestamp": "$.originalTimestamp",
        "sentAt": "$.sentAt",
        "receivedAt": "$.receivedAt",
        "channel_name": "$.channel",
        "context_channel": "$.context.channel",
        "context_source": "$.context.source",
        "context_traits": "$.context.traits",
        "device_type": "$.context.device.type",
        "device_text": "$.context.device",
        "user_agent": "$.context.userAgent",
        "agent_mobile": "$.context.userAgentData.mobile",
        "location_country": "$.context.location.country",
        "country": "$.context.country",
        "page_search": "$.context.page.search",
        "page_url": "$.context.page.url",
        "campaign_source": "$.context.campaign.source",
        "campaign_medium": "$.context.campaign.medium",
        "campaign_name": "$.context.campaign.name",
        "consent_named": "$.context.consent.categoryPreferences.Analytics",
        "consent_plain": "$.context.consent.categoryPreferences.analytics",
        "context_session": "$.context.sessionId",
        "property_session": "$.properties.session_id",
        "property_search": "$.properties.search",
        "property_url": "$.properties.url",
        "path": "$.properties.path",
        "properties": "$.properties",
        "traits": "$.traits",
    },
    required=("type",),
    steps={
        "device_named": "CASE WHEN NOT starts_with(device_text, '{') THEN device_text END",
        "query": "coalesce(nullif(page_search, ''), nullif(page_url, ''), nullif(property_search, ''), property_url)",
        "consent_said": "coalesce(consent_named, consent_plain)",
        "about": "CASE WHEN type IN ('identify', 'group') THEN traits END",
        # RudderStack's clients say them in the context.
        "told": "CASE WHEN type = 'identify' THEN context_traits END",
        "taken": f"list_concat({keys_sql('about')}, {keys_sql('told')}, "
        "CASE type WHEN 'group' THEN ['group_id'] WHEN 'alias' THEN ['previous_id'] ELSE [] END)",
    },
    nested=True,
    endings={".gz": "json"},
    names_itself=True,
)
"""Segment's JSON Lines: track, page, screen, identify, alias and group calls."""

RUDDERSTACK = replace(SEGMENT, name="rudderstack")
"""RudderStack's JSON Lines, which are in Segment's format."""
