"""Calls in Segment's format."""

from dataclasses import replace

from features.source import Source

_SEGMENT_FIELDS = {
    "messageId": "$.messageId",
    "anonymousId": "$.anonymousId",
    "previousId": "$.previousId",
    "userId": "$.userId",
    "type": "$.type",
    "event": "$.event",
    "timestamp": "$.timestamp",
    "originalTimestamp": "$.originalTimestamp",
    "receivedAt": "$.receivedAt",
    "channel_name": "$.channel",
    "context_channel": "$.context.channel",
    "context_source": "$.context.source",
    "device_type": "$.context.device.type",
    "campaign_source": "$.context.campaign.source",
    "campaign_name": "$.context.campaign.name",
    "context_session": "$.context.sessionId",
    "property_session": "$.properties.session_id",
    "properties": "$.properties",
}
SEGMENT = Source(
    name="segment",
    columns={
        "event_id": "messageId",
        "session_id": "coalesce(nullif(context_session, ''), property_session)",
        "visitor_id": "coalesce(nullif(anonymousId, ''), nullif(previousId, ''), userId)",
        "user_id": "userId",
        "name": "CASE type WHEN 'track' THEN event WHEN 'page' THEN 'page_view' WHEN 'screen' THEN 'screen_view' "
        "ELSE type END",
        "occurred_at": "coalesce(nullif(timestamp, ''), originalTimestamp)",
        "received_at": "receivedAt",
        "channel": "coalesce(nullif(context_channel, ''), channel_name)",
        "device": "CASE lower(device_type) WHEN 'ios' THEN 'mobile' WHEN 'android' THEN 'mobile' "
        "WHEN 'phone' THEN 'mobile' WHEN 'web' THEN 'desktop' ELSE lower(device_type) END",
        "source": "coalesce(nullif(context_source, ''), campaign_source)",
        "campaign": "campaign_name",
        "properties": "properties",
    },
    fields=_SEGMENT_FIELDS,
    required=("type",),
    nested=True,
    endings={".gz": "json"},
)
"""Segment's JSON Lines: track, page, screen, identify, alias and group calls, also as its S3 destination dumps them."""

RUDDERSTACK = replace(SEGMENT, name="rudderstack")
"""RudderStack's JSON Lines, which are Segment's."""
