"""What a person was recommended before."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PastIntervention:
    """An intervention that this visitor, or another of the same person, was recommended before.

    Of a message, ``on_its_way`` says that it may still arrive, and ``delivered_us`` when it was taken.
    """

    session_id: str
    at_us: int
    name: str
    on_its_way: bool = False
    delivered_us: int | None = None
