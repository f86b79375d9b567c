"""A story as Markdown, HTML and e-mail: every sentence with its figures, and nothing that runs."""

import email
import email.policy
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_facts import SHOP
from made_weeks import two_weeks

from insights.story.compose import Story, tell_week
from insights.story.documents import to_html, to_mail, to_markdown, write_story
from insights.story.week import find_week


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    monkeypatch.setenv("DROPOFF_MIN_CELL", "10")
    facts = two_weeks(tmp_path)
    return tell_week(SHOP, facts, find_week(facts))


class _Read(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.outside: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.append(value)
            if name == "href" and value:
                self.links.append(value)
            if name in ("src", "srcset") or name.startswith("on"):
                self.outside.append(name)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_html_says_every_sentence_and_its_links_lead_to_tables_within_it(story: Story) -> None:
    html = to_html(story)
    assert html.startswith("<!DOCTYPE html>")
    read = _Read(html)
    text = " ".join(read.text.split())
    assert all(sentence.text in text for sentence in story.sentences())
    assert len(read.links) >= sum(1 for _ in story.sentences())
    assert {link.removeprefix("#") for link in read.links} <= set(read.anchors)
    assert read.tags.count("table") == len(story.figures())


def test_the_html_runs_and_fetches_nothing_and_its_styles_are_inline(story: Story) -> None:
    read = _Read(to_html(story))
    assert not {"script", "link", "style", "img", "iframe", "object", "form"} & set(read.tags)
    assert read.outside == []


def test_words_of_a_log_are_neither_html_nor_markdown(story: Story) -> None:
    named = replace(story, title="<b>*x* | y")
    assert "<h1 style" in to_html(named)
    assert "&lt;b&gt;*x* | y" in to_html(named)
    assert to_markdown(named).startswith("# &lt;b&gt;\\*x\\* \\| y\n")


def test_markdown_links_every_sentence_to_a_table_that_it_has(story: Story) -> None:
    text = to_markdown(story)
    for sentence in story.sentences():
        name = sentence.figures[0].figure
        assert f"[{name}](#{name})" in text
        assert f'<a id="{name}"></a>' in text
    assert "* 72 sessions of 72 visitors began in the week, against 60 the week before. ([week](#week))" in text


def test_a_mail_has_the_story_as_text_and_as_html(story: Story) -> None:
    mail = email.message_from_bytes(bytes(to_mail(story)), policy=email.policy.default)
    assert mail.get_content_type() == "multipart/alternative"
    plain, html = (part.get_content() for part in mail.iter_parts())
    assert "WHAT CHANGED" in plain
    assert all(sentence.text in " ".join(plain.split()) for sentence in story.sentences())
    assert html.strip() == to_html(story).strip()
    assert mail["Subject"] == "Online shop: the week in words, Mon 8 Jun 2026 to Sun 14 Jun 2026, Europe/Berlin"


def test_the_name_of_the_file_says_the_form(story: Story, tmp_path: Path) -> None:
    for name, begins in (
        ("a.md", "# Online shop"),
        ("deep/b.html", "<!DOCTYPE html>"),
        ("c.eml", "Subject: Online shop"),
    ):
        write_story(story, tmp_path / name)
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)
