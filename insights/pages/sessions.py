"""Live sessions."""

from insights.pages.figure import Page, View


def page(view: View) -> Page:
    """Return the sessions."""
    del view
    return Page("sessions", "Live sessions", "Who is on the way.", ())
