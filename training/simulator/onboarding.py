"""A simulated service for teams: the world behind the journey ``onboarding``, in which a session is a trial of days."""

from features.friction import Friction
from journeys.onboarding.features import INTEGRATION, SECURITY
from training.simulator.onboarding_properties import SEAT_PRICES, onboarding_properties
from training.simulator.world import Basket, Calendar, Kind, Obstacle, Outreach, Place, Remedy, Trait, World

HOUR, DAY = 3_600.0, 86_400.0

PLACES = (
    Place(
        "sign_up",
        entry=("view_sign_up",),
        leave=-2.05,
        advance=-0.9,
        events={
            "edit_field": 2.4, "form_error": 0.45, "resend_email": 0.2, "view_tour": 0.8, "read_story": 0.5,
            "view_pricing": 0.5, "view_security": 0.15, "view_privacy_terms": 0.15, "open_help": 0.08,
            "page_error": 0.05, "dead_click": 0.08,
        },
        gap_seconds=25,
        away=0.12,
        away_seconds=9 * HOUR,
    ),
    Place(
        "set_up",
        entry=("create_account",),
        leave=-2.5,
        advance=-2.2,
        events={
            "create_project": 1.5, "use_template": 0.9, "import_data": 1.2, "import_failed": 0.3,
            "change_settings": 1.2, "skip_step": 0.6, "open_app": 1.5, "read_docs": 0.7, "search_docs": 0.35,
            "view_tour": 0.3, "open_help": 0.15, "open_chat": 0.08, "view_security": 0.2, "view_privacy_terms": 0.1,
            "email_open": 0.5, "email_click": 0.2, "join_webinar": 0.15, "mute_mails": 0.12, "page_error": 0.06,
            "rage_click": 0.05, "dead_click": 0.1,
        },
        gap_seconds=70,
        away=0.32,
        away_seconds=15 * HOUR,
    ),
    Place(
        "invite",
        entry=("send_invite",),
        leave=-2.45,
        advance=-1.6,
        back=0.12,
        back_event="change_settings",
        events={
            "send_invite": 1.2, "accept_invite": 1.6, "remove_seat": 0.25, "set_permissions": 0.5, "open_app": 1.2,
            "create_project": 0.5, "read_docs": 0.3, "search_docs": 0.15, "open_help": 0.1, "open_chat": 0.08,
            "view_pricing": 0.35, "view_security": 0.2, "email_open": 0.4, "email_click": 0.15, "mute_mails": 0.12,
            "page_error": 0.05,
        },
        gap_seconds=80,
        away=0.36,
        away_seconds=16 * HOUR,
    ),
    Place(
        "integrate",
        entry=("open_integrations",),
        leave=-2.3,
        advance=-1.5,
        back=0.1,
        back_event="send_invite",
        events={
            "connect_tool": 2.0, "connection_failed": 0.5, "create_api_key": 0.5, "receive_data": 1.2,
            "api_error": 0.25, "read_docs": 0.7, "search_docs": 0.35, "open_help": 0.14, "open_chat": 0.1,
            "view_security": 0.2, "set_permissions": 0.35, "view_contract": 0.08, "open_app": 0.8, "email_open": 0.3,
            "mute_mails": 0.12, "rage_click": 0.1, "dead_click": 0.1,
        },
        gap_seconds=90,
        away=0.3,
        away_seconds=15 * HOUR,
    ),
    Place(
        "activate",
        entry=("run_workflow",),
        leave=-2.2,
        advance=-1.6,
        back=0.1,
        back_event="open_integrations",
        events={
            "run_workflow": 1.8, "use_feature": 1.5, "create_report": 1.1, "share_report": 0.7, "export_data": 0.4,
            "reach_limit": 0.4, "open_app": 1.2, "view_pricing": 0.55, "compare_plans": 0.35, "read_docs": 0.4,
            "search_docs": 0.2, "open_help": 0.1, "open_chat": 0.07, "view_security": 0.14, "view_contract": 0.15,
            "email_open": 0.3, "mute_mails": 0.12, "page_error": 0.06, "api_error": 0.12,
        },
        gap_seconds=100,
        away=0.38,
        away_seconds=17 * HOUR,
    ),
    Place(
        "pay",
        entry=("open_billing", "view_quote"),
        leave=-1.3,
        advance=-1.0,
        events={
            "choose_method": 1.4, "compare_plans": 0.6, "view_pricing": 0.6, "try_coupon": 0.3, "remove_seat": 0.3,
            "edit_field": 1.0, "form_error": 0.25, "view_contract": 0.35, "view_security": 0.2,
            "view_privacy_terms": 0.15, "open_chat": 0.1, "export_data": 0.15, "email_open": 0.2, "mute_mails": 0.12,
        },
        gap_seconds=40,
        away=0.24,
        away_seconds=20 * HOUR,
    ),
)  # fmt: skip

OBSTACLES = (
    Obstacle(
        INTEGRATION,
        share=0.17,
        exits={"integrate": 0.24, "activate": 0.08},
        drags={"integrate": 0.8},
        traces={
            "connection_failed": 3.2, "api_error": 3.2, "connect_tool": 1.5, "create_api_key": 1.6,
            "import_failed": 2.5, "rage_click": 2.0,
        },
        marks={"open_integrations": (0.08, 0.3, 0.62), "import_data": (0.3, 0.4, 0.3)},
    ),
    Obstacle(
        Friction.PRICE,
        share=0.17,
        exits={"invite": 0.05, "activate": 0.12, "pay": 0.25},
        drags={"activate": 0.4, "pay": 0.5},
        traces={
            "view_pricing": 4.5, "compare_plans": 3.5, "try_coupon": 2.5, "remove_seat": 2.5, "reach_limit": 1.5,
        },
        marks={"view_pricing": (0.06, 0.12, 0.32, 0.5)},
    ),
    Obstacle(
        SECURITY,
        share=0.17,
        exits={"set_up": 0.03, "invite": 0.07, "integrate": 0.1, "pay": 0.12},
        drags={"invite": 0.4, "integrate": 0.4},
        traces={"view_security": 6.5, "view_privacy_terms": 4.0, "set_permissions": 2.2, "view_contract": 1.8},
        marks={"view_security": (0.15, 0.35, 0.5)},
    ),
    Obstacle(
        Friction.INFORMATION,
        share=0.17,
        exits={"sign_up": 0.04, "set_up": 0.15, "invite": 0.06, "activate": 0.09},
        drags={"set_up": 0.5},
        traces={"open_help": 6.0, "open_chat": 6.0, "search_docs": 3.2, "read_docs": 2.2, "view_tour": 1.8},
        marks={"search_docs": (0.5, 0.5)},
    ),
)  # fmt: skip

CURIOUS = dict.fromkeys(
    (
        "view_pricing", "compare_plans", "view_security", "view_privacy_terms", "view_contract", "read_docs",
        "search_docs", "open_help", "view_tour", "read_story", "create_api_key", "connect_tool",
    ),
    1.9,
)  # fmt: skip

KINDS = (
    Kind("usual", share=0.68, habits={}, spread=1.1),
    # Evaluators leave every trace without being stopped by anything.
    Kind("evaluator", share=0.22, habits=CURIOUS, leave=-0.25, advance=-0.15, pace=0.2, spread=1.1),
    # Large teams check security and permissions, and take their time, as a matter of course.
    Kind(
        "large_team",
        share=0.1,
        habits={"view_security": 3.0, "set_permissions": 2.5, "view_contract": 3.0, "send_invite": 2.0},
        leave=-0.3,
        advance=-0.1,
        pace=0.5,
        spread=1.1,
    ),
)

DEVICES = (
    Trait("desktop", 0.7, advance=0.22, leave=-0.15),
    Trait("mobile", 0.23, advance=-0.6, leave=0.45, blockers={INTEGRATION: 1.4}),
    Trait("tablet", 0.07),
)

SOURCES = (
    Trait("direct", 0.24, advance=0.4, leave=-0.33),
    Trait("search", 0.3),
    Trait("referral", 0.12, advance=0.65, leave=-0.55),
    Trait("content", 0.12, advance=-0.55, leave=0.38, blockers={Friction.INFORMATION: 1.4}),
    Trait("ads", 0.16, advance=-0.75, leave=0.55, blockers={Friction.PRICE: 1.5}),
    Trait("partner", 0.06, advance=0.1, blockers={SECURITY: 1.4}),
)

REMEDIES = (
    Remedy("integration_engineer", ("set_up", "integrate", "pay"), {INTEGRATION: 0.7}, leave=0.1),
    Remedy("right_sized_plan", ("integrate", "pay"), {Friction.PRICE: 0.7}, leave=0.1),
    Remedy("security_pack", ("set_up", "integrate", "pay"), {SECURITY: 0.65}, leave=0.1),
    Remedy("onboarding_call", ("set_up", "integrate"), {Friction.INFORMATION: 0.65}, leave=0.08),
    Remedy("trial_extension", ("integrate", "pay"), {INTEGRATION: 0.2}, advance=0.25),
)

OUTREACH = (
    Outreach("email", "email_open", "email", reach=0.25, hours=48, strays=0.5),
    Outreach("ads", "ad_view", "ads", reach=0.3, hours=72, aim=0.8, strays=0.5),
    Outreach("call", "call_answered", "sales", reach=0.08, hours=24, pull=1.0, strays=0.05),
)

ONBOARDING = World(
    journey="onboarding",
    places=PLACES,
    goal_events=("submit_payment", "subscribe", "payment_failed"),
    failure=0.06,
    obstacles=OBSTACLES,
    kinds=KINDS,
    devices=DEVICES,
    sources=SOURCES,
    visits=(Trait("first", 1.0), Trait("later", 1.0, advance=0.35, leave=-0.2)),
    countries=(("DE", 0.5), ("AT", 0.12), ("CH", 0.13), ("NL", 0.15), ("FR", 0.1)),
    touchpoints={"ads": ("ad_click",), "referral": ("email_open", "email_click")},
    calendar=Calendar(
        days=91.0,
        hours=(1, 1, 1, 1, 1, 2, 5, 10, 14, 15, 14, 11, 11, 14, 14, 12, 9, 6, 4, 4, 4, 3, 2, 1),
        returns=0.25,
        least_absence_seconds=45 * DAY,
        absence_seconds=10 * DAY,
    ),
    basket=Basket("view_pricing", "send_invite", "remove_seat", SEAT_PRICES),
    sign_in="create_account",
    channel="in_app",
    channels={"email_open": "email", "email_click": "email", "ad_click": "ads", "view_sign_up": "web"},
    remedies=REMEDIES,
    outreach=OUTREACH,
    properties=onboarding_properties(tuple(remedy.name for remedy in REMEDIES)),
    upsetting={
        "mute_mails": 2, "payment_failed": 2, "form_error": 1, "import_failed": 1, "connection_failed": 1,
        "api_error": 1, "page_error": 1, "rage_click": 1,
    },
    upset=(0.0, 0.5, 1.1),
    marks={
        "view_pricing": (0.35, 0.3, 0.23, 0.12),
        "view_security": (0.45, 0.37, 0.18),
        "open_integrations": (0.35, 0.42, 0.23),
        "import_data": (0.6, 0.3, 0.1),
        "search_docs": (0.2, 0.8),
        "try_coupon": (0.6, 0.4),
    },
    intent_leave=-0.62,
    intent_advance=0.8,
    policy_change={"set_up": 0.55},
    policy_traces={"skip_step": 3.0},
    decide_at={"set_up": 0.12, "integrate": 0.25, "pay": 0.25},
    longest_pause_seconds=6.5 * DAY,
)  # fmt: skip
"""From a middle day of the log on, setting up takes more steps: more people skip some, and more leave there."""
