"""Sums over people of what their sessions did: all that estimates need, also where people come more than once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over people: of how many sessions n each had, of what they came to, y, and of the products of both.

    ``count`` is the sum of n and ``total`` that of y, ``count_squares`` that of n n, ``total_squares`` of y y and
    ``products`` of n y. Where y is 1 or 0 in a session, ``total`` are its hits. For independent values let everybody
    have one session.
    """

    people: int
    count: int
    total: float
    count_squares: float
    total_squares: float
    products: float

    @property
    def mean(self) -> float:
        """What a session came to in the mean; there has to be one."""
        return self.total / self.count

    @property
    def hits(self) -> int:
        """Sessions in which it was so, where y is 1 or 0."""
        return round(self.total)

    @property
    def variance_of_mean(self) -> float:
        """How far the mean varies with the people, who are drawn with all their sessions; there have to be two.

        Cochran 1977, Sampling Techniques, equation 6.13 (the ratio of two sums) for whole people.
        """
        mean = self.mean
        squares = self.total_squares - 2 * mean * self.products + mean**2 * self.count_squares
        return max(0.0, squares) * self.people / (self.people - 1) / self.count**2

    @property
    def design(self) -> float:
        """How many times the variance of a share is that of independent sessions; at least 1.

        At most it is what it is when all sessions of a person end alike, which is also taken where the share is 0 or 1
        and says nothing about it.
        """
        most = self.count_squares / self.count
        alone = self.mean * (1 - self.mean) / self.count
        if self.people < 2 or alone <= 0:
            return most
        return min(max(1.0, self.variance_of_mean / alone), most)
