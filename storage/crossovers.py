"""Users whose devices stand on several sides of a randomised comparison."""

from typing import Any

from sqlalchemy import Engine, Select, exists, func, select

from features.identity import Kind
from storage.experiment_tables import exposures
from storage.identity_tables import identity_links


def links_that_hold(journey: str) -> Select[Any]:
    """Return the query for the user and visitor of every link that has not been ended since."""
    later = identity_links.alias()
    ends = exists().where(
        later.c.journey == identity_links.c.journey,
        later.c.visitor_id == identity_links.c.visitor_id,
        later.c.user_id == identity_links.c.user_id,
        later.c.previous_id.is_(None),
        later.c.kind != Kind.LINK.value,
        later.c.position > identity_links.c.position,
    )
    return select(identity_links.c.user_id, identity_links.c.visitor_id).where(
        identity_links.c.journey == journey,
        identity_links.c.kind == Kind.LINK.value,
        identity_links.c.previous_id.is_(None),
        ~ends,
    )


def on_both_sides(journey: str, visitor: Any, side: Any, *conditions: Any) -> Select[int]:
    """Return the query for how many users have visitors on more than one side; ``visitor`` and ``side`` are columns."""
    links = links_that_hold(journey).subquery()
    both = (
        select(links.c.user_id)
        .join(visitor.table, visitor == links.c.visitor_id)
        .where(*conditions)
        .group_by(links.c.user_id)
        .having(func.count(side.distinct()) > 1)
        .subquery()
    )
    return select(func.count()).select_from(both)


def count_crossovers(engine: Engine, journey: str, experiment: str) -> int:
    """Return how many users were exposed to several variants of an experiment, on different devices."""
    mine = (exposures.c.journey == journey, exposures.c.experiment == experiment)
    with engine.connect() as connection:
        query = on_both_sides(journey, exposures.c.visitor_id, exposures.c.variant, *mine)
        return connection.execute(query).scalar_one()
