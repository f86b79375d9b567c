"""PostHog's exports of events, as JSON Lines, Parquet or CSV.

https://posthog.com/docs/data-pipelines/batch-exports/s3 and https://posthog.com/docs/data describe the columns.
"""

from features.source import Source
from features.sources.json_sql import added_sql, keys_sql, members_sql, object_sql, text_sql

_WANTED = {
    "own_session": "$session_id",
    "own_device": "$device_id",
    "own_user": "$user_id",
    "identified": "$is_identified",
    "anonymous": "$anon_distinct_id",
    "library": "$lib",
    "device_type": "$device_type",
    "agent": "$raw_user_agent",
    "page": "$current_url",
    "path": "$pathname",
    "screen": "$screen_name",
    "referring": "$referring_domain",
    "country": "$geoip_country_code",
    "utm_source": "utm_source",
    "utm_medium": "utm_medium",
    "utm_campaign": "utm_campaign",
    "gclid": "gclid",
    "fbclid": "fbclid",
    "msclkid": "msclkid",
    "alias": "alias",
    "given": "$set",
}
_PATHS = ", ".join(f"'$.\"{name}\"'" for name in _WANTED.values())
_NAMES = {
    "$pageview": "page_view",
    "$screen": "screen_view",
    "$pageleave": "page_leave",
    "$identify": "identify",
    "$create_alias": "alias",
    "$groupidentify": "group",
}
_WHEN = " ".join(f"WHEN '{sent}' THEN '{kept}'" for sent, kept in _NAMES.items())
_ADDED = {
    "page": text_sql("CASE WHEN event IN ('$pageview', '$screen') THEN coalesce(screen, path) END"),
    "url": text_sql("page"),
    "country": text_sql("country"),
    "click_id": text_sql("coalesce(gclid, msclkid, fbclid, landing_click(page))"),
    "previous_id": text_sql("CASE WHEN event IN ('$identify', '$create_alias') THEN coalesce(anonymous, alias) END"),
    "person_id": text_sql("person_id"),
}
# PostHog's own properties begin with $; the rest, and what $set says about the person, are the customer's.
_CUSTOMERS = "NOT starts_with(one.key, '$')"
_TRAITS = "CASE WHEN event = '$identify' THEN given END"

POSTHOG = Source(
    name="posthog",
    columns={
        "event_id": "uuid",
        "session_id": "own_session",
        "visitor_id": "coalesce(nullif(own_device, ''), nullif(anonymous, ''), distinct_id)",
        "user_id": "coalesce(nullif(own_user, ''), CASE WHEN event = '$identify' OR identified = 'true' "
        # A server has no anonymous visitors: who is named there is a user.
        "OR (own_device IS NULL AND library IS NOT NULL AND library NOT IN ('web', 'js', 'posthog-js')) "
        "THEN distinct_id END)",
        "name": f"CASE event {_WHEN} ELSE kept_name(event) END",
        "occurred_at": "timestamp",
        "received_at": "coalesce(nullif(created_at, ''), nullif(ingested_at, ''), _inserted_at)",
        "channel": "coalesce(nullif(utm_medium, ''), landing_medium(page))",
        "device": "coalesce(device_of_type(nullif(device_type, '')), device_of_agent(nullif(agent, '')))",
        "source": "coalesce(nullif(utm_source, ''), landing_source(page), "
        "CASE WHEN referring NOT IN ('$direct', '') THEN referring END)",
        "campaign": "coalesce(nullif(utm_campaign, ''), landing_campaign(page))",
        "properties": object_sql(
            members_sql(_TRAITS),
            members_sql("properties", f"{_CUSTOMERS} AND NOT list_contains({keys_sql(_TRAITS)}, one.key)"),
            added_sql(_ADDED, f"list_concat({keys_sql(_TRAITS)}, {keys_sql('properties')})"),
        ),
    },
    fields={
        name: f"$.{name}"
        for name in (
            "uuid",
            "event",
            "distinct_id",
            "properties",
            "person_id",
            "timestamp",
            "created_at",
            "ingested_at",
            "_inserted_at",
        )
    },
    required=("event", "distinct_id", "timestamp"),
    steps={
        "texts": f"json_extract_string(CASE WHEN json_valid(properties) THEN properties END, [{_PATHS}])",
        **{name: f"texts[{place}]" for place, name in enumerate(_WANTED, start=1)},
    },
    nested=True,
    endings={".gz": "json"},
    names_itself=True,
)
"""PostHog's events: the device is the visitor, and who was identified on it is the user."""
