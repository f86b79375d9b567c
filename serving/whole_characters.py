"""Halves of characters in JSON, which browsers send where a text was cut in the middle of an emoji."""

import re

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_REPLACEMENT = rb"\ufffd"


def with_whole_characters(content: bytes) -> bytes:
    """Return JSON in which the character U+FFFD stands where half of a surrogate pair was escaped.

    RFC 8259, section 8.2, allows such halves, and ``JSON.stringify`` writes them; they are no characters, and
    decoders of JSON refuse all of the text for them.

    >>> with_whole_characters(rb'"lamp \ud83d"')
    b'"lamp \\ufffd"'
    """
    return _ESCAPE.sub(lambda found: _REPLACEMENT if found["half"] else found.group(), content)
