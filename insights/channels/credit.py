"""What each model credits to each channel, for one goal or stage; credits add up to what was reached, exactly."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from features.duration import parse_duration
from features.events import US_PER_SECOND, FloatArray
from features.table import nearest
from insights.channels.exact import divisible, settle
from insights.channels.markov import ChannelsError, markov
from insights.channels.paths import NONE, Conversions, Paths, Touches, Window, build_paths
from insights.channels.rules import first_touch, last_touch, linear, position_based, time_decay
from insights.channels.shapley import shapley, shapley_of_rates


@dataclass(frozen=True, slots=True)
class CreditSettings:
    """How far back touches count, how fast they fade, and how many touches the Markov chain remembers."""

    lookback_seconds: float = 30 * 86_400.0
    half_life_seconds: float = 7 * 86_400.0
    order: int = 1


def read_settings(lookback: str, half_life: str, order: int) -> CreditSettings:
    """Return settings with durations as people write them, ``"30d"``; raises :class:`ChannelsError`."""
    return CreditSettings(_seconds("lookback", lookback), _seconds("half-life", half_life), order)


MODELS: Mapping[str, str] = {
    "first": "all to the first touch",
    "last": "all to the last touch",
    "linear": "the same to every touch",
    "position": "40 % to the first touch, 40 % to the last, 20 % to those between",
    "time_decay": "more to the later touches, half as much for every half-life before",
    "markov": "by how much less would be reached in the chain of touches if the channel led nowhere",
    "shapley": "evenly to the channels that were touched, however often",
    "shapley_rates": "by how much more often paths with the channel get there than the same paths without; may be "
    "negative",
}
"""Each model's name, and how it shares out."""
STANDARD = tuple(MODELS)[:-1]
"""The models that are shown where none is named: those whose credits are never negative."""


@dataclass(frozen=True, slots=True)
class ChannelCount:
    """How many touches and persons a channel has, and how many conversions had a touch of it."""

    channel: str
    touches: int
    persons: int
    conversions: int


@dataclass(frozen=True, slots=True)
class Credit:
    """What the channels are credited with for reaching one goal or stage.

    ``channels`` are those of the log by name, and ``none`` at the end where something was reached without a touch.
    ``conversions`` and ``values`` hold for each model the credit of each channel; ``values`` is empty without a value.
    ``errors`` are standard errors of credits that rest on drawn orders.
    """

    target: str
    channels: tuple[str, ...]
    total: int
    conversions: Mapping[str, Mapping[str, float]]
    counts: tuple[ChannelCount, ...]
    paths: int
    total_value: float | None = None
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    errors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the figures for a file."""
        written: dict[str, Any] = {
            "conversions": self.total,
            "paths": self.paths,
            "channels": list(self.channels),
            "models": {model: dict(credit) for model, credit in self.conversions.items()},
            "touches": {
                one.channel: {"touches": one.touches, "persons": one.persons, "conversions": one.conversions}
                for one in self.counts
            },
        }
        if self.total_value is not None:
            written |= {"value": self.total_value, "values": {name: dict(one) for name, one in self.values.items()}}
        if self.errors:
            written["standard_errors"] = {name: dict(one) for name, one in self.errors.items()}
        return written


def require_models(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of models, each once, in their usual order; raises :class:`ChannelsError` for one unknown."""
    for name in names:
        if name not in MODELS:
            meant = ", ".join(nearest(name, tuple(MODELS))) or ", ".join(MODELS)
            raise ChannelsError(f"no model is named {name!r}; did you mean {meant}?")
    return tuple(name for name in MODELS if name in names)


def credit_channels(
    target: str,
    touches: Touches,
    conversions: Conversions,
    *,
    models: Sequence[str] = STANDARD,
    settings: CreditSettings | None = None,
    with_value: bool = False,
    window_us: Window | None = None,
) -> Credit:
    """Return what each model credits to each channel for reaching the target; raises :class:`ChannelsError`.

    ``with_value`` shares out the conversions' values, too. With a window, only touches within it are counted, and make
    paths without a conversion; a conversion's path goes back as far as the lookback.
    """
    chosen, settings = require_models(models), settings or CreditSettings()
    lookback_us = round(settings.lookback_seconds * US_PER_SECOND)
    paths = build_paths(touches, conversions, lookback_us=lookback_us, window_us=window_us)
    total, whole = len(conversions.at_us), float(conversions.value.sum())
    untouched = paths.lengths[:total] == 0
    channels = (*touches.names, NONE) if untouched.any() else touches.names
    shares, errors, worth = {}, {}, {}
    for model in chosen:
        shares[model], error = _share(model, paths, np.ones(total), settings)
        if error is not None and error.any():
            errors[model] = dict(zip(touches.names, error.tolist(), strict=True))
        if with_value:
            worth[model], _ = _share(model, paths, conversions.value, settings)
    if any((one < 0).any() for one in worth.values()):
        whole = divisible(whole)
    of_none = float(conversions.value[untouched].sum())
    return Credit(
        target=target,
        channels=channels,
        total=total,
        conversions={name: _named(channels, one, float(untouched.sum()), total) for name, one in shares.items()},
        counts=tuple(_count(touches, paths, window_us)),
        paths=int((paths.lengths > 0).sum()),
        total_value=whole if with_value else None,
        values={name: _named(channels, one, of_none, whole) for name, one in worth.items()},
        errors=errors,
    )


def _share(
    model: str, paths: Paths, reward: FloatArray, settings: CreditSettings
) -> tuple[FloatArray, FloatArray | None]:
    """Return the credit of the channels that were touched (K,), and standard errors where orders were drawn."""
    if model == "shapley_rates":
        drawn = shapley_of_rates(paths, reward)
        return drawn.credit, drawn.error
    rules: Mapping[str, Callable[[Paths, FloatArray], FloatArray]] = {
        "first": first_touch,
        "last": last_touch,
        "linear": linear,
        "position": position_based,
        "time_decay": partial(time_decay, half_life_seconds=settings.half_life_seconds),
        "markov": partial(markov, order=settings.order),
        "shapley": shapley,
    }
    return rules[model](paths, reward), None


def _seconds(name: str, text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ChannelsError(f"the {name} cannot be read: {error}") from error


def _named(channels: Sequence[str], shares: FloatArray, untouched: float, total: float) -> dict[str, float]:
    whole = np.append(shares, untouched)[: len(channels)]
    settled = settle(whole, total, fixed=len(channels) - len(shares))
    return dict(zip(channels, settled.tolist(), strict=True))


def _count(touches: Touches, paths: Paths, window_us: Window | None) -> list[ChannelCount]:
    size = max(1, len(touches.names))
    begin_us, end_us = window_us or (-(1 << 62), 1 << 62)
    inside = (touches.at_us >= begin_us) & (touches.at_us < end_us)
    channel, person = touches.channel[inside], touches.person[inside]
    of_channel = np.bincount(channel, minlength=size)
    persons = np.bincount(np.unique(person * size + channel) % size, minlength=size)
    before = int(paths.starts[len(paths.value)])
    led = np.unique(paths.owner[:before] * size + paths.channel[:before]) % size
    conversions = np.bincount(led, minlength=size)
    return [
        ChannelCount(name, int(of_channel[place]), int(persons[place]), int(conversions[place]))
        for place, name in enumerate(touches.names)
    ]
