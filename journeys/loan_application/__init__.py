"""A bank's online loan applications, as in the real log of the BPI Challenge 2012.

The applicant abandons by withdrawing or by never answering; that the bank refuses is a competing end. Predictions
stop at the first decision on the application or on an offer, which would give the end away.
"""

from features.scan import on
from features.table import Stage
from journeys.journey import Ends, Journey, PolicySettings
from journeys.loan_application.events import EVENTS, PROPERTIES
from journeys.loan_application.features import DAY, FEATURES
from journeys.loan_application.interventions import INTERVENTIONS

STAGES = (
    Stage("submitted", on("a_submitted", "a_partlysubmitted"), "the form is sent", "Online lending"),
    Stage("preaccepted", on("a_preaccepted"), "passed the automatic checks", "Online lending"),
    Stage("accepted", on("a_accepted"), "complete, an offer can be made", "Contact centre"),
    Stage("offered", on("o_selected", "o_created", "o_sent", "a_finalized"), "an offer is out", "Contact centre"),
    Stage("returned", on("o_sent_back"), "the signed offer came back", "Validation"),
    Stage("validation", on("w_valideren_aanvraag_start"), "the papers are being validated", "Validation"),
    Stage("papers", on("w_nabellen_incomplete_dossiers_start"), "missing papers are asked for", "Validation"),
)

JOURNEY = Journey(
    name="loan_application",
    title="Loan application",
    description="From an online loan application to the loan's activation, with offers, calls and papers between.",
    events=EVENTS,
    properties=PROPERTIES,
    stages=STAGES,
    ends=Ends(
        goal=("a_approved", "a_registered", "a_activated"),
        abandoned=("a_cancelled",),
        competing=("a_declined",),
        closes=("o_cancelled", "o_declined", "o_accepted"),
        silence_abandons=False,
    ),
    features=FEATURES,
    interventions=INTERVENTIONS,
    policy=PolicySettings(
        goal_value=900.0,
        low_risk=0.2,
        exploration=0.04,
        holdout=0.1,
        annoyance=2.0,
        session_cap=3,
        messages_while_open=True,
    ),
    session_timeout_seconds=30 * DAY,
    idle_ticks_seconds=(1 * DAY, 3 * DAY, 7 * DAY, 14 * DAY, 21 * DAY),
    leaving_soon_within="1d",
    timezone="Europe/Amsterdam",
    owner="Consumer lending",
)
