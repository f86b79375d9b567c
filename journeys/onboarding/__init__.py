"""The trial of a service for teams: from the sign-up page to the first paid month.

A session is one trial and lasts days: people come back to it in sittings, and colleagues join. A week without a sign of
life is an abandonment, and so is deleting the account.
"""

from features.scan import on
from features.table import Stage
from journeys.journey import Ends, Journey, PolicySettings
from journeys.onboarding.events import EDITS, ELEMENTS, EVENTS, PROPERTIES
from journeys.onboarding.features import DAY, FEATURES, HOUR
from journeys.onboarding.interventions import INTERVENTIONS

STAGES = (
    Stage("sign_up", on("view_sign_up", "edit_field"), "wants an account", "Growth"),
    Stage("set_up", on("create_account", "create_project", "import_data"), "sets up a first project", "Onboarding"),
    Stage("invite", on("send_invite", "accept_invite"), "brings colleagues in", "Onboarding"),
    Stage("integrate", on("open_integrations", "connect_tool", "create_api_key"), "connects tools", "Integrations"),
    Stage("activate", on("run_workflow", "share_report"), "uses it for real work", "Product"),
    Stage("pay", on("open_billing", "view_quote", "choose_method", "submit_payment"), "decides on paying", "Billing"),
)

JOURNEY = Journey(
    name="onboarding",
    title="Trial of a service for teams",
    description="From the sign-up page over set-up, colleagues and connected tools to the first paid month.",
    events=EVENTS,
    properties=PROPERTIES,
    stages=STAGES,
    ends=Ends(goal=("subscribe",), abandoned=("delete_account",)),
    features=FEATURES,
    interventions=INTERVENTIONS,
    policy=PolicySettings(
        goal_value=480.0,
        low_risk=0.6,
        exploration=0.04,
        holdout=0.05,
        annoyance=0.5,
        session_cap=3,
        messages_while_open=True,
    ),
    session_timeout_seconds=7 * DAY,
    idle_ticks_seconds=(4 * HOUR, 1 * DAY, 3 * DAY),
    leaving_soon_within="1d",
    timezone="Europe/Berlin",
    owner="Growth",
    revenue="revenue",
    cohorts=("country",),
    stewards={"in_app": "Product analytics", "email": "CRM", "ads": "Growth", "call": "Customer success"},
    elements=ELEMENTS,
    edits=EDITS,
    consents={"email": "email_consent"},
)
