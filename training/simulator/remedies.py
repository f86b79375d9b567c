"""What can be shown in worlds of decisions, where policies are measured.

The remedies of the simulated logs are weak and dear: the best policy adds a twentieth to never showing anything, and no
log is long enough to learn it. These do more, so that learners are told apart as on the cases they are usually compared
on: never acting has some 85 % of what the best policy brings, the best single remedy a third of the rest.
"""

from dataclasses import replace

from features.friction import Friction
from training.simulator.shop import SHOP
from training.simulator.shop_properties import shop_properties
from training.simulator.simulate import world_of
from training.simulator.world import Remedy, World

_DECIDING = ("cart", "payment")
_EXPLORERS, _GENTLY = {"explorer": 0.2}, {"explorer": 0.1}
# Explorers look as if something stopped them, and nothing drives them away like being stopped.
REMEDIES = (
    Remedy("other_payment", ("payment",), {Friction.PAYMENT: 1.0}, 0.15, 0.5, _EXPLORERS),
    Remedy("free_delivery", _DECIDING, {Friction.SHIPPING: 1.0}, 0.075, 0.5, _GENTLY),
    Remedy("delivery_promise", _DECIDING, {Friction.SHIPPING: 0.7}, 0.15, 0.1, _EXPLORERS),
    Remedy("trust_panel", _DECIDING, {Friction.TRUST: 1.0}, 0.15, 0.22, _EXPLORERS),
    Remedy("live_chat", _DECIDING, {Friction.INFORMATION: 1.0}, 0.15, 0.2, _EXPLORERS),
    Remedy("basket_discount", _DECIDING, {Friction.SHIPPING: 0.3, Friction.TRUST: 0.3}, 0.075, 0.55, _GENTLY),
)
DECIDING_SHOP = replace(
    SHOP, remedies=REMEDIES, decide_at={}, properties=shop_properties(tuple(remedy.name for remedy in REMEDIES))
)
"""The shop, where nothing is shown but by the decisions that are put in."""


def deciding_world(journey: str) -> World:
    """Return a journey's world of decisions; raises :class:`training.simulator.SimulationError`."""
    return DECIDING_SHOP if journey == SHOP.journey else replace(world_of(journey), decide_at={})


def without_effects(world: World) -> World:
    """Return the world in which no remedy does anything."""
    return replace(world, remedies=tuple(Remedy(one.name, one.stages, relief={}) for one in world.remedies))


def with_harm(world: World, factor: float) -> World:
    """Return the world in which remedies drive people away by so many times the log-odds."""

    def worse(remedy: Remedy) -> Remedy:
        kinds = {name: harm * factor for name, harm in remedy.kinds.items()}
        return replace(remedy, leave=remedy.leave * factor, kinds=kinds)

    return replace(world, remedies=tuple(worse(one) for one in world.remedies))
