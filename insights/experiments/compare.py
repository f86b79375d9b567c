"""The difference of two arms and its variance, from their moments: means, ratios and their adjustment by covariates.

A ratio of sums is linearised about itself (delta method; Deng, Knoblich and Lu 2018, KDD): each person counts
(y - r d) / mean(d), so that many sessions of one person are one observation. A mean is the ratio over 1. Covariates are
CUPED (Deng, Xu, Kohavi and Walker 2013, WSDM): what a regression within the arms, of all covariates together, expects
of the difference between the arms' covariates is taken off. At unequal odds people are weighted by one over their own
(Hajek's estimate). All is vectorised over any leading axes, such as looks or segments.
"""

from dataclasses import dataclass

import numpy as np

from decisions.logged import BoolArray
from features.events import FloatArray
from insights.experiments.moments import COUNTED, COVARIATES, DIVIDED, ONE, Moments


@dataclass(frozen=True, slots=True)
class Compared:
    """Treated minus control, (G,) each; ``control`` and ``treated`` are the arms' values, adjusted."""

    control_people: FloatArray
    treated_people: FloatArray
    control: FloatArray
    treated: FloatArray
    control_variance: FloatArray
    treated_variance: FloatArray
    plain_control: FloatArray
    plain_treated: FloatArray
    plain_variance: FloatArray
    """Of the unadjusted difference."""

    @property
    def difference(self) -> FloatArray:
        """The difference, adjusted."""
        return self.treated - self.control

    @property
    def variance(self) -> FloatArray:
        """The variance of the difference, adjusted."""
        return self.control_variance + self.treated_variance

    @property
    def plain_difference(self) -> FloatArray:
        """The difference as observed."""
        return self.plain_treated - self.plain_control

    @property
    def removed(self) -> FloatArray:
        """The share of the variance that the covariates remove; 0 where there is none to remove."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found: FloatArray = 1 - self.variance / self.plain_variance
        return np.where(self.plain_variance > 0, found, 0.0)

    @property
    def freedom(self) -> FloatArray:
        """Welch's degrees of freedom."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found: FloatArray = self.variance**2 / (
                self.control_variance**2 / (self.control_people - 1)
                + self.treated_variance**2 / (self.treated_people - 1)
            )
        return np.where(np.isfinite(found), found, np.maximum(1.0, self.control_people + self.treated_people - 2))


ROUNDING = 1e-12
"""What is left by rounding is smaller than this part of what was taken away."""


def compare(control: Moments, treated: Moments) -> Compared:
    """Return the comparison of two arms of the same shape; NaN where an arm has nothing to divide by."""
    arms = (control, treated)
    with np.errstate(divide="ignore", invalid="ignore"):
        totals = [arm.first[..., ONE, ONE] for arm in arms]
        centred = [arm.first[..., ONE, COUNTED] / arm.first[..., ONE, DIVIDED] for arm in arms]
        gradients = [_gradient(arm, ratio) for arm, ratio in zip(arms, centred, strict=True)]
        plain = [_variance(arm, gradient) for arm, gradient in zip(arms, gradients, strict=True)]
        means = [arm.first[..., ONE, COVARIATES:] / total[..., None] for arm, total in zip(arms, totals, strict=True)]
    values, variances = centred, plain
    if control.first.shape[-1] > COVARIATES:
        slopes = _slopes(arms, gradients, means)
        weighted = [mean * total[..., None] for mean, total in zip(means, totals, strict=True)]
        pooled = (weighted[0] + weighted[1]) / (totals[0] + totals[1])[..., None]
        values = [one - np.sum(slopes * (mean - pooled), -1) for one, mean in zip(centred, means, strict=True)]
        variances = [
            _variance(arm, _adjusted(gradient, slopes, mean))
            for arm, gradient, mean in zip(arms, gradients, means, strict=True)
        ]
    return Compared(
        control.count,
        treated.count,
        _back(values[0], control.shift),
        _back(values[1], control.shift),
        variances[0],
        variances[1],
        _back(centred[0], control.shift),
        _back(centred[1], control.shift),
        plain[0] + plain[1],
    )


def _back(centred: FloatArray, shift: FloatArray | float) -> FloatArray:
    """Return values before they were centred; what is left of a zero by rounding is a zero."""
    found = centred + shift
    return np.where(np.abs(found) <= ROUNDING * np.abs(shift), 0.0, found)


def _gradient(arm: Moments, ratio: FloatArray) -> FloatArray:
    """Return what each part of a row adds to a person's linearised value, (G, K); its mean over the arm is zero."""
    gradient = np.zeros(arm.first.shape[:-1])
    scale = arm.first[..., ONE, DIVIDED] / arm.first[..., ONE, ONE]
    gradient[..., COUNTED] = 1 / scale
    gradient[..., DIVIDED] = -ratio / scale
    return gradient


def _variance(arm: Moments, gradient: FloatArray) -> FloatArray:
    """Return the variance of the arm's mean of linearised values, with Bessel's correction."""
    summed = np.einsum("...i,...ij,...j->...", gradient, arm.second, gradient)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: FloatArray = np.maximum(0.0, summed) / arm.first[..., ONE, ONE] ** 2 * arm.count / (arm.count - 1)
    return found


def _slopes(arms: tuple[Moments, Moments], gradients: list[FloatArray], means: list[FloatArray]) -> FloatArray:
    """Return the regression of linearised values on the covariates within the two arms, (G, q)."""
    spread = np.zeros(1)
    shared = np.zeros(1)
    for arm, gradient, mean in zip(arms, gradients, means, strict=True):
        total = arm.first[..., ONE, ONE][..., None, None]
        spread = spread + arm.first[..., COVARIATES:, COVARIATES:] - total * mean[..., :, None] * mean[..., None, :]
        shared = shared + np.einsum("...qk,...k->...q", arm.first[..., COVARIATES:, :], gradient)
    # A covariate without any spread, or a copy of others, has no slope of its own.
    usable: BoolArray = np.asarray(np.isfinite(spread).all((-1, -2)) & np.isfinite(shared).all(-1), np.bool_)
    scale = np.sqrt(np.maximum(0.0, np.where(usable[..., None], np.einsum("...qq->...q", spread), 1.0)))
    scale = np.where(scale > 0, scale, 1.0)
    scaled = np.where(usable[..., None, None], spread, 0.0) / (scale[..., :, None] * scale[..., None, :])
    inverse = np.linalg.pinv(scaled, rcond=1e-9, hermitian=True)
    target = np.where(usable[..., None], shared, 0.0) / scale
    found: FloatArray = np.einsum("...qr,...r->...q", inverse, target) / scale
    return found


def _adjusted(gradient: FloatArray, slopes: FloatArray, mean: FloatArray) -> FloatArray:
    adjusted = gradient.copy()
    adjusted[..., COVARIATES:] -= slopes
    adjusted[..., ONE] += np.sum(slopes * mean, -1)
    return adjusted
