"""What the small decisions of ``few_decisions`` choose among."""

from decisions.intervention import Effort, Intervention
from decisions.policy import PolicySettings
from features.friction import Friction

SETTINGS = PolicySettings(goal_value=10.0)
OFFERED = tuple(
    Intervention(name, name, "", "on_site", ("cart",), (Friction.TRUST,), 0.05, 0.1, Effort.QUICK_WIN, "Shop")
    for name in ("chat", "coupon")
)
