"""The shop with nothing that keeps a question from the policy, for measuring what policies cost."""

from dataclasses import replace

from journeys.ecommerce import JOURNEY as SHOP

JOURNEY = replace(
    SHOP,
    interventions=tuple(replace(one, cap=1_000_000, cooldown_seconds=0.0) for one in SHOP.interventions),
    policy=replace(
        SHOP.policy,
        low_risk=0.0,
        holdout=0.0,
        session_cap=1_000_000,
        only_matching=False,
        nudge_within_seconds=0.0,
    ),
)
