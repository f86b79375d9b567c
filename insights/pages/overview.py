"""The overview."""

from insights.pages.figure import Column, Figure, Page, Table, Tile, Unit, View


def page(view: View) -> Page:
    """Return the overview."""
    with view.facts.connect(view.filters) as connection:
        count = connection.execute("SELECT count(*) FROM sessions").fetchall()[0][0]
    figure = Figure(
        "sessions",
        "Sessions",
        "Sessions that began in the period.",
        Table((Column("sessions", "Sessions", Unit.COUNT),), ((count,),)),
        Tile("sessions"),
    )
    return Page("overview", "Overview", "How the journey does.", (figure,))
