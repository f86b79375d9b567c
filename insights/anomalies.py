"""What has changed in a journey's exit rates: which stage, which cohort, since when and how much.

The rate of a stage is that of exits among the sessions that reached it. Fewer sessions reach the stages after one at
which more are abandoned, but of those that do as many leave as ever: a change is found where it is, and only there.

An abandonment is known only after the session timeout, so a step counts once what became of its sessions is known
(:mod:`insights.counts`). Day by day each cell's baseline is learnt from the days before, and the day's steps are added
to two CUSUMs, for a rise and a fall. Nothing that came later is used, so that a log that grows tells the same story.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from features.events import FloatArray, IntArray
from insights.baseline import Baseline, BoolArray, fit_baseline, stray
from insights.change_point import ChangePoint, Size, find_change, measure_size
from insights.counts import Counts
from insights.cusum import increments, move_on
from insights.episodes import Closing, Direction, Found, has_returned
from insights.scope import choose_scope
from insights.watching import WEEKS_PER_PERIOD, Watching, calibrate

_REFINED_DAYS = 1


@dataclass(slots=True)
class Watched:
    """What watching a log found: alarms, and beside every count what was expected; NaN where nothing was watched."""

    counts: Counts
    watching: Watching
    rates: FloatArray
    """(C, T) expected exit rates."""
    scale: FloatArray
    """(C, T) by how much the variance of exits exceeds the binomial's."""
    errors: FloatArray
    """(C, T) relative standard errors of the expected rates."""
    thresholds: FloatArray
    """(2, C) of rises and falls; infinite where a cell is not watched."""
    found: list[Found] = field(default_factory=list)
    baseline: Baseline | None = None

    @property
    def first_step(self) -> int:
        """The first step that was watched; the number of steps if none was."""
        known = np.flatnonzero(np.isfinite(self.rates).any(axis=0))
        return int(known[0]) if len(known) else len(self.counts.calendar)

    def refine(self, one: Found) -> ChangePoint:
        """Return since when a change has lasted, as known a day after it was found."""
        last = min(one.detected + _REFINED_DAYS * self.counts.calendar.step.per_day, self.counts.matured - 1)
        if one.closed is not None:
            last = max(min(last, one.closed), one.detected)
        return _change(self, one.cell, last, before=one)

    def size(self, cell: int, since: int, until: int) -> Size:
        """Return how far a cell's rate moved over the steps ``since`` to ``until``, both included."""
        span = slice(since, until + 1)
        return measure_size(
            self.counts.entered[cell, span].astype(np.float64),
            self.counts.exited[cell, span].astype(np.float64),
            self.rates[cell, span],
            self.scale[cell, span],
            float(self.errors[cell, until]),
        )


def watch_rates(counts: Counts, watching: Watching | None = None, thresholds: FloatArray | None = None) -> Watched:
    """Walk through the steps of a log as they came, and return what moved; ``thresholds`` (2, C) spare finding them."""
    watched, usable = _begin(counts, watching)
    sums = np.zeros((2, len(counts.cells)))
    calibrated_at: int | None = None
    for day, block in _blocks(watched):
        _settle(watched, sums, usable, day)
        baseline = _learn(watched, usable, day, block)
        if baseline is None:
            continue
        if thresholds is not None:
            watched.thresholds = thresholds
        elif calibrated_at is None or day - calibrated_at >= 7 * WEEKS_PER_PERIOD:
            watched.thresholds, calibrated_at = calibrate(counts, watched.watching, baseline, day), day
        _advance(watched, sums, usable, block, baseline)
    return watched


def expect_rates(counts: Counts, known: Sequence[Found] = (), watching: Watching | None = None) -> Watched:
    """Return what is expected at each step, where it is known what moved; nothing is looked for."""
    watched, blank = _begin(counts, watching)
    for day, block in _blocks(watched):
        usable = blank.copy()
        for one in known:
            rows = _at_stage(counts, one.cell)
            if one.detected >= block[0]:
                continue
            if one.closed is None or one.closed >= block[0]:
                usable[rows, one.since :] = False
            elif one.how is Closing.STAYED:
                usable[rows, : one.since] = False
            else:
                usable[rows, one.since : one.closed + 1] = False
        _learn(watched, usable, day, block)
    watched.found = list(known)
    return watched


def _begin(counts: Counts, watching: Watching | None) -> tuple[Watched, BoolArray]:
    settings = Watching.by(counts.calendar.step) if watching is None else watching
    blank = np.full(counts.entered.shape, np.nan)
    thresholds = np.full((2, len(counts.cells)), np.inf)
    watched = Watched(counts, settings, blank, blank.copy(), blank.copy(), thresholds)
    usable = np.ones(counts.entered.shape, bool)
    usable[:, counts.matured :] = False
    return watched, usable


def _blocks(watched: Watched) -> Iterator[tuple[int, list[int]]]:
    """Yield the days from which on steps are watched with what the days before have taught, and those steps."""
    counts, settings = watched.counts, watched.watching
    of_day = counts.calendar.day[: counts.matured]
    first, last = settings.least_history_days + settings.gap_days, int(counts.calendar.day[-1])
    for day in range(first, last + 1, settings.fit_every_days):
        block = np.flatnonzero((of_day >= day) & (of_day < day + settings.fit_every_days))
        if len(block):
            yield day, block.tolist()


def _learn(watched: Watched, usable: BoolArray, day: int, block: list[int]) -> Baseline | None:
    """Learn what is usual from the days before, keep what it makes of a block of steps, and return it."""
    counts, settings = watched.counts, watched.watching
    until = day - settings.gap_days
    of_day = counts.calendar.day
    steps = np.flatnonzero((of_day >= until - settings.history_days) & (of_day < until))
    if len(steps) < settings.least_history_days * counts.calendar.step.per_day * 0.9:
        return None
    baseline = fit_baseline(counts.entered, counts.exited, counts.parent, counts.calendar, steps, usable)
    watched.baseline = baseline
    watched.rates[:, block] = baseline.rates(counts.calendar, np.array(block))
    watched.scale[:, block] = stray(counts.entered[:, block].astype(np.float64), baseline.rho)
    watched.errors[:, block] = baseline.errors(day)[:, None]
    return baseline


def _advance(watched: Watched, sums: FloatArray, usable: BoolArray, block: Sequence[int], baseline: Baseline) -> None:
    counts, settings = watched.counts, watched.watching
    span = slice(block[0], block[-1] + 1)
    n, x = (values[:, span].astype(np.float64) for values in (counts.entered, counts.exited))
    ratios = {Direction.RISE: settings.ratio, Direction.FALL: 1 / settings.ratio}
    llr = np.stack([increments(n, x, watched.rates[:, span], baseline.rho, ratio) for ratio in ratios.values()])
    for place, step in enumerate(block):
        sums[:] = move_on(sums, llr[:, :, place])
        _close(watched, sums, usable, step)
        for side, direction in enumerate(ratios):
            raised = np.flatnonzero(sums[side] >= watched.thresholds[side])
            # Stages first: their cohorts' alarms are then part of theirs.
            for cell in sorted(raised.tolist(), key=lambda one: (counts.parent[one] >= 0, -sums[side, one])):
                if sums[side, cell] >= watched.thresholds[side, cell]:
                    _raise(watched, sums, usable, step, cell, direction)


def _raise(watched: Watched, sums: FloatArray, usable: BoolArray, step: int, cell: int, direction: Direction) -> None:
    counts = watched.counts
    stage = cell if counts.parent[cell] < 0 else int(counts.parent[cell])
    rows = _at_stage(counts, cell)
    side = list(Direction).index(direction)
    opened = [one for one in watched.found if one.closed is None and one.cell in rows and one.direction is direction]
    whole = next((one for one in opened if one.cell == stage), None)
    if whole is not None:
        if cell != stage:
            whole.together.add(cell)
        sums[side, cell] = 0.0
        return
    # How long the change has lasted is known from the cell that shows it; which part of the stage moved, since then.
    since = _change(watched, cell, step).place
    moved = _moved(watched, rows, since, step)
    changed = stage if moved is None else moved
    if counts.parent[cell] >= 0 and moved is None and not _has_moved(watched, stage, since, step, direction):
        changed = cell
    known = next((one for one in opened if one.cell == changed), None)
    if known is not None:
        if cell != changed:
            known.together.add(cell)
        sums[side, cell] = 0.0
        return
    found = Found(changed, direction, _change(watched, changed, step), step)
    if not _has_moved(watched, changed, found.since, step, direction):
        # The evidence is of many steps, none of which it would be certain to begin with: it is gathered anew.
        sums[side, cell] = 0.0
        return
    if cell not in (changed, stage):
        found.together.add(cell)
    if changed == stage:
        for one in opened:
            one.closed, one.how = step, Closing.MERGED
            found.together.add(one.cell)
    watched.found.append(found)
    usable[rows, found.since :] = False
    sums[side, rows] = 0.0


def _window(watched: Watched, cell: int, step: int, before: Found | None) -> slice:
    """Return the steps in which a change of a cell may have begun: not before its last one was over."""
    counts, settings = watched.counts, watched.watching
    first = max(watched.first_step, step + 1 - settings.look_back_days * counts.calendar.step.per_day)
    rows = _at_stage(counts, cell)
    for one in watched.found:
        if one is before:
            break
        if one.closed is not None and one.cell in rows:
            first = max(first, min(one.closed, step))
    return slice(first, step + 1)


def _change(watched: Watched, cell: int, step: int, before: Found | None = None) -> ChangePoint:
    span = _window(watched, cell, step, before)
    counts = watched.counts
    found = find_change(
        counts.entered[cell, span].astype(np.float64),
        counts.exited[cell, span].astype(np.float64),
        watched.rates[cell, span],
        watched.scale[cell, span],
    )
    return replace(
        found, place=found.place + span.start, earliest=found.earliest + span.start, latest=found.latest + span.start
    )


def _moved(watched: Watched, rows: IntArray, since: int, step: int) -> int | None:
    counts, span = watched.counts, slice(since, step + 1)
    chosen = choose_scope(
        counts.entered[rows, span].astype(np.float64),
        counts.exited[rows, span].astype(np.float64),
        watched.rates[rows, span],
        watched.scale[rows, span],
        range(1, len(rows)),
    )
    return None if chosen is None else int(rows[chosen])


def _has_moved(watched: Watched, cell: int, since: int, step: int, direction: Direction) -> bool:
    size = watched.size(cell, since, step)
    return size.low > 1.0 if direction is Direction.RISE else size.high < 1.0


def _close(watched: Watched, sums: FloatArray, usable: BoolArray, step: int) -> None:
    counts, settings = watched.counts, watched.watching
    for one in watched.found:
        if one.closed is not None or one.detected >= step:
            continue
        rising = one.direction is Direction.RISE
        # Its size when it was found is too large more often than not, and what stays away by less is no return yet.
        ratio = watched.size(one.cell, one.since, step).ratio
        ratio = min(max(ratio, 1.1), settings.ratio) if rising else max(min(ratio, 1 / 1.1), 1 / settings.ratio)
        n, x = float(counts.entered[one.cell, step]), float(counts.exited[one.cell, step])
        back = has_returned(
            one, n, x, float(watched.rates[one.cell, step]), float(watched.scale[one.cell, step]), ratio
        )
        if back:
            _over(watched, sums, one, step, Closing.RETURNED)
            usable[_at_stage(counts, one.cell), step + 1 : counts.matured] = True


def _settle(watched: Watched, sums: FloatArray, usable: BoolArray, day: int) -> None:
    """Take what has lasted for long as what is usual, and no longer learn from what came before."""
    counts = watched.counts
    for one in watched.found:
        if one.closed is None and day - int(counts.calendar.day[one.since]) > watched.watching.settle_days:
            _over(watched, sums, one, int(np.argmax(counts.calendar.day >= day)), Closing.STAYED)
            rows = _at_stage(counts, one.cell)
            usable[rows, : one.since] = False
            usable[rows, one.since : counts.matured] = True


def _over(watched: Watched, sums: FloatArray, one: Found, step: int, how: Closing) -> None:
    one.closed, one.how = step, how
    sums[:, _at_stage(watched.counts, one.cell)] = 0.0


def _at_stage(counts: Counts, cell: int) -> IntArray:
    """Return the places of a cell's whole stage and of all its cohorts, the stage first."""
    stage = cell if counts.parent[cell] < 0 else int(counts.parent[cell])
    return np.concatenate(([stage], np.flatnonzero(counts.parent == stage)))
