"""Google Analytics 4's export to BigQuery, as JSON Lines or Parquet.

https://support.google.com/analytics/answer/7029846 describes the columns.
"""

from features.source import Source
from features.sources.json_sql import added_sql, number_sql, object_sql, text_sql

_PARAMETERS = (
    '\'[{"key":"VARCHAR","value":{"string_value":"VARCHAR","int_value":"VARCHAR","float_value":"VARCHAR",'
    '"double_value":"VARCHAR"}}]\''
)
# One of the four holds the value; whole numbers are texts where BigQuery wrote JSON.
_MEMBERS = (
    "list_transform(parameters, lambda one: to_json(one.key) || ':' || coalesce(to_json(one.value.string_value), "
    "CAST(TRY_CAST(one.value.int_value AS BIGINT) AS VARCHAR), "
    "CAST(to_json(TRY_CAST(coalesce(one.value.double_value, one.value.float_value) AS DOUBLE)) AS VARCHAR), 'null'))"
)
_PAGE = "path_of(page), json_extract_string(said, '$.screen_name'), json_extract_string(said, '$.page_title')"
_ADDED = {
    "page": text_sql(f"CASE WHEN kept_name(event_name) IN ('page_view', 'screen_view') THEN coalesce({_PAGE}) END"),
    "transaction_id": text_sql("transaction_id"),
    "revenue": number_sql("purchase_revenue"),
    "tax": number_sql("tax_value"),
    "shipping": number_sql("shipping_value"),
    "quantity": number_sql("total_item_quantity"),
    "items": "CASE WHEN json_type(items) = 'ARRAY' AND json_array_length(items) > 0 THEN items END",
    "country": text_sql("country"),
    "click_id": text_sql("coalesce(nullif(gclid, ''), landing_click(page))"),
}
_NAMELESS = "('(direct)', '(none)', '(not set)', '(not provided)', '(data deleted)', '')"


def _said(*expressions: str) -> str:
    """Return the SQL for the first text that names something; Analytics has words for nothing."""
    return f"coalesce({', '.join(f'CASE WHEN {one} NOT IN {_NAMELESS} THEN {one} END' for one in expressions)})"


def _came_by(part: str, first: str) -> str:
    """Return the SQL for source, medium or campaign: of the event, its session, its page, or the first visit itself."""
    return _said(
        f"collected_{part}",
        f"session_{part}",
        f"json_extract_string(said, '$.{part}')",
        f"landing_{part}(page)",
        f"CASE WHEN event_name IN ('first_visit', 'first_open') THEN {first} END",
    )


GA4 = Source(
    name="ga4",
    columns={
        # Within a microsecond the order is that of page, request and place in it; without these, of the rows.
        "event_id": "printf('%s.%016d.%s.%s', coalesce(nullif(user_pseudo_id, ''), user_id, ''), "
        "coalesce(TRY_CAST(event_timestamp AS BIGINT), 0), "
        "CASE WHEN batch_event_index IS NULL THEN printf('r%015d', position) ELSE printf('%016d.%09d.%09d', "
        "coalesce(TRY_CAST(batch_page_id AS BIGINT), 0), "
        "coalesce(TRY_CAST(batch_ordering_id AS BIGINT), 0), coalesce(TRY_CAST(batch_event_index AS BIGINT), 0)) END, "
        "coalesce(event_name, ''))",
        "session_id": "user_pseudo_id || '.' || json_extract_string(said, '$.ga_session_id')",
        "visitor_id": "coalesce(nullif(user_pseudo_id, ''), user_id)",
        "user_id": "user_id",
        "name": "kept_name(event_name)",
        "occurred_at": "event_timestamp",
        "channel": _came_by("medium", "first_medium"),
        "device": "device_of_type(device_category)",
        "source": _came_by("source", "first_source"),
        "campaign": _came_by("campaign", "first_campaign"),
        "properties": object_sql(f"coalesce({_MEMBERS}, [])", added_sql(_ADDED, "json_keys(said)")),
    },
    fields={
        "event_name": "$.event_name",
        "event_timestamp": "$.event_timestamp",
        "event_params": "$.event_params",
        "batch_page_id": "$.batch_page_id",
        "batch_ordering_id": "$.batch_ordering_id",
        "batch_event_index": "$.batch_event_index",
        "user_pseudo_id": "$.user_pseudo_id",
        "user_id": "$.user_id",
        "device_category": "$.device.category",
        "country": "$.geo.country",
        "collected_source": "$.collected_traffic_source.manual_source",
        "collected_medium": "$.collected_traffic_source.manual_medium",
        "collected_campaign": "$.collected_traffic_source.manual_campaign_name",
        "gclid": "$.collected_traffic_source.gclid",
        "session_source": "$.session_traffic_source_last_click.manual_campaign.source",
        "session_medium": "$.session_traffic_source_last_click.manual_campaign.medium",
        "session_campaign": "$.session_traffic_source_last_click.manual_campaign.campaign_name",
        "first_source": "$.traffic_source.source",
        "first_medium": "$.traffic_source.medium",
        "first_campaign": "$.traffic_source.name",
        "transaction_id": "$.ecommerce.transaction_id",
        "purchase_revenue": "$.ecommerce.purchase_revenue",
        "tax_value": "$.ecommerce.tax_value",
        "shipping_value": "$.ecommerce.shipping_value",
        "total_item_quantity": "$.ecommerce.total_item_quantity",
        "items": "$.items",
    },
    required=("event_name", "event_timestamp"),
    steps={
        "parameters": "TRY(from_json(CASE WHEN json_type(event_params) = 'ARRAY' THEN event_params END, "
        f"{_PARAMETERS}))",
        "said": f"'{{' || coalesce(array_to_string({_MEMBERS}, ','), '') || '}}'",
        "page": "json_extract_string(said, '$.page_location')",
    },
    nested=True,
    endings={".gz": "json"},
    names_itself=True,
)
"""Google Analytics 4's export to BigQuery. A session's id is unique within a visitor, so that both name it."""
