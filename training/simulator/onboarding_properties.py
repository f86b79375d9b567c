"""What the events of a simulated trial carry."""

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtri

from features.events import FloatArray
from training.simulator.properties import Column, Drawn, Property, by_mark, choice, shown_properties

SEAT_PRICES = (9.0, 19.0, 39.0)
PLANS = ("small", "team", "company")
FIELDS = ("name", "work_email", "company", "team_size", "phone")
TOOLS = ("calendar", "chat", "crm", "storage", "tickets", "accounting")
TOPICS = ("import", "permissions", "workflows", "connections", "reports")


def _seats(drawn: Drawn) -> Column:
    """Whoever tries it has a seat too."""
    return drawn.items.astype(np.int64) + 1


def _seat_price(drawn: Drawn) -> Column:
    price = drawn.price.astype(np.float64)
    return np.where(drawn.product >= 0, price, np.nan)


def _monthly_price(drawn: Drawn) -> Column:
    monthly: FloatArray = np.where(drawn.product >= 0, drawn.price * (drawn.items + 1.0), np.nan)
    return monthly


def _load_seconds(drawn: Drawn) -> Column:
    noise = ndtri(np.clip(drawn.noise.astype(np.float64), 1e-6, 1 - 1e-6))
    seconds: FloatArray = np.round(np.array([1.1, 2.1, 1.6])[drawn.device] * np.exp(0.5 * noise), 2)
    return seconds


def _rows(drawn: Drawn) -> Column:
    return (20 + 5_000 * drawn.noise**3).astype(np.int64)


def _refused_share(drawn: Drawn) -> Column:
    share: FloatArray = np.round(np.array([0.0, 0.02, 0.2])[drawn.mark] * (1.0 + drawn.noise), 3)
    return share


def _results(drawn: Drawn) -> Column:
    return np.where(drawn.mark == 0, 0, 1 + (20 * drawn.noise).astype(np.int64))


def _records(drawn: Drawn) -> Column:
    return (1 + 900 * drawn.noise**2).astype(np.int64)


def onboarding_properties(remedies: tuple[str, ...]) -> Mapping[str, Mapping[str, Property]]:
    """Return the properties of each event."""
    seats: dict[str, Property] = {"seats": _seats}
    campaign: dict[str, Property] = {"campaign_id": lambda drawn: drawn.campaign}
    return {
        "edit_field": {"field": choice(*FIELDS)},
        "form_error": {"field": choice(*FIELDS)},
        "use_template": {"template": choice("sales", "support", "projects", "hiring")},
        "import_data": {"rows": _rows, "refused_share": _refused_share},
        "import_failed": {"code": choice("columns", "encoding", "size")},
        "change_settings": {"setting": choice("language", "notifications", "fields", "currency")},
        "open_app": {"load_seconds": _load_seconds},
        "read_docs": {"topic": choice(*TOPICS)},
        "search_docs": {"results": _results},
        "open_help": {"topic": choice(*TOPICS)},
        "send_invite": {**seats, "role": choice("member", "member", "admin", "guest")},
        "accept_invite": seats,
        "remove_seat": seats,
        "open_integrations": {"supported_tools": by_mark(5, 3, 1)},
        "connect_tool": {"tool": choice(*TOOLS)},
        "connection_failed": {"tool": choice(*TOOLS), "code": choice("permission", "version", "timeout")},
        "receive_data": {"records": _records},
        "api_error": {"status": choice("401", "429", "500")},
        "use_feature": {"feature": choice("filters", "automation", "comments", "calendar_view", "forms")},
        "reach_limit": {"limit": choice("projects", "rows", "seats")},
        "view_pricing": {
            "plan": choice(*PLANS),
            "seat_price": _seat_price,
            "monthly_price": _monthly_price,
            "add_ons": by_mark(0.0, 15.0, 45.0, 120.0),
        },
        "view_security": {"open_questions": by_mark(0, 2, 6)},
        "view_quote": {**seats, "seat_price": _seat_price, "monthly_price": _monthly_price},
        "try_coupon": {"accepted": lambda drawn: drawn.mark},
        "choose_method": {"method": choice("card", "card", "invoice", "debit")},
        "submit_payment": {"monthly_price": _monthly_price},
        "payment_failed": {"code": choice("declined", "expired", "limit")},
        "subscribe": {**seats, "revenue": _monthly_price},
        "page_error": {"status": choice("500", "503", "404")},
        "rage_click": {"element": choice("button", "list", "menu")},
        "dead_click": {"element": choice("button", "list", "text")},
        "email_open": campaign,
        "email_click": campaign,
        "ad_click": campaign,
        **shown_properties(remedies),
    }
