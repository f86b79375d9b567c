"""How a key is written: recognisable, random, and a typing mistake is seen."""

import hashlib
import string
import zlib

from hypothesis import given
from hypothesis import strategies as st

from storage.key_text import KEY_LENGTH, digest_of, is_key, is_well_written, key_id_of, new_key, without_keys

SIGNS = string.digits + string.ascii_uppercase + string.ascii_lowercase


def test_a_key_has_a_prefix_an_id_and_a_secret_of_more_than_128_bits() -> None:
    made = new_key()
    prefix, key_id, secret = made.text.split("_")
    assert (prefix, key_id) == ("do", made.key_id)
    assert is_key(made.text)
    assert key_id_of(made.text) == made.key_id
    # 34 signs of 62 are 202 bits; the last six are the checksum.
    assert len(secret) == 34 + 6
    assert 62**34 > 2**128
    assert set(secret) <= set(SIGNS)


def test_the_checksum_is_the_crc_32_of_the_rest_in_base_62() -> None:
    text = new_key().text
    number = 0
    for sign in text[-6:]:
        number = number * 62 + SIGNS.index(sign)
    assert number == zlib.crc32(text[:-6].encode())


def test_no_two_keys_are_alike() -> None:
    made = [new_key() for _ in range(1_000)]
    assert len({key.text for key in made}) == len({key.key_id for key in made}) == 1_000


@given(place=st.integers(0, KEY_LENGTH - 1), sign=st.sampled_from(SIGNS))
def test_a_wrong_character_is_seen(place: int, sign: str) -> None:
    text = new_key().text
    changed = text[:place] + sign + text[place + 1 :]
    assert is_well_written(changed) == (changed == text)


def test_missing_doubled_and_swapped_characters_are_seen() -> None:
    text = new_key().text
    assert is_well_written(text)
    swaps = [text[:at] + text[at + 1] + text[at] + text[at + 2 :] for at in range(KEY_LENGTH - 1)]
    for wrong in ("", "do_", text[:-1], text + "x", text + " ", text.upper(), *(one for one in swaps if one != text)):
        assert not is_well_written(wrong)


def test_secrets_are_left_out_of_texts_and_ids_stay() -> None:
    one, other = new_key(), new_key()
    text = f'{{"writeKey": "{one.text}", "page": "/?key={other.text}&a=do_it"}}'
    shown = f'{{"writeKey": "do_{one.key_id}_...", "page": "/?key=do_{other.key_id}_...&a=do_it"}}'
    assert without_keys(text) == shown
    # Also where the end is missing.
    assert without_keys(one.text[:-20]) == f"do_{one.key_id}_..."


def test_what_is_kept_is_the_sha_256_and_a_key_is_not_shown_by_accident() -> None:
    made = new_key()
    assert digest_of(made.text) == hashlib.sha256(made.text.encode()).hexdigest()
    assert made.text not in repr(made)
