"""The table of what happens to people outside their sessions: e-mails, ads, calls, chats, deals and tickets."""

from sqlalchemy import BigInteger, Column, Index, Table, Text

from storage.tables import metadata

touchpoints = Table(
    "touchpoints",
    metadata,
    Column("journey", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("name", Text, nullable=False, doc="email_open, ad_click, deal, ticket, ..."),
    Column("occurred_at_us", BigInteger, nullable=False),
    Column("received_at_us", BigInteger, nullable=False),
    Column("visitor_id", Text, doc="found by user or click id; null until it is"),
    Column("user_id", Text),
    Column("click_id", Text, doc="the id that a campaign put into the link"),
    Column("channel", Text),
    Column("source", Text),
    Column("campaign", Text),
    Column("properties", Text, nullable=False, doc="a JSON object"),
    Index(None, "journey", "visitor_id"),
    Index(None, "journey", "user_id"),
    Index(None, "journey", "click_id"),
)
