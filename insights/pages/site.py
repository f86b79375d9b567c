"""The pages there are, in the order of the navigation; the first is the one at ``/``."""

from collections.abc import Callable
from typing import NamedTuple

from insights.pages import (
    alerts,
    blockers,
    channels,
    cohorts,
    data,
    effects,
    experiments,
    funnel,
    glossary,
    governance,
    map,
    opportunities,
    overview,
    pacing,
    playbook,
    sessions,
    story,
)
from insights.pages.figure import Page, View


class Entry(NamedTuple):
    """One page: its address, its name in the navigation, and the function that makes it."""

    slug: str
    title: str
    make: Callable[[View], Page]


PAGES: tuple[Entry, ...] = (
    Entry("overview", "Overview", overview.page),
    Entry("funnel", "Funnel", funnel.page),
    Entry("blockers", "Blockers", blockers.page),
    Entry("cohorts", "Cohorts", cohorts.page),
    Entry("opportunities", "Opportunities", opportunities.page),
    Entry("effects", "Effects", effects.page),
    Entry("experiments", "Experiments", experiments.page),
    Entry("playbook", "Playbook", playbook.page),
    Entry("channels", "Channels", channels.page),
    Entry("pacing", "Pacing", pacing.page),
    Entry("alerts", "Alerts", alerts.page),
    Entry("sessions", "Live sessions", sessions.page),
    Entry("map", "Journey map", map.page),
    Entry("story", "Story", story.page),
    Entry("data", "Data health", data.page),
    Entry("governance", "Governance", governance.page),
    Entry("glossary", "Glossary", glossary.page),
)


def find(slug: str) -> Entry | None:
    """Return the page at an address; None for an unknown one."""
    return next((entry for entry in PAGES if entry.slug == slug), None)
