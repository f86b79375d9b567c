"""What experiments do to the playbook: one that starts is testing its tactics, one that has ended is evidence for them.

The playbook follows what the store of experiments says, whenever it is looked at; looking twice changes nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from statistics import NormalDist
from typing import Any

from sqlalchemy import Connection, Engine

from decisions.experiments import ExperimentPlan, Metric, PlanError, StoppingRule, TreatmentKind, Variant, from_json
from insights.intervals import LEVEL
from insights.playbook.change import new_tactic
from insights.playbook.names import Key, audience_of, first_stage_name
from insights.playbook.standing import INVALID
from insights.playbook.status import INCONCLUSIVE, after_end
from insights.playbook.words import FEWER, learn_from
from journeys.journey import Journey
from storage.database import writing
from storage.experiment_store import ExperimentStore, KeptExperiment, Status
from storage.playbook import Tactic, TacticEvidence, TacticStatus
from storage.playbook_store import PlaybookStore

ACTOR = "dropoff"


def follow_experiments(engine: Engine, journey: Journey, *, now_us: int) -> tuple[Tactic, ...]:
    """Bring the tactics that experiments are about up to date, and return those that changed, as they are now."""
    kept = [one for one in ExperimentStore(engine, journey.name).all() if one.status is not Status.DRAFT]
    if not kept:
        return ()
    store, changed = PlaybookStore(engine, journey.name), dict[int, Tactic]()
    with writing(engine) as connection:
        for one in sorted(kept, key=lambda one: one.stopped_us or now_us):
            for key, variant, plan in tactics_of(journey, one):
                before = next((known for known in store.all_tactics(connection) if known.key == key), None)
                after = _follow(connection, store, journey, one, plan, variant, before or key, now_us)
                if after is not None and after != before:
                    changed[after.id] = after
    return tuple(changed.values())


def tactics_of(journey: Journey, kept: KeptExperiment) -> Iterator[tuple[Key, Variant, ExperimentPlan]]:
    """Yield the tactics that an experiment is about, each with its variant: those that show one intervention.

    The blocker is the one of its population, or the only one that the intervention treats; without either it is about
    no single blocker, and so about no tactic. A plan that this version cannot read is about none.
    """
    try:
        plan = from_json(kept.declaration)
    except PlanError:
        return
    treats = {one.name: [friction.name for friction in one.treats] for one in journey.interventions}
    stages, cohorts = plan.population.stages, plan.population.cohorts
    for variant in plan.variants[1:]:
        shown = variant.treatment.named
        if variant.treatment.kind is not TreatmentKind.INTERVENTION or shown is None:
            continue
        blockers = plan.population.blockers or tuple(treats.get(shown, ()))
        if len(blockers) == 1:
            stage = first_stage_name(journey, stages[0]) if len(stages) == 1 else ""
            yield (blockers[0], stage, audience_of(cohorts), shown), variant, plan


def evidence_of(kept: KeptExperiment, plan: ExperimentPlan, variant: str) -> TacticEvidence | None:
    """Return what the analysis of an experiment's end says about a variant; None where it gives no interval.

    The interval is that of the declared rule. Where it is not at 95 %, by alpha or since variants share alpha, it is
    made as wide as one at 95 % in the ratio of normal quantiles, and never narrower than the rule's own.
    """
    result = (kept.result or {}).get("analysis", {})
    decided = result.get("by_variant", {}).get(variant)
    found = next((one for one in result.get("primary", ()) if one["variant"] == variant), None)
    if decided is None or found is None:
        return None
    ends = _interval(found, StoppingRule(result["rule"]), result["alpha"], len(result["by_variant"]))
    if ends is None:
        return None
    effect, half = ends
    more = found["more_is_better"]
    verdict = INVALID if result["decision"]["verdict"] == INVALID else decided["verdict"]
    return TacticEvidence(
        experiment=kept.name,
        metric=plan.primary_metric if more else f"{FEWER}{plan.primary_metric}",
        effect=effect if more else -effect,
        low=(effect if more else -effect) - half,
        high=(effect if more else -effect) + half,
        people=found["control"]["people"] + found["treated"]["people"],
        from_us=result.get("began_us") or kept.started_us or kept.created_us,
        to_us=result.get("ended_us") or kept.stopped_us or kept.created_us,
        verdict=verdict,
        baseline=found["control"]["value"] if more and plan.primary_metric == Metric.GOAL else None,
    )


def _interval(
    found: Mapping[str, Any], rule: StoppingRule, alpha: float, comparisons: int
) -> tuple[float, float] | None:
    """Return the estimate and half the width of its interval at 95 %; None before the rule gives one."""
    normal = NormalDist()
    wanted = normal.inv_cdf((1 + LEVEL) / 2)
    if rule is StoppingRule.FIXED:
        value, error = found["difference"]["value"], found["standard_error"]
        return None if value is None or error is None else (value, wanted * error)
    ends = found["always_valid"]
    if ends is None or None in (ends["low"], ends["high"]):
        return None
    given = normal.inv_cdf(1 - alpha / comparisons / 2)
    return ends["value"], (ends["high"] - ends["low"]) / 2 * max(1.0, wanted / given)


def _follow(
    connection: Connection,
    store: PlaybookStore,
    journey: Journey,
    kept: KeptExperiment,
    plan: ExperimentPlan,
    variant: Variant,
    known: Tactic | Key,
    now_us: int,
) -> Tactic | None:
    """Return a tactic as the experiment leaves it; None where there is none, and the experiment says nothing yet."""
    if kept.status is Status.RUNNING:
        tactic = known if isinstance(known, Tactic) else _open(connection, store, journey, kept, plan, known, now_us)
        if tactic.experiment:
            return tactic
        testing = replace(tactic, status=TacticStatus.TESTING, experiment=kept.name)
        return _set(connection, store, testing, f"the experiment {kept.name} has started", now_us)
    found = evidence_of(kept, plan, variant.name)
    if found is None:
        if not isinstance(known, Tactic):
            return None
        if known.experiment != kept.name:
            return known
        ended = replace(known, status=after_end(INCONCLUSIVE, known.evidence), experiment="")
        return _set(connection, store, ended, f"the experiment {kept.name} has ended without an estimate", now_us)
    tactic = known if isinstance(known, Tactic) else _open(connection, store, journey, kept, plan, known, now_us)
    if not store.keep_evidence(connection, tactic.id, found, actor=ACTOR, now_us=now_us):
        return tactic
    tactic = store.tactic(connection, tactic.id)
    busy = tactic.experiment not in ("", kept.name)
    ended = replace(
        tactic,
        # Another experiment may be testing it by now.
        status=tactic.status if busy else after_end(found.verdict, tactic.evidence),
        experiment=tactic.experiment if busy else "",
        learning=learn_from(found, journey.timezone),
    )
    return _set(connection, store, ended, f"the experiment {kept.name} has ended: {found.verdict}", now_us)


def _open(
    connection: Connection,
    store: PlaybookStore,
    journey: Journey,
    kept: KeptExperiment,
    plan: ExperimentPlan,
    key: Key,
    now_us: int,
) -> Tactic:
    added = new_tactic(journey, key, source=f"experiment {kept.name}", owner=plan.owner, now_us=now_us)
    opened = store.open_tactic(connection, added, actor=ACTOR)
    if opened is None:
        raise LookupError(f"the tactic {key} has come and gone within one transaction")
    return opened


def _set(connection: Connection, store: PlaybookStore, tactic: Tactic, reason: str, now_us: int) -> Tactic:
    action = "follow experiment"
    return store.revise_tactic(connection, tactic, action=action, actor=ACTOR, now_us=now_us, reason=reason)
