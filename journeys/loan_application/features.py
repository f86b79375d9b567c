"""What is measured about a loan application, one feature a line: context first, then by friction."""

from features.friction import Friction, ProblemType
from features.scan import (
    any_event,
    category,
    count,
    distinct,
    drops,
    gap,
    key,
    last,
    on,
    peak,
    prop,
    recent,
    since,
    since_first,
    stage,
)
from features.table import Feature

DAY = 86_400.0

ELIGIBILITY = Friction("eligibility", ProblemType.INFORMATION_GAP, "unclear whether and how the application can go on")
REACH = Friction("reach", ProblemType.INFORMATION_GAP, "calls about the offer do not reach the applicant")
EFFORT = Friction("effort", ProblemType.FRICTION, "the application takes too many steps and calls")
WAITING = Friction("waiting", ProblemType.FRICTION, "the applicant waits for the bank")
DOCUMENTS = Friction("documents", ProblemType.FRICTION, "papers are missing or wrong")
OFFER = Friction("offer", ProblemType.VALUE_MISMATCH, "the offer does not convince, or needs another one")
AMOUNT = Friction("amount", ProblemType.VALUE_MISMATCH, "the sum applied for and the effort do not match")
CONTINUITY = Friction("continuity", ProblemType.TRUST_BARRIER, "the applicant deals with ever new people")
SCRUTINY = Friction("scrutiny", ProblemType.TRUST_BARRIER, "the checks feel intrusive")

COMPLETING, COMPLETED = "w_completeren_aanvraag_start", "w_completeren_aanvraag_complete"
LEAD, LEAD_PLANNED = "w_afhandelen_leads_start", "w_afhandelen_leads_schedule"
FRAUD_CHECK, FRAUD_CHECK_PLANNED = "w_beoordelen_fraude_start", "w_beoordelen_fraude_schedule"
OFFER_CALL, OFFER_CALLED = "w_nabellen_offertes_start", "w_nabellen_offertes_complete"
OFFER_CALL_PLANNED = "w_nabellen_offertes_schedule"
PAPERS_CALL, PAPERS_CALLED = "w_nabellen_incomplete_dossiers_start", "w_nabellen_incomplete_dossiers_complete"
PAPERS_CALL_PLANNED = "w_nabellen_incomplete_dossiers_schedule"
VALIDATION, VALIDATED = "w_valideren_aanvraag_start", "w_valideren_aanvraag_complete"
VALIDATION_PLANNED = "w_valideren_aanvraag_schedule"

STAFF_STEP = on(COMPLETING, OFFER_CALL, PAPERS_CALL, VALIDATION, FRAUD_CHECK, LEAD)
QUICK_CALL = on(OFFER_CALLED).within(60, of=OFFER_CALL)
AUTOMATIC = any_event.where(automatic=1)
AMOUNT_REQUESTED, STAFF_MEMBER = prop("amount_requested"), key("resource")
EUROS_PER_STAFF_STEP = last(AMOUNT_REQUESTED) / count(STAFF_STEP)
COMPLETING_DELAY = since_first(any_event) - since_first(COMPLETING)
ACCEPTING_DELAY = since_first(any_event) - since_first("a_accepted")
OFFER_DELAY = since_first(any_event) - since_first("o_sent")
EUROS_PHRASE = "{:,.0f} euros for each step by staff"
NEW_PEOPLE = distinct(STAFF_MEMBER, STAFF_STEP) / count(STAFF_STEP)
STAGE_PEOPLE = distinct(STAFF_MEMBER, STAFF_STEP, per="stage")

CONTEXT = (
    Feature("stage_index", stage, Friction.NONE, "at stage {:.0f}"),
    Feature("events_seen", count(any_event), Friction.NONE, "{:event|events} so far"),
    Feature("staff_member", category("resource"), Friction.NONE, "member of staff"),
    Feature("accepted_by", last(STAFF_MEMBER, "a_accepted"), Friction.NONE, "who accepted the application"),
    Feature("offer_made_by", last(STAFF_MEMBER, "o_created"), Friction.NONE, "who drew up the offer"),
    Feature("offer_caller", last(STAFF_MEMBER, OFFER_CALL), Friction.NONE, "who called about the offer"),
    Feature("elapsed_seconds", since_first(any_event), Friction.NONE, "under way for {:duration}"),
    Feature("stage_seconds", since_first(any_event, per="stage"), Friction.NONE, "at this stage for {:duration}"),
    Feature("stage_events", count(any_event, per="stage"), Friction.NONE, "{:event|events} at this stage"),
    Feature("events_lately", recent(any_event, half_life=DAY), Friction.NONE, "{:event|events} lately"),
    Feature("automatic_steps", count(AUTOMATIC), Friction.NONE, "{:automatic step|automatic steps}"),
)
"""Who, when and how far: nobody's blocker."""

OBSTACLES = (
    # Information gap: what comes next, and whom to ask.
    Feature("lead_calls", count(LEAD), ELIGIBILITY, "the unfinished form was followed up {:times}"),
    Feature("lead_age_seconds", since(LEAD), ELIGIBILITY, "last followed up {:duration} ago"),
    Feature("lead_seconds", since_first(LEAD_PLANNED), ELIGIBILITY, "unfinished for {:duration}"),
    Feature("preaccepted_age_seconds", since("a_preaccepted"), ELIGIBILITY, "accepted in part {:duration} ago"),
    Feature("offer_calls", count(OFFER_CALL), REACH, "called about the offer {:times}"),
    Feature("offer_calls_lately", recent(OFFER_CALL, half_life=3 * DAY), REACH, "{:call|calls} on the offer lately"),
    Feature("offer_call_age_seconds", since(OFFER_CALLED), REACH, "last called about the offer {:duration} ago"),
    Feature("offer_call_planned_seconds", since(OFFER_CALL_PLANNED), REACH, "offer call planned {:duration} ago"),
    Feature("calls_per_offer", count(OFFER_CALL) / count("o_sent"), REACH, "{:call|calls} for each offer"),
    Feature("quick_calls", count(QUICK_CALL), REACH, "{:call|calls} of under a minute"),
    Feature("last_call_seconds", last(gap, OFFER_CALLED), REACH, "the latest call took {:duration}"),
    # Friction: the work that the application makes, and the waiting.
    Feature("completions", count(COMPLETING), EFFORT, "the application was worked on {:times}"),
    Feature("completions_lately", recent(COMPLETING, half_life=3 * DAY), EFFORT, "worked on {:times} lately"),
    Feature("completing_age_seconds", since(COMPLETED), EFFORT, "last worked on {:duration} ago"),
    Feature("completing_seconds", since_first(COMPLETING), EFFORT, "being completed for {:duration}"),
    Feature("completing_delay_seconds", COMPLETING_DELAY, EFFORT, "first worked on after {:duration}"),
    Feature("accepting_delay_seconds", ACCEPTING_DELAY, EFFORT, "complete after {:duration}"),
    Feature("accepted_age_seconds", since("a_accepted"), EFFORT, "complete for {:duration}"),
    Feature("staff_steps", count(STAFF_STEP), EFFORT, "{:step|steps} by staff"),
    Feature("stage_staff_steps", count(STAFF_STEP, per="stage"), EFFORT, "{:step|steps} by staff at this stage"),
    Feature("idle_seconds", since(any_event), WAITING, "nothing happened for {:duration}"),
    Feature("staff_idle_seconds", since(STAFF_STEP), WAITING, "staff last began a step {:duration} ago"),
    Feature("longest_wait_seconds", peak(gap, STAFF_STEP), WAITING, "waited up to {:duration} for staff"),
    Feature("validation_planned_seconds", since(VALIDATION_PLANNED), WAITING, "papers waiting for {:duration}"),
    Feature("papers_calls", count(PAPERS_CALL), DOCUMENTS, "called about missing papers {:times}"),
    Feature("papers_calls_lately", recent(PAPERS_CALL, half_life=3 * DAY), DOCUMENTS, "{:call|calls} on papers lately"),
    Feature("papers_call_age_seconds", since(PAPERS_CALLED), DOCUMENTS, "last called about papers {:duration} ago"),
    Feature("papers_requests", count(PAPERS_CALL_PLANNED), DOCUMENTS, "papers were missing {:times}"),
    Feature("returns", count("o_sent_back"), DOCUMENTS, "{:offer|offers} returned"),
    Feature("return_age_seconds", since("o_sent_back"), DOCUMENTS, "offer returned {:duration} ago"),
    Feature("validations", count(VALIDATION), DOCUMENTS, "papers validated {:times}"),
    Feature("validation_age_seconds", since(VALIDATED), DOCUMENTS, "papers last validated {:duration} ago"),
    # Value: is it worth it.
    Feature("offers", count("o_sent"), OFFER, "{:offer|offers} sent"),
    Feature("offer_age_seconds", since("o_sent"), OFFER, "latest offer sent {:duration} ago"),
    Feature("first_offer_age_seconds", since_first("o_sent"), OFFER, "first offer sent {:duration} ago"),
    Feature("offers_unreturned", count("o_sent") - count("o_sent_back"), OFFER, "{:offer|offers} not returned"),
    Feature("final_age_seconds", since("a_finalized"), OFFER, "offer final for {:duration}"),
    Feature("offer_delay_seconds", OFFER_DELAY, OFFER, "first offer sent after {:duration}"),
    Feature("stages_back", drops(), OFFER, "went back a stage {:times}"),
    Feature("amount_requested", last(AMOUNT_REQUESTED), AMOUNT, "{:,.0f} euros applied for"),
    Feature("euros_per_staff_step", EUROS_PER_STAFF_STEP, AMOUNT, EUROS_PHRASE, less_is_worse=True),
    # Trust: who is it, and what do they want to know.
    Feature("staff_members", distinct(STAFF_MEMBER), CONTINUITY, "{:person|people} worked on it"),
    Feature("staff_members_per_step", NEW_PEOPLE, CONTINUITY, "a new person in {:.0%} of the steps"),
    Feature("stage_staff_members", STAGE_PEOPLE, CONTINUITY, "{:person|people} at this stage"),
    Feature("fraud_checks", count(FRAUD_CHECK), SCRUTINY, "checked for fraud {:times}"),
    Feature("fraud_check_age_seconds", since(FRAUD_CHECK_PLANNED), SCRUTINY, "fraud check planned {:duration} ago"),
)
"""What may stand in the way, each with the friction it is evidence of."""

FEATURES = CONTEXT + OBSTACLES
