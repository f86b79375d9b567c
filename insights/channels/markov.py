"""Credit by removal from a Markov chain: how much less is reached if a channel led nowhere."""

from dataclasses import dataclass

import numpy as np

from features.events import FloatArray, IntArray
from insights.channels.paths import Paths

MOST_STATES = 4_000


class ChannelsError(ValueError):
    """Credit cannot be computed as asked; one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Chain:
    """An absorbing chain over ``S`` states, each the latest ``order`` touches of a path.

    What is missing from a row of ``onward`` to 1 ends, in a conversion or in nothing.
    """

    newest: IntArray
    """(S,) the channel of each state's latest touch."""
    start: FloatArray
    """(S,) how probably a path starts there."""
    onward: FloatArray
    """(S, S) how probably the next touch leads there."""
    reward: FloatArray
    """(S,) what is reached from there at once, on average."""


def removal_effects(chain: Chain, channels: int) -> FloatArray:
    """Return for each channel (K,) the share of what is reached that no longer is if the channel leads nowhere.

    Anderl, Becker, von Wangenheim and Schumann (2016), Mapping the customer journey. Solved exactly: with
    ``N = (I - Q)^-1``, what is reached by way of the states ``C`` is ``(s N)_C N_CC^-1 (N r)_C``, which holds loops and
    self-transitions. Zeros where nothing is reached.
    """
    visits = np.linalg.inv(np.eye(len(chain.start)) - chain.onward)
    reached, passed = visits @ chain.reward, chain.start @ visits
    whole = float(chain.start @ reached)
    effects = np.zeros(channels)
    if whole == 0:
        return effects
    for channel in np.unique(chain.newest).tolist():
        of_channel = np.flatnonzero(chain.newest == channel)
        block = visits[np.ix_(of_channel, of_channel)]
        effects[channel] = passed[of_channel] @ np.linalg.solve(block, reached[of_channel]) / whole
    return effects


def markov(paths: Paths, reward: FloatArray, *, order: int = 1) -> FloatArray:
    """Return the credit of each channel: its removal effect's share of all, times what was reached by any touch.

    ``reward`` (C,) is what each conversion is worth. Raises :class:`ChannelsError`.
    """
    total = float(reward[paths.lengths[: len(reward)] > 0].sum())
    effects = removal_effects(build_chain(paths, reward, order=order), len(paths.names)) if len(paths.channel) else None
    if effects is None or not effects.sum():
        return np.zeros(len(paths.names))
    credit: FloatArray = total * effects / effects.sum()
    return credit


def build_chain(paths: Paths, reward: FloatArray, *, order: int = 1) -> Chain:
    """Return the chain of all paths with a touch, converted or not; raises :class:`ChannelsError`."""
    place = np.arange(len(paths.channel)) - paths.starts[paths.owner]
    states = _states(paths, place, order)
    codes, state = np.unique(states, return_inverse=True)
    count = len(codes)
    if count > MOST_STATES:
        raise ChannelsError(
            f"a chain of order {order} has {count:,} states here, and at most {MOST_STATES:,} are solved; "
            "use a lower order, or fewer channels"
        )
    newest = np.zeros(count, np.int64)
    newest[state] = paths.channel
    ends = np.append(place[1:] == 0, [True] * (len(place) > 0))
    pairs = np.bincount(state[:-1][~ends[:-1]] * count + state[1:][~ends[:-1]], minlength=count * count)
    from_state = np.bincount(state, minlength=count).astype(np.float64)
    worth = np.concatenate((reward, np.zeros(len(paths.starts) - 1 - len(reward))))
    return Chain(
        newest=newest,
        start=np.bincount(state[place == 0], minlength=count) / max(1, int((place == 0).sum())),
        onward=pairs.reshape(count, count) / from_state[:, None],
        reward=np.bincount(state[ends], worth[paths.owner[ends]], count) / from_state,
    )


def _states(paths: Paths, place: IntArray, order: int) -> IntArray:
    """Return for each touch a number that stands for the latest ``order`` touches of its path."""
    if order < 1:
        raise ChannelsError(f"a chain of order {order} remembers nothing; the order is at least 1")
    states = paths.channel + 1
    for back in range(1, order):
        before = np.zeros(len(place), np.int64)
        before[back:] = paths.channel[:-back] + 1
        # Numbered anew each time, so that they stay small at any order.
        _, known = np.unique(states, return_inverse=True)
        states = known * (len(paths.names) + 1) + np.where(place >= back, before, 0)
    return states
