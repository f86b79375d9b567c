"""The dashboard of the model: risks, blockers, recommendations, calibration and drift."""

from deploy.dashboards.panels import Dashboard, Kind, Panel, Query, Row, Unit
from deploy.dashboards.queries import calibration, mean, quantile, rate

MODEL = Dashboard(
    "dropoff-model",
    "dropoff: model",
    "What is predicted, what is named, what is recommended, and whether the risks keep their word.",
    (
        Row(
            "Risks",
            (
                Panel(
                    "Distribution of risks",
                    "How many answers had which risk.",
                    (Query("sum by (le) (increase(dropoff_risk_bucket[$__rate_interval]))", "{{le}}"),),
                    Unit.SHARE,
                    Kind.GRID,
                ),
                Panel(
                    "Mean risk by stage",
                    "The mean of the risks that were answered, by the stage that the session had reached.",
                    (Query(mean("dropoff_risk", "stage"), "{{stage}}"),),
                    Unit.SHARE,
                ),
                Panel(
                    "Answers by stage",
                    "Risks that were asked for, a second.",
                    (Query(rate("dropoff_risk_count", "stage"), "{{stage}}"),),
                    Unit.PER_SECOND,
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Decisions",
            (
                Panel(
                    "Blockers",
                    "What was named first where the risk was not low; `none` where nothing stood out.",
                    (Query(rate("dropoff_blockers_total", "friction"), "{{friction}}"),),
                    Unit.PER_SECOND,
                    stacked=True,
                ),
                Panel(
                    "Recommendations",
                    "What was recommended, `nothing` included.",
                    (Query(rate("dropoff_recommendations_total", "intervention"), "{{intervention}}"),),
                    Unit.PER_SECOND,
                    stacked=True,
                ),
                Panel(
                    "Reasons",
                    "Why decisions came out as they did.",
                    (Query(rate("dropoff_decisions_total", "reason"), "{{reason}}"),),
                    Unit.PER_SECOND,
                    stacked=True,
                ),
                Panel(
                    "Least propensity",
                    "The least probability that any option of a decision had since the process started.",
                    (Query("min(dropoff_propensity_min)", "least"),),
                    Unit.SHARE,
                ),
                Panel(
                    "Outcomes",
                    "What was reported of recommendations.",
                    (Query(rate("dropoff_outcomes_total", "outcome"), "{{outcome}}"),),
                    Unit.PER_SECOND,
                ),
                Panel(
                    "Sessions closed",
                    "How sessions ended, as they were closed.",
                    (Query(rate("dropoff_sessions_closed_total", "outcome"), "{{outcome}}"),),
                    Unit.PER_SECOND,
                    stacked=True,
                ),
            ),
        ),
        Row(
            "What an answer is made of",
            (
                Panel(
                    "Steps, 99 %",
                    "Replaying the session, predicting, explaining, deciding: of a hundred 99 take no longer.",
                    (Query(quantile(0.99, "dropoff_model_seconds_bucket", "step"), "{{step}}"),),
                    Unit.SECONDS,
                    width=12,
                ),
                Panel(
                    "Steps, mean",
                    "The mean of each step, one upon the other.",
                    (Query(mean("dropoff_model_seconds", "step"), "{{step}}"),),
                    Unit.SECONDS,
                    width=12,
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Do risks keep their word? Of sessions that were recommended nothing",
            (
                Panel(
                    "Said",
                    "The mean risk of each bin, of the sessions that ended in the time that is shown.",
                    (Query(f"{calibration('risk')} / ({calibration('sessions')} > 0)", "{{bin}}"),),
                    Unit.SHARE,
                    Kind.BARS,
                ),
                Panel(
                    "Came",
                    "The share of them that was abandoned: beside what was said, the two should be alike.",
                    (Query(f"{calibration('abandoned')} / ({calibration('sessions')} > 0)", "{{bin}}"),),
                    Unit.SHARE,
                    Kind.BARS,
                ),
                Panel(
                    "Sessions",
                    "How many sessions that is, by the risk at each of their decisions.",
                    (Query(calibration("sessions"), "{{bin}}"),),
                    Unit.COUNT,
                    Kind.BARS,
                ),
                Panel(
                    "Calibration error",
                    "Mean difference between what was said and what came, weighed by sessions; few make it large.",
                    (
                        Query(
                            f"sum(abs({calibration('abandoned')} - {calibration('risk')}))"
                            f" / sum({calibration('sessions')})",
                            "error",
                        ),
                    ),
                    Unit.SHARE,
                    width=12,
                ),
                Panel(
                    "Abandoned beyond what was said, in standard deviations",
                    "What chance explains stays between -2 and 2; an alert comes at 4 where it is 5 % of the sessions.",
                    (
                        Query(
                            f"(sum({calibration('abandoned')}) - sum({calibration('risk')})) / sqrt(sum("
                            'increase(dropoff_calibration_variance_total{shown="nothing"}[$__range])) > 0)',
                            "deviations",
                        ),
                    ),
                    width=12,
                    kind=Kind.NUMBER,
                ),
            ),
        ),
        Row(
            "The challenger, asked beside the champion; all is 0 where there is none",
            (
                Panel(
                    "Agreement",
                    "Share of the answers in which both said the same: side of the low risk, blocker, recommendation.",
                    (
                        Query(
                            f"{rate('dropoff_challenger_agreed_total', 'what')}"
                            f" / clamp_min({rate('dropoff_challenger_compared_total', 'what')}, 1e-9)",
                            "{{what}}",
                        ),
                    ),
                    Unit.SHARE,
                ),
                Panel(
                    "Answers",
                    "Answers that it was to give too: compared, failed, or dropped as too many came at once.",
                    (Query(rate("dropoff_challenger_answers_total", "result"), "{{result}}"),),
                    Unit.PER_SECOND,
                ),
                Panel(
                    "Its steps, mean",
                    "What its answers are made of, off the answers' path.",
                    (
                        Query(
                            f"{rate('dropoff_challenger_seconds_sum', 'step')}"
                            f" / clamp_min({rate('dropoff_challenger_seconds_count', 'step')}, 1e-9)",
                            "{{step}}",
                        ),
                    ),
                    Unit.SECONDS,
                ),
            ),
        ),
        Row(
            "Drift against the training",
            (
                Panel(
                    "Features that differ most",
                    "PSI beyond what chance explains; from .25 on a feature is not what the model has learnt from.",
                    (Query("topk(10, max by (feature) (dropoff_drift_psi))", "{{feature}}"),),
                    Unit.COUNT,
                    Kind.BARS,
                ),
                Panel(
                    "Largest PSI",
                    "Of any feature, in the window of DROPOFF_DRIFT_WINDOW_SECONDS.",
                    (Query("max(dropoff_drift_psi_max)", "largest"),),
                ),
                Panel(
                    "Mean risk, and what was usual",
                    "What is answered, beside what the training had at the same stages.",
                    (
                        Query("avg(dropoff_drift_mean_risk)", "answered"),
                        Query("avg(dropoff_drift_usual_risk)", "usual"),
                    ),
                    Unit.SHARE,
                ),
            ),
        ),
    ),
)
