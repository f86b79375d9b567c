"""What the forms of the pages change; each is posted to ``/SLUG/NAME``."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from serving import annotations, governance, playbook
from serving.opportunities import take_status
from serving.runtime import Runtime

AUTHOR = "author"
"""The field that says who writes."""


@dataclass(frozen=True, slots=True)
class TakenForm:
    """A form that is taken: ``change`` writes down what it holds, and ``done`` is what the page says then.

    ``change`` raises ClientError for what cannot be used; the page then says that.
    """

    change: Callable[[Runtime, Mapping[str, str]], Awaitable[None]]
    done: str


FORMS: Mapping[tuple[str, str], TakenForm] = {
    ("alerts", "annotate"): TakenForm(annotations.take_annotation, "Noted down."),
    ("alerts", "acknowledge"): TakenForm(annotations.acknowledge, "The alarm is acknowledged."),
    ("alerts", "close"): TakenForm(annotations.close, "The alarm is closed."),
    ("governance", "milestone"): TakenForm(governance.add_milestone, "The milestone is added."),
    ("governance", "done"): TakenForm(governance.complete_milestone, "The milestone is done."),
    ("governance", "review"): TakenForm(governance.hold_review, "The next agenda begins after that day."),
    ("opportunities", "status"): TakenForm(take_status, "The status of the opportunity is saved."),
    ("playbook", "status"): TakenForm(playbook.set_status, "The status of the tactic is saved."),
    ("playbook", "learn"): TakenForm(playbook.learn, "What was learnt is saved."),
    ("playbook", "add"): TakenForm(playbook.add, "The tactic is in the playbook."),
}
"""The forms by the slug of their page and their name."""
