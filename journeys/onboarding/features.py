"""What is measured about a trial, one feature a line: context first, then by friction.

Nothing listens to what the service itself showed (``intervention_*``).
"""

from features.friction import Friction, ProblemType
from features.scan import (
    absence,
    any_event,
    category,
    count,
    distinct,
    drops,
    gap,
    hour,
    last,
    mean,
    on,
    peak,
    prop,
    recent,
    session_start,
    since,
    since_first,
    stage,
    streak,
    weekday,
)
from features.table import Feature

HOUR, DAY = 3_600.0, 86_400.0

INTEGRATION = Friction("integration", ProblemType.FRICTION, "it does not connect to what the team already uses")
ADOPTION = Friction("adoption", ProblemType.VALUE_MISMATCH, "colleagues do not come along")
SECURITY = Friction("security", ProblemType.TRUST_BARRIER, "doubt whether the team's data is safe there")

PROGRESS = on(
    "create_account", "create_project", "import_data", "send_invite", "connect_tool", "receive_data", "run_workflow",
    "share_report", "open_billing", "submit_payment",
)  # fmt: skip
REAL_USE = on("run_workflow", "use_feature", "create_report", "share_report", "export_data")
CONNECTION_TROUBLE = on("connection_failed", "api_error")
GUIDES = on("read_docs", "view_tour", "join_webinar")
MAILS = on("email_open", "email_click")
COLLEAGUES = count("accept_invite") / count("send_invite")
ADD_ONS = last(prop("add_ons"), "view_pricing")
QUESTIONS = last(prop("open_questions"), "view_security")
SEATS, QUOTE = prop("seats"), prop("monthly_price")
TOOLS_FOUND = last(prop("supported_tools"), "open_integrations")
LATELY = "{:.1f} connections failed lately"

CONTEXT = (
    Feature("stage_index", stage, Friction.NONE, "at stage {:.0f}"),
    Feature("events_seen", count(any_event), Friction.NONE, "{:event|events} so far"),
    Feature("trial_seconds", since_first(any_event), Friction.NONE, "trying it for {:duration}"),
    Feature("idle_seconds", since(any_event), Friction.NONE, "no sign of life for {:duration}"),
    Feature("stage_seconds", since_first(any_event, per="stage"), Friction.NONE, "at this stage for {:duration}"),
    Feature("stage_events", count(any_event, per="stage"), Friction.NONE, "{:event|events} at this stage"),
    Feature("events_lately", recent(any_event, half_life=DAY), Friction.NONE, "{:event|events} lately"),
    Feature("mean_gap_seconds", mean(gap), Friction.NONE, "a step every {:duration} on average"),
    Feature("longest_gap_seconds", peak(gap), Friction.NONE, "away for up to {:duration}"),
    Feature("last_gap_seconds", last(gap), Friction.NONE, "{:duration} before the latest step"),
    Feature("progress_age_seconds", since(PROGRESS), Friction.NONE, "last moved forward {:duration} ago"),
    Feature("device", category("device"), Friction.NONE, "device"),
    Feature("source", category("source"), Friction.NONE, "source of the trial"),
    Feature("campaign", category("campaign"), Friction.NONE, "campaign"),
    Feature("channel", category("channel"), Friction.NONE, "channel"),
    Feature("country", category("country"), Friction.NONE, "country"),
    Feature("hour", hour, Friction.NONE, "hour of the day"),
    Feature("weekday", weekday, Friction.NONE, "day of the week"),
    Feature("trials", count(session_start, per="visitor"), Friction.NONE, "{:trial|trials} with this one"),
    Feature("absence_seconds", last(absence, session_start, per="visitor"), Friction.NONE, "back after {:duration}"),
    Feature("workflows_ever", count("run_workflow", per="visitor"), Friction.NONE, "{:workflow|workflows} so far"),
    Feature("seats", last(SEATS), Friction.NONE, "{:seat|seats}"),
    Feature("monthly_price", last(QUOTE), Friction.NONE, "{:,.2f} euros a month for this team"),
    Feature("mails_opened", count(MAILS), Friction.NONE, "{:mail|mails} opened or followed"),
    Feature("mails_muted", count("mute_mails"), Friction.NONE, "unsubscribed from mails {:times}"),
    Feature("projects", count(on("create_project", "use_template")), Friction.NONE, "{:project|projects} begun"),
)
"""Who, where, when and how far: nobody's blocker."""

OBSTACLES = (
    # Friction: the way itself.
    Feature("form_errors", count("form_error"), Friction.FORM, "{:form error|form errors}"),
    Feature("mails_resent", count("resend_email"), Friction.FORM, "asked {:times} for the mail that confirms"),
    Feature("connections_failed", count(CONNECTION_TROUBLE), INTEGRATION, "{:connection|connections} failed"),
    Feature("failures_lately", recent(CONNECTION_TROUBLE, half_life=DAY), INTEGRATION, LATELY),
    Feature("tools_supported", TOOLS_FOUND, INTEGRATION, "{:tool|tools} of the team supported", less_is_worse=True),
    Feature("tools_tried", distinct(prop("tool"), "connect_tool"), INTEGRATION, "{:tool|tools} tried"),
    Feature("imports_failed", count("import_failed"), INTEGRATION, "{:import|imports} failed"),
    Feature("refused_share", last(prop("refused_share"), "import_data"), INTEGRATION, "{:.0%} of the rows refused"),
    Feature("load_seconds", mean(prop("load_seconds"), "open_app"), Friction.SPEED, "the app takes {:.1f} s to open"),
    Feature("page_errors", count("page_error"), Friction.SPEED, "{:page|pages} failed to load"),
    Feature("clicks_in_vain", count(on("dead_click", "rage_click")), Friction.SPEED, "{:click|clicks} in vain"),
    Feature("settings_changed", count("change_settings"), Friction.EFFORT, "{:setting|settings} changed"),
    Feature("steps_skipped", count("skip_step"), Friction.EFFORT, "{:step|steps} of the set-up skipped"),
    Feature("stages_back", drops(), Friction.EFFORT, "went back in the trial {:times}"),
    Feature("payment_failures", count("payment_failed"), Friction.PAYMENT, "payment failed {:times}"),
    Feature("methods_tried", count("choose_method"), Friction.PAYMENT, "chose a way to pay {:times}"),
    # Value: is it worth it.
    Feature("pricing_views", count("view_pricing"), Friction.PRICE, "looked at prices {:times}"),
    Feature("plans_compared", count("compare_plans"), Friction.PRICE, "compared plans {:times}"),
    Feature("add_ons", ADD_ONS, Friction.PRICE, "add-ons for {:,.0f} euros a month"),
    Feature("coupons_refused", count(on("try_coupon", accepted=0)), Friction.PRICE, "{:code|codes} refused"),
    Feature("seats_removed", count("remove_seat"), Friction.PRICE, "{:seat|seats} given up"),
    Feature("features_used", count(REAL_USE), Friction.FIT, "used for real work {:times}", less_is_worse=True),
    Feature("limits_reached", count("reach_limit"), Friction.FIT, "{:limit|limits} of the trial reached"),
    Feature("joined_share", COLLEAGUES, ADOPTION, "{:.0%} of the invited joined", less_is_worse=True),
    # Trust: is it safe.
    Feature("security_views", count("view_security"), SECURITY, "looked up data security {:times}"),
    Feature("questions_open", QUESTIONS, SECURITY, "{:question|questions} on security left open"),
    Feature("privacy_views", count("view_privacy_terms"), SECURITY, "read the terms on personal data {:times}"),
    Feature("permissions_set", count("set_permissions"), SECURITY, "set who may see what {:times}"),
    Feature("contract_views", count("view_contract"), Friction.TRUST, "read notice periods and liability {:times}"),
    Feature("stories_read", count("read_story"), Friction.TRUST, "{:story|stories} of customers read"),
    # Information gap: how it is done.
    Feature("help_requests", count(on("open_help", "open_chat")), Friction.INFORMATION, "looked for help {:times}"),
    Feature("docs_read", count(GUIDES), Friction.INFORMATION, "{:guide|guides} read or watched"),
    Feature("docs_searches", count("search_docs"), Friction.INFORMATION, "searched the documentation {:times}"),
    Feature("searches_in_vain", streak(on("search_docs", results=0)), Friction.INFORMATION, "{:.0f} in vain in a row"),
)
"""What may stand in the way, each with the friction it is evidence of."""

FEATURES = CONTEXT + OBSTACLES
