"""The dashboard of what goes on beside answering."""

from deploy.dashboards.panels import Dashboard, Panel, Query, Row, Unit
from deploy.dashboards.queries import rate

DUTIES = Dashboard(
    "dropoff-duties",
    "dropoff: duties and queues",
    "What one process of all does beside answering: closing sessions, rewards, learning, follow-ups, budget.",
    (
        Row(
            "Who does what",
            (
                Panel(
                    "Held",
                    "How many processes have each duty: one, but of the pages' figures one for each home folder.",
                    (Query("sum by (duty) (dropoff_duty_held)", "{{duty}}"),),
                    width=12,
                ),
                Panel(
                    "Begun anew",
                    "How often a duty failed and had to begin anew.",
                    (Query("sum by (duty) (increase(dropoff_duty_failures_total[$__rate_interval]))", "{{duty}}"),),
                    width=12,
                ),
            ),
        ),
        Row(
            "Ends of sessions",
            (
                Panel(
                    "Sessions that are open",
                    "Sessions whose end is not known, of all processes.",
                    (Query("max(dropoff_sessions_waiting)", "open"),),
                ),
                Panel(
                    "How late the sweeper is",
                    "For how long the longest silent session should have been closed.",
                    (Query("max(dropoff_sweep_lag_seconds)", "late"),),
                    Unit.SECONDS,
                ),
                Panel(
                    "Log that the sweeper has not seen",
                    "Positions of the log; and sessions that were opened again by a late event, a second.",
                    (
                        Query("max(dropoff_sweep_events_behind)", "behind"),
                        Query(rate("dropoff_sessions_reopened_total"), "reopened a second"),
                    ),
                ),
            ),
        ),
        Row(
            "The ledger: what came of decisions",
            (
                Panel(
                    "Decisions that wait",
                    "Decisions of which it is not known yet what came of them.",
                    (Query("max(dropoff_decisions_waiting)", "waiting"),),
                ),
                Panel(
                    "Lag of the ledger",
                    "For how long the longest due decision should have been looked at, and how old the oldest is.",
                    (
                        Query("max(dropoff_ledger_lag_seconds)", "lag"),
                        Query("max(dropoff_oldest_waiting_seconds)", "oldest"),
                    ),
                    Unit.SECONDS,
                ),
                Panel(
                    "What came",
                    "Decisions that became known.",
                    (Query(rate("dropoff_rewards_total", "came"), "{{came}}"),),
                    Unit.PER_SECOND,
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Learning",
            (
                Panel(
                    "Rewards still to learn from",
                    "By policy that learns.",
                    (Query("max by (policy) (dropoff_policy_rewards_behind)", "{{policy}}"),),
                ),
                Panel(
                    "Decisions learnt from",
                    "By policy that learns, with its revision.",
                    (
                        Query("max by (policy) (dropoff_policy_decisions)", "{{policy}}"),
                        Query("max by (policy) (dropoff_policy_revision)", "{{policy}} revision"),
                    ),
                ),
                Panel(
                    "The policy in the shadow",
                    "Decisions that it was asked about, a second, by result; zero where none is in the shadow.",
                    (Query(rate("dropoff_shadow_decisions_total", "result"), "{{result}}"),),
                    Unit.PER_SECOND,
                ),
            ),
        ),
        Row(
            "Follow-ups and budget",
            (
                Panel(
                    "Outbox",
                    "Follow-ups that are to be sent, and those that were given up.",
                    (
                        Query("max(dropoff_follow_ups_waiting)", "waiting"),
                        Query("max(dropoff_follow_ups_given_up)", "given up"),
                    ),
                ),
                Panel(
                    "Attempts to deliver",
                    "By result.",
                    (Query(rate("dropoff_follow_ups_total", "result"), "{{result}}"),),
                    Unit.PER_SECOND,
                ),
                Panel(
                    "Budget",
                    "What is spent, and what the budget adds to the cost of showing something; zero without one.",
                    (
                        Query("max(dropoff_budget_spent)", "spent"),
                        Query("max(dropoff_budget_price)", "price"),
                    ),
                ),
            ),
        ),
    ),
)
