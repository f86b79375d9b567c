"""A language model may say a sentence in other words, and can add nothing to it."""

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.story.rephrase import RephraseError, keep_or_rephrase, rephrase_by, says_the_same
from insights.story.sentence import FigureRef, Sentence

TEXT = "40 of the 55 sessions that stood at cart were abandoned there: 72.7%, more than the 20.0% before."
SENTENCE = Sentence(
    TEXT,
    tuple(FigureRef("stops", 0, name, text, is_name=name == "stage")
          for name, text in (("left", "40"), ("of", "55"), ("stage", "cart"), ("share", "72.7%"), ("before", "20.0%"))),
)  # fmt: skip
SAME = "At cart, 40 of 55 sessions ended that day, which is 72.7% and more than 20.0% earlier."


def test_other_words_for_the_same_are_taken_with_the_same_figures() -> None:
    kept = keep_or_rephrase(SENTENCE, lambda _text: f"  {SAME}\n")
    assert kept.text == SAME
    assert kept.figures == SENTENCE.figures


@pytest.mark.parametrize(
    "offered",
    [
        "",
        SAME.replace("40", "41"),
        SAME.replace("40", "40 to 45"),
        SAME.replace("55", "about fifty"),
        SAME.replace("72.7%", "72.7"),
        SAME.replace("72.7%", "-72.7%"),
        SAME.replace("cart", "basket"),
        SAME.replace("At cart", "At cart, not at cart"),
        SAME.replace("more", "less"),
        SAME.replace("ended", "never ended"),
        SAME.replace("ended", "didn't end"),
        SAME.replace("which is", "because of delivery, which is"),
        SAME.replace("which is", "an effect of delivery, which is"),
        SAME.replace("40 of 55", "two thirds, 40 of 55"),
        SAME.replace("earlier", "earlier, surely"),
        SAME + " It went on." * 30,
    ],
)
def test_what_says_something_else_is_left(offered: str) -> None:
    assert keep_or_rephrase(SENTENCE, lambda _text: offered) is SENTENCE


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=120), st.integers(0, 120))
def test_no_text_that_is_put_in_can_bring_a_number(added: str, place: int) -> None:
    offered = SAME[:place] + added + SAME[place:]
    kept = keep_or_rephrase(SENTENCE, lambda _text: offered)
    digits = [letter for letter in kept.text if letter.isdigit()]
    assert sorted(digits) == sorted(letter for letter in TEXT if letter.isdigit())


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_numbers_are_the_same_only_where_they_are(one: int, other: int) -> None:
    assert says_the_same(f"It were {one}.", f"There were {other}.", []) == (one == other)


def test_nothing_is_set_where_nothing_is_to_be_rephrased() -> None:
    assert rephrase_by("") is None
    assert rephrase_by("  ") is None


def test_a_command_reads_the_sentence_and_writes_another() -> None:
    script = "import sys; sys.stdout.write(sys.stdin.read().replace('were abandoned', 'ended'))"
    rephrase = rephrase_by(f'{sys.executable} -c "{script}"')
    assert rephrase is not None
    assert keep_or_rephrase(SENTENCE, rephrase).text == TEXT.replace("were abandoned", "ended")


@pytest.mark.parametrize("setting", ["/no/such/command", f"{sys.executable} -c 1/0"])
def test_a_command_that_fails_is_named(setting: str) -> None:
    rephrase = rephrase_by(setting)
    assert rephrase is not None
    with pytest.raises(RephraseError, match="DROPOFF_REPHRASE"):
        rephrase("A sentence.")


@pytest.mark.parametrize(
    "setting", ["http://models.example.com/", "https://10.0.0.7:8000/", "http://127.0.0.1.example.com/"]
)
def test_an_address_of_another_machine_is_refused(setting: str) -> None:
    with pytest.raises(RephraseError, match="no address of this machine"):
        rephrase_by(setting)


def test_a_quote_that_is_not_closed_is_no_command() -> None:
    with pytest.raises(RephraseError, match="no command"):
        rephrase_by("say 'this")


class _Model(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.replace("were abandoned", "ended").encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Model)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_address_on_this_machine_answers_with_another_sentence(address: str) -> None:
    rephrase = rephrase_by(address)
    assert rephrase is not None
    assert keep_or_rephrase(SENTENCE, rephrase).text == TEXT.replace("were abandoned", "ended")
