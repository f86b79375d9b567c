"""Snowplow's enriched events, as tab-separated text without a header.

https://docs.snowplow.io/docs/pipeline/enriched-tsv-format names the columns in their order, and
https://docs.snowplow.io/docs/fundamentals/canonical-event says what they mean.
"""

from features.source import Source
from features.sources.json_sql import added_sql, keys_sql, members_sql, number_sql, object_sql, text_sql
from features.sources.times_sql import on_our_clock_sql, text_us_sql

_ORDER = """
app_id platform etl_tstamp collector_tstamp dvce_created_tstamp event event_id txn_id name_tracker v_tracker
v_collector v_etl user_id user_ipaddress user_fingerprint domain_userid domain_sessionidx network_userid geo_country
geo_region geo_city geo_zipcode geo_latitude geo_longitude geo_region_name ip_isp ip_organization ip_domain
ip_netspeed page_url page_title page_referrer page_urlscheme page_urlhost page_urlport page_urlpath page_urlquery
page_urlfragment refr_urlscheme refr_urlhost refr_urlport refr_urlpath refr_urlquery refr_urlfragment refr_medium
refr_source refr_term mkt_medium mkt_source mkt_term mkt_content mkt_campaign contexts se_category se_action se_label
se_property se_value unstruct_event tr_orderid tr_affiliation tr_total tr_tax tr_shipping tr_city tr_state tr_country
ti_orderid ti_sku ti_name ti_category ti_price ti_quantity pp_xoffset_min pp_xoffset_max pp_yoffset_min pp_yoffset_max
useragent br_name br_family br_version br_type br_renderengine br_lang br_features_pdf br_features_flash
br_features_java br_features_director br_features_quicktime br_features_realplayer br_features_windowsmedia
br_features_gears br_features_silverlight br_cookies br_colordepth br_viewwidth br_viewheight os_name os_family
os_manufacturer os_timezone dvce_type dvce_ismobile dvce_screenwidth dvce_screenheight doc_charset doc_width
doc_height tr_currency tr_total_base tr_tax_base tr_shipping_base ti_currency ti_price_base base_currency geo_timezone
mkt_clickid mkt_network etl_tags dvce_sent_tstamp refr_domain_userid refr_dvce_tstamp derived_contexts
domain_sessionid derived_tstamp event_vendor event_name event_format event_version event_fingerprint true_tstamp
"""
COLUMNS = tuple(_ORDER.split())
"""The 131 columns in their order."""

_ENTITIES = (
    "TRY(from_json(json_extract(CASE WHEN json_valid(contexts) THEN contexts END, '$.data'), "
    '\'[{"schema":"VARCHAR","data":"JSON"}]\'))'
)
# An entity's or event's schema is iglu:VENDOR/NAME/FORMAT/VERSION.
_NAME = "nullif(regexp_extract({schema}, '^iglu:[^/]+/([^/]+)/', 1), '')"
_SCHEMA = "json_extract_string(sent, '$.schema')"
_CORRECTED = on_our_clock_sql(
    text_us_sql("dvce_created_tstamp"), text_us_sql("dvce_sent_tstamp"), text_us_sql("collector_tstamp")
)
_CONTEXTS = (
    "CASE WHEN length(entities) > 0 THEN CAST(to_json(list_transform(entities, lambda one: {'name': "
    f"{_NAME.format(schema='one.schema')}, 'data': one.data}})) AS VARCHAR) END"
)
_ADDED = {
    "page": text_sql("page_urlpath"),
    "url": text_sql("page_url"),
    "title": text_sql("page_title"),
    "referrer": text_sql("page_referrer"),
    "country": text_sql("geo_country"),
    "click_id": text_sql("coalesce(nullif(mkt_clickid, ''), landing_click(page_url))"),
    "category": text_sql("coalesce(nullif(se_category, ''), ti_category)"),
    "label": text_sql("se_label"),
    "property": text_sql("se_property"),
    "value": number_sql("se_value"),
    "currency": text_sql("coalesce(nullif(tr_currency, ''), ti_currency)"),
    "transaction_id": text_sql("coalesce(nullif(tr_orderid, ''), ti_orderid)"),
    "revenue": number_sql("tr_total"),
    "tax": number_sql("tr_tax"),
    "shipping": number_sql("tr_shipping"),
    "product": text_sql("ti_sku"),
    "price": number_sql("ti_price"),
    "quantity": number_sql("ti_quantity"),
    "contexts": _CONTEXTS,
}

SNOWPLOW = Source(
    name="snowplow",
    columns={
        "event_id": "event_id",
        "session_id": "coalesce(nullif(domain_sessionid, ''), json_extract_string(client, '$.sessionId'))",
        "visitor_id": "coalesce(nullif(domain_userid, ''), json_extract_string(client, '$.userId'), "
        "nullif(network_userid, ''), user_id)",
        "user_id": "user_id",
        "name": "CASE event WHEN 'struct' THEN kept_name(se_action) WHEN 'unstruct' THEN "
        f"kept_name(coalesce(nullif(event_name, ''), {_NAME.format(schema=_SCHEMA)})) "
        "ELSE kept_name(event) END",
        # Derived is the device's time with the difference of the clocks taken out; a tracker may know the true one.
        "occurred_at": f"coalesce({text_us_sql('true_tstamp')}, {text_us_sql('derived_tstamp')}, {_CORRECTED}, "
        f"{text_us_sql('dvce_created_tstamp')}, {text_us_sql('collector_tstamp')})",
        "received_at": "collector_tstamp",
        "channel": "coalesce(nullif(mkt_medium, ''), landing_medium(page_url), "
        "CASE WHEN refr_medium NOT IN ('', 'unknown', 'internal') THEN refr_medium END)",
        "device": "CASE lower(dvce_type) WHEN 'computer' THEN 'desktop' WHEN 'mobile' THEN 'mobile' "
        "WHEN 'tablet' THEN 'tablet' ELSE coalesce(CASE WHEN lower(br_type) LIKE '%mobile%' OR dvce_ismobile = '1' "
        "OR platform = 'mob' THEN 'mobile' END, device_of_agent(nullif(useragent, ''))) END",
        "source": "coalesce(nullif(mkt_source, ''), landing_source(page_url), nullif(refr_source, ''))",
        "campaign": "coalesce(nullif(mkt_campaign, ''), landing_campaign(page_url))",
        "properties": object_sql(members_sql("own"), added_sql(_ADDED, keys_sql("own"))),
    },
    fields={
        name: f"$.{name}"
        for name in (
            "event_id",
            "event",
            "event_name",
            "platform",
            "collector_tstamp",
            "dvce_created_tstamp",
            "dvce_sent_tstamp",
            "derived_tstamp",
            "true_tstamp",
            "user_id",
            "domain_userid",
            "domain_sessionid",
            "network_userid",
            "geo_country",
            "page_url",
            "page_urlpath",
            "page_title",
            "page_referrer",
            "refr_medium",
            "refr_source",
            "mkt_medium",
            "mkt_source",
            "mkt_campaign",
            "mkt_clickid",
            "contexts",
            "unstruct_event",
            "se_category",
            "se_action",
            "se_label",
            "se_property",
            "se_value",
            "tr_orderid",
            "tr_total",
            "tr_tax",
            "tr_shipping",
            "tr_currency",
            "ti_currency",
            "ti_category",
            "ti_orderid",
            "ti_sku",
            "ti_price",
            "ti_quantity",
            "useragent",
            "br_type",
            "dvce_type",
            "dvce_ismobile",
        )
    },
    required=("event", "event_id", "collector_tstamp"),
    steps={
        "sent": "json_extract(CASE WHEN json_valid(unstruct_event) THEN unstruct_event END, '$.data')",
        "own": "json_extract(sent, '$.data')",
        "entities": _ENTITIES,
        "client": "list_filter(entities, lambda one: contains(one.schema, '/client_session/'))[1].data",
    },
    nested=True,
    header=COLUMNS,
    endings={".tsv": "tsv", ".tsv.gz": "tsv", ".txt": "tsv", ".txt.gz": "tsv", ".gz": "tsv"},
    names_itself=True,
)
"""Snowplow's enriched events; entities without a column of their own are in the property ``contexts``."""
