"""A newsletter's sign-up: a small journey to copy and change.

Look at it with

    dropoff describe examples/newsletter_signup.py
"""

from decisions.intervention import Effort, Intervention
from features.friction import Friction
from features.scan import any_event, category, count, distinct, last, on, peak, prop, recent, since, since_first, stage
from features.table import Feature, Stage
from journeys.journey import Ends, Journey, PolicySettings

EVENTS = {
    "page_view": "a page of the site opens",
    "view_sample": "an earlier issue is read",
    "view_signup": "the sign-up page opens",
    "edit_field": "a field of the form is filled in or changed",
    "form_error": "the form refuses what was entered",
    "view_privacy_policy": "the rules for personal data open",
    "submit_signup": "the form is sent",
    "send_again": "the confirmation e-mail is asked for again",
    "confirm": "the link in the confirmation e-mail is followed",
}

PROPERTIES = {
    "field": "which field of the form",
    "load_seconds": "seconds until the page could be used",
    "country": "the visitor's country",
}

STAGES = (
    Stage("reading", on("page_view", "view_sample"), "reads the site", "Editorial"),
    Stage("form", on("view_signup", "edit_field"), "has the form open", "Growth"),
    Stage("confirmation", on("submit_signup"), "should confirm the address", "Growth"),
)

CONFIRMATION_AGE = since("submit_signup")
EDITS_PER_FIELD = count("edit_field") / distinct(prop("field"), "edit_field")

FEATURES = (
    Feature("stage_index", stage, Friction.NONE, "at stage {:.0f}"),
    Feature("events_seen", count(any_event), Friction.NONE, "{:event|events} so far"),
    Feature("session_seconds", since_first(any_event), Friction.NONE, "here for {:duration}"),
    Feature("idle_seconds", since(any_event), Friction.NONE, "idle for {:duration}"),
    Feature("device", category("device"), Friction.NONE, "device"),
    Feature("source", category("source"), Friction.NONE, "source of the visit"),
    Feature("country", category("country"), Friction.NONE, "country"),
    Feature("pages", count("page_view"), Friction.NONE, "{:page|pages} read"),
    Feature("samples", count("view_sample"), Friction.INFORMATION, "{:earlier issue|earlier issues} read"),
    Feature("slowest_load_seconds", peak(prop("load_seconds")), Friction.SPEED, "a page took {:.1f} s to load"),
    Feature("last_load_seconds", last(prop("load_seconds")), Friction.SPEED, "the latest page took {:.1f} s to load"),
    Feature("form_errors", count("form_error"), Friction.FORM, "{:form error|form errors}"),
    Feature("form_errors_recent", recent("form_error", half_life=60), Friction.FORM, "{:.1f} form errors lately"),
    Feature("edits_per_field", EDITS_PER_FIELD, Friction.FORM, "each field filled in {:times}"),
    Feature("privacy_views", count("view_privacy_policy"), Friction.PRIVACY, "looked up data protection {:times}"),
    Feature("mails_sent_again", count("send_again"), Friction.EFFORT, "asked for the e-mail again {:times}"),
    Feature("confirmation_seconds", CONFIRMATION_AGE, Friction.EFFORT, "has not confirmed for {:duration}"),
)

INTERVENTIONS = (
    Intervention(
        name="sample_issue",
        title="See what you get",
        message="Here is the latest issue, in full.",
        channel="on_site",
        stages=("reading", "form"),
        treats=(Friction.INFORMATION,),
        prior_effect=0.03,
        cost=0.0,
        effort=Effort.QUICK_WIN,
        owner="Editorial",
    ),
    Intervention(
        name="light_form",
        title="The short form",
        message="One field, no pictures: your e-mail address is all we need.",
        channel="on_site",
        stages=("form",),
        treats=(Friction.SPEED, Friction.FORM),
        prior_effect=0.05,
        cost=0.0,
        effort=Effort.QUICK_WIN,
        owner="Growth",
    ),
    Intervention(
        name="data_promise",
        title="One e-mail a week",
        message="We pass your address on to nobody, and every issue has a link to leave.",
        channel="on_site",
        stages=("form",),
        treats=(Friction.PRIVACY,),
        prior_effect=0.03,
        cost=0.0,
        effort=Effort.QUICK_WIN,
        owner="Legal",
    ),
    Intervention(
        name="confirmation_reminder",
        title="One click is missing",
        message="Confirm your address with the button below. It takes a second.",
        channel="email",
        stages=("confirmation",),
        treats=(Friction.EFFORT,),
        prior_effect=0.1,
        cost=0.01,
        effort=Effort.STRATEGIC,
        owner="Growth",
        cooldown_seconds=86_400.0,
    ),
)

JOURNEY = Journey(
    name="newsletter_signup",
    title="Newsletter sign-up",
    description="From the first page to a confirmed address.",
    events=EVENTS,
    properties=PROPERTIES,
    stages=STAGES,
    ends=Ends(goal=("confirm",)),
    features=FEATURES,
    interventions=INTERVENTIONS,
    policy=PolicySettings(goal_value=2.0, low_risk=0.5),
    session_timeout_seconds=3_600.0,
    idle_ticks_seconds=(60.0, 600.0),
    timezone="Europe/Paris",
    owner="Growth",
)
