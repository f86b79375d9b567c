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
    Column("visitor_id", Text, doc="where who sent it knew it; others are found by user or click"),
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

clicks = Table(
    "clicks",
    metadata,
    Column("journey", Text, primary_key=True),
    Column("click_id", Text, primary_key=True, doc="the id that a campaign put into the link"),
    Column("visitor_id", Text, nullable=False, doc="who first came by that link"),
    Column("at_us", BigInteger, nullable=False),
    Index(None, "journey", "visitor_id"),
)
