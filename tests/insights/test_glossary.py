"""One list of words: the README, the documentation and the page say the same."""

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from made_facts import SHOP, MadeSession, write_facts

from insights.glossary import CORE, INSIGHTS, Term, find_term, to_markdown
from insights.pages.figure import View
from insights.pages.glossary import page

ROOT = Path(__file__).parents[2]


def test_the_readme_has_the_core_words_as_the_list_has_them() -> None:
    assert to_markdown(CORE) in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_documentation_has_the_other_words_as_the_list_has_them() -> None:
    assert to_markdown(INSIGHTS) in (ROOT / "docs" / "insights" / "glossary.md").read_text(encoding="utf-8")


def test_no_word_is_explained_twice() -> None:
    words = Counter(word.strip().casefold() for term in (*CORE, *INSIGHTS) for word in term.word.split(","))
    assert [word for word, count in words.items() if count > 1] == []


def test_every_word_is_found_also_where_two_are_explained_together() -> None:
    assert find_term("User") == find_term("visitor") == Term("visitor, user", CORE[1].meaning)
    assert find_term("drop-off") is find_term("exit rate")
    assert find_term("churn") is None


def test_no_meaning_breaks_a_table() -> None:
    assert not any("|" in term.word + term.meaning or "\n" in term.meaning for term in (*CORE, *INSIGHTS))


def test_the_page_explains_the_words_and_the_journeys_own_names(tmp_path: Path) -> None:
    shown = {one.name: one.table.rows for one in page(View(SHOP, write_facts(tmp_path, [MadeSession()]))).figures}
    assert shown["words"] == tuple((term.word, term.meaning) for term in CORE)
    assert shown["figures"] == tuple((term.word, term.meaning) for term in INSIGHTS)
    assert dict(shown["events"]) == dict(SHOP.events)  # type: ignore[arg-type]
    assert [word for word, _ in shown["stages"]] == [stage.name for stage in SHOP.stages]
