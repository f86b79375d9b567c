"""A local language model may say a sentence in other words; it may add, drop or turn nothing.

``DROPOFF_REPHRASE`` is a command, which reads the sentence and writes another, or an address on this machine that
answers a POST of the sentence, as plain text.
"""

import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from insights.story.causal_words import has_causal_word
from insights.story.sentence import Sentence, Unfounded

Rephrase = Callable[[str], str]
"""Takes a sentence and returns another."""
SETTING = "DROPOFF_REPHRASE"
TIMEOUT_SECONDS = 20.0
LONGEST = 3
"""Who needs three times as many letters says something else."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Every digit, with what binds it to a number, and every word that is one.
_FIGURE = re.compile(
    r"[-\N{MINUS SIGN}+]?\d+(?:[.,:]\d+)*\s?%?|"
    r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?|millions?|billions?|dozens?|"
    r"half|halves|thirds?|quarters?|doubled?|tripled?|once|twice|thrice|single|first|second|none|all|every|both)\b",
    re.IGNORECASE,
)
_TURNS = {
    "more": "more most higher highest rose rises risen rise rising grew grown growth increased increase increases up "
    "above over",
    "less": "less least lower lowest fell falls fallen fall falling fewer fewest decreased decrease decreases down "
    "below under",
    "not": "not no never without nobody nothing neither nor cannot hardly barely",
    "chance": "chance random randomised randomized significant significantly",
    "likely": "likely probably perhaps maybe expected certain certainly surely definitely always",
}
_WORD = re.compile(r"[a-z]+(?:['\N{RIGHT SINGLE QUOTATION MARK}]t)?", re.IGNORECASE)


class RephraseError(ValueError):
    """The setting cannot be used; the text says what to write."""


def rephrase_by(setting: str) -> Rephrase | None:
    """Return what a setting stands for; None for an empty one. Raises :class:`RephraseError`."""
    if not setting.strip():
        return None
    parts = urlsplit(setting)
    if parts.scheme in ("http", "https"):
        if parts.hostname not in _LOOPBACK:
            raise RephraseError(
                f"{SETTING}={setting!r} is no address of this machine; figures do not leave it: write http://127.0.0.1:PORT/"
            )
        return lambda text: _ask(setting, text)
    try:
        command = shlex.split(setting)
    except ValueError as error:
        raise RephraseError(f"{SETTING}={setting!r} is no command ({error})") from error
    return lambda text: _run(command, text)


def keep_or_rephrase(sentence: Sentence, rephrase: Rephrase) -> Sentence:
    """Return the sentence in other words where these say the same, else as it is."""
    offered = " ".join(rephrase(sentence.text).split())
    names = [one.text for one in sentence.figures if one.is_name]
    if not says_the_same(sentence.text, offered, names):
        return sentence
    try:
        return replace(sentence, text=offered)
    except Unfounded:
        return sentence


def says_the_same(text: str, offered: str, names: list[str]) -> bool:
    """Return whether other words keep every number, every name and every turn of a sentence, and claim no cause.

    Numbers are digits and words; turns are words such as "more", "less" and "not". All have to occur as often.
    """
    if not offered or len(offered) > LONGEST * len(text) or has_causal_word(offered):
        return False
    if any(text.count(name) != offered.count(name) for name in names):
        return False
    return _figures(text) == _figures(offered) and _turns(text) == _turns(offered)


def _figures(text: str) -> Counter[str]:
    return Counter(found.replace(" ", "").replace("\N{MINUS SIGN}", "-").lower() for found in _FIGURE.findall(text))


def _turns(text: str) -> Counter[str]:
    turns = {word: turn for turn, listed in _TURNS.items() for word in listed.split()}
    words = [word.lower() for word in _WORD.findall(text)]
    return Counter(
        "not" if not word.isalpha() else turns[word] for word in words if word in turns or not word.isalpha()
    )


def _run(command: list[str], text: str) -> str:
    try:
        ran = subprocess.run(  # noqa: S603 (the command is the owner's own setting; the sentence goes to its input)
            command, input=text, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise RephraseError(f"{SETTING}: {shlex.join(command)} did not rephrase a sentence ({error})") from error
    return ran.stdout


def _ask(address: str, text: str) -> str:
    request = Request(address, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})  # noqa: S310 (loopback)
    try:
        # Without proxies and redirects to other machines: figures stay on this one.
        with build_opener(ProxyHandler({})).open(request, timeout=TIMEOUT_SECONDS) as answer:
            content: bytes = answer.read(100_000)
    except (URLError, OSError) as error:
        raise RephraseError(f"{SETTING}: {address} did not rephrase a sentence ({error})") from error
    return content.decode("utf-8", "replace")
