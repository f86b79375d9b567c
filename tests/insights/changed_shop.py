"""Facts of a small shop in which more people leave the cart from a certain hour on."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from made_facts import MadeSession, write_facts

from insights.facts import Facts

BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
"""A Monday."""
CHANGE = BEGIN + timedelta(days=18, hours=10)
LAST = BEGIN + timedelta(days=21)
SESSIONS_A_DAY = 360
USUAL, CHANGED = 0.25, 0.6


def changed_shop(folder: Path, *, until: datetime = LAST, changed: float = CHANGED) -> Facts:
    """Write facts in which every four minutes a session reaches the cart; ``changed`` of them leave from then on."""
    source, made, at = random.Random(1), list[MadeSession](), BEGIN
    while at < until:
        late = at >= CHANGE
        leaves = source.random() < (changed if late else USUAL)
        asked = source.random() < (0.5 if late else 0.1)
        made.append(
            MadeSession(
                stage=2,
                outcome="abandoned" if leaves else "goal",
                device=source.choice(("mobile", "desktop")),
                started_at=at,
                dwell=(10, 10, 20),
                events=((0, "page_view", 0), (10, "view_product", 1), (20, "add_to_cart", 2))
                + (((25, "view_shipping", 2),) if asked else ()),
                confidences={"SHIPPING": 0.6 if late else 0.3} if leaves else {},
            )
        )
        at += timedelta(minutes=4)
    return write_facts(folder, made)
