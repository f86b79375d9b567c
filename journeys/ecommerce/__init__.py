"""An online shop: from the first page to the order."""

from features.scan import on
from features.table import Stage
from journeys.ecommerce.events import EDITS, ELEMENTS, EVENTS, PROPERTIES
from journeys.ecommerce.features import FEATURES
from journeys.ecommerce.interventions import INTERVENTIONS
from journeys.ecommerce.names import ALIASES, PROPERTY_ALIASES
from journeys.journey import Ends, Journey, PolicySettings

STAGES = (
    Stage("browse", on("page_view", "view_category", "search"), "looking around", "Category management"),
    Stage("product", on("view_product"), "looking at a product", "Category management"),
    Stage("cart", on("add_to_cart", "view_cart"), "has a basket", "Shop experience"),
    Stage("checkout", on("begin_checkout"), "started the checkout", "Checkout"),
    Stage("address", on("edit_field", "submit_address"), "says where to deliver", "Checkout"),
    Stage("payment", on("view_payment", "choose_payment_method", "submit_payment"), "pays", "Payments"),
)

JOURNEY = Journey(
    name="ecommerce",
    title="Online shop",
    description="From the first page of a visit to the order.",
    events=EVENTS,
    properties=PROPERTIES,
    stages=STAGES,
    ends=Ends(goal=("purchase",)),
    features=FEATURES,
    interventions=INTERVENTIONS,
    policy=PolicySettings(goal_value=18.0, low_risk=0.6, exploration=0.04, holdout=0.05, annoyance=0.05, session_cap=2),
    session_timeout_seconds=1_800.0,
    idle_ticks_seconds=(30.0, 120.0, 600.0),
    timezone="Europe/Berlin",
    owner="E-commerce",
    revenue="revenue",
    cohorts=("country",),
    stewards={
        "on_site": "Web analytics",
        "email": "CRM",
        "ads": "Performance marketing",
        "in_app": "App team",
        "call": "Customer service",
    },
    elements=ELEMENTS,
    edits=EDITS,
    aliases=ALIASES,
    property_aliases=PROPERTY_ALIASES,
    consents={"email": "email_consent"},
)
