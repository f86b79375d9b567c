"""A story as Markdown, as one HTML file without a script, and as an e-mail with both."""

from collections.abc import Iterator
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path

from insights.pages.figure import Figure
from insights.pages.write import write
from insights.story.compose import Story
from insights.story.sentence import Sentence

SUFFIXES = (".md", ".html", ".eml")
_TEMPLATES = Path(__file__).parents[1] / "pages" / "templates"


def write_story(story: Story, out: Path) -> None:
    """Write a story in the form that the file's name ends in: ``.md``, ``.html`` or ``.eml``."""
    out.parent.mkdir(parents=True, exist_ok=True)
    match out.suffix:
        case ".md":
            out.write_text(to_markdown(story), encoding="utf-8")
        case ".eml":
            out.write_bytes(bytes(to_mail(story)))
        case _:
            out.write_text(to_html(story), encoding="utf-8")


def to_markdown(story: Story) -> str:
    """Return the story; each sentence links to its figures, which stand as tables at the end."""
    lines = [f"# {_escaped(story.title)}", "", _escaped(story.subtitle)]
    for section in story.sections:
        lines += ["", f"## {_escaped(section.title)}", ""]
        lines += [f"* {_marked(one)}" for one in section.sentences]
        for retold in section.retold:
            lines += ["", _marked(retold.heading), ""]
            lines += [f"1. {_marked(one)}" for one in retold.steps]
    lines += ["", "## Figures"]
    for figure in story.figures():
        lines += ["", f'<a id="{figure.name}"></a>', "", f"### {_escaped(figure.title)}", ""]
        lines += [_escaped(figure.definition), "", *_rows(figure, story.timezone)]
    return "\n".join(lines) + "\n"


def to_html(story: Story) -> str:
    """Return the story as one file for browsers and mail programs: styles inline, tables, no script."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    tables = [(figure, list(_cells(figure, story.timezone))) for figure in story.figures()]
    return environment.get_template("story.html").render(story=story, tables=tables, figures_of=figures_of)


def to_mail(story: Story, sender: str = "dropoff@localhost") -> EmailMessage:
    """Return the story as an e-mail to be sent: plain text, and HTML beside it."""
    mail = EmailMessage()
    mail["Subject"] = f"{story.title}, {story.subtitle}"
    mail["From"] = Address("dropoff", *sender.split("@", 1))
    mail.set_content(to_text(story))
    mail.add_alternative(to_html(story), subtype="html")
    return mail


def to_text(story: Story) -> str:
    """Return the story as plain text, with the names of the figures behind each sentence."""
    lines = [story.title, story.subtitle]
    for section in story.sections:
        lines += ["", section.title.upper(), ""]
        lines += [f"- {one.text} [{', '.join(figures_of(one))}]" for one in section.sentences]
        for retold in section.retold:
            lines += ["", f"{retold.heading.text} [{', '.join(figures_of(retold.heading))}]"]
            lines += [f"  - {one.text} [{', '.join(figures_of(one))}]" for one in retold.steps]
    return "\n".join(lines) + "\n"


def figures_of(sentence: Sentence) -> list[str]:
    """Return the names of a sentence's figures, each once."""
    return list(dict.fromkeys(one.figure for one in sentence.figures))


def _marked(sentence: Sentence) -> str:
    links = ", ".join(f"[{name}](#{name})" for name in figures_of(sentence))
    return f"{_escaped(sentence.text)} ({links})"


def _rows(figure: Figure, timezone: str) -> Iterator[str]:
    yield "| " + " | ".join(_escaped(column.label) for column in figure.table.columns) + " |"
    yield "|" + "---|" * len(figure.table.columns)
    for row in _cells(figure, timezone):
        yield "| " + " | ".join(_escaped(text) for text in row) + " |"


def _cells(figure: Figure, timezone: str) -> Iterator[list[str]]:
    units = [column.unit for column in figure.table.columns]
    for row in figure.table.rows:
        yield [write(value, unit, timezone) for value, unit in zip(row, units, strict=True)]


def _escaped(text: str) -> str:
    """Return a text in which nothing is Markdown or HTML."""
    told = "".join(f"\\{letter}" if letter in "\\`*_[]|#" else letter for letter in " ".join(text.split()))
    return told.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
