"""Keys in the database: made, rotated, revoked, in both databases alike."""

import pytest
from sqlalchemy import Engine, text

from storage.audit import read_audit
from storage.database import writing
from storage.key_store import Grant, KeyMistake, KeyStore, StoredKey
from storage.key_text import digest_of

NOW_US = 1_772_368_200_000_000
DAY_US = 86_400_000_000
SHOP = Grant("web shop", frozenset({"write"}))


@pytest.fixture
def store(engine: Engine) -> KeyStore:
    return KeyStore(engine)


def add(engine: Engine, store: KeyStore, grant: Grant = SHOP, now_us: int = NOW_US) -> StoredKey:
    with writing(engine) as connection:
        made = store.add(connection, grant, actor="ada", now_us=now_us)
    [key] = [one for one in store.all_keys() if one.key_id == made.key_id]
    assert key.digest == digest_of(made.text)
    return key


def test_a_key_opens_what_it_was_made_for(engine: Engine, store: KeyStore) -> None:
    grant = Grant("Ops", frozenset({"read", "admin"}), "ecommerce", 2.5, 1_000, NOW_US + DAY_US)
    key = add(engine, store, grant)
    assert key.grant == grant
    assert (key.created_us, key.revoked_us, key.last_used_us) == (NOW_US, None, None)
    assert not key.is_over(NOW_US + DAY_US - 1)
    assert key.is_over(NOW_US + DAY_US)


def test_no_text_of_a_key_is_in_the_database(engine: Engine, store: KeyStore) -> None:
    with writing(engine) as connection:
        made = store.add(connection, SHOP, actor="ada", now_us=NOW_US)
    secret = made.text.rpartition("_")[2]
    with engine.connect() as connection:
        for table in ("keys", "audit"):
            assert secret not in str(connection.execute(text(f"SELECT * FROM {table}")).all())


def test_a_revoked_key_stays_known_and_opens_nothing(engine: Engine, store: KeyStore) -> None:
    key = add(engine, store)
    with writing(engine) as connection:
        store.revoke(connection, key.key_id, actor="ada", now_us=NOW_US + 5)
    [revoked] = store.all_keys()
    assert (revoked.revoked_us, revoked.is_over(NOW_US + 5)) == (NOW_US + 5, True)
    for change in (store.revoke, store.rotate):
        more = {"overlap_us": 1} if change == store.rotate else {}
        with pytest.raises(KeyMistake, match="opens nothing any more"), writing(engine) as connection:
            change(connection, key.key_id, actor="ada", now_us=NOW_US + 6, **more)


def test_old_and_new_key_overlap_during_a_rotation(engine: Engine, store: KeyStore) -> None:
    old = add(engine, store)
    with writing(engine) as connection:
        made, ending = store.rotate(connection, old.key_id, overlap_us=DAY_US, actor="ada", now_us=NOW_US + 1)
    assert ending.grant.expires_us == NOW_US + 1 + DAY_US
    keys = {key.key_id: key for key in store.all_keys()}
    assert keys[made.key_id].grant == SHOP
    assert not keys[old.key_id].is_over(NOW_US + DAY_US)
    assert keys[old.key_id].is_over(NOW_US + 1 + DAY_US)


def test_a_rotated_key_lives_as_long_as_the_old_one_did_and_the_old_one_no_longer(
    engine: Engine, store: KeyStore
) -> None:
    old = add(engine, store, Grant("x", frozenset({"read"}), expires_us=NOW_US + 90 * DAY_US))
    then_us = NOW_US + 89 * DAY_US + DAY_US // 2
    with writing(engine) as connection:
        made, ending = store.rotate(connection, old.key_id, overlap_us=DAY_US, actor="ada", now_us=then_us)
    assert ending.grant.expires_us == NOW_US + 90 * DAY_US
    [new] = [key for key in store.all_keys() if key.key_id == made.key_id]
    assert new.grant.expires_us == then_us + 90 * DAY_US


def test_the_audit_names_keys_by_their_id_in_the_journey_that_they_open_or_in_each(
    engine: Engine, store: KeyStore
) -> None:
    everywhere = add(engine, store)
    here = add(engine, store, Grant("here", frozenset({"admin"}), "ecommerce"))
    with writing(engine) as connection:
        store.revoke(connection, everywhere.key_id, actor="bob", now_us=NOW_US + 9)
    with engine.connect() as connection:
        shop, other = read_audit(connection, "ecommerce"), read_audit(connection, "onboarding")
    told = [(entry.actor, entry.action, entry.subject) for entry in shop]
    assert told == [
        ("ada", "new key", f"key {everywhere.key_id}"),
        ("ada", "new key", f"key {here.key_id}"),
        ("bob", "revoke key", f"key {everywhere.key_id}"),
    ]
    assert [entry.subject for entry in other] == [f"key {everywhere.key_id}"] * 2


@pytest.mark.parametrize(
    ("grant", "said"),
    [
        (Grant(" ", frozenset({"read"})), "printable characters"),
        (Grant("a\nb", frozenset({"read"})), "printable characters"),
        (Grant("a" * 101, frozenset({"read"})), "printable characters"),
        (Grant("a", frozenset()), "at least one permission"),
        (Grant("a", frozenset({"read"}), requests_per_second=0), "greater than 0"),
        (Grant("a", frozenset({"read"}), max_body_bytes=-1), "greater than 0"),
        (Grant("a", frozenset({"read"}), expires_us=NOW_US), "before it is made"),
    ],
)
def test_a_key_that_cannot_be_meant_is_not_made(engine: Engine, store: KeyStore, grant: Grant, said: str) -> None:
    with pytest.raises(KeyMistake, match=said), writing(engine) as connection:
        store.add(connection, grant, actor="ada", now_us=NOW_US)
    assert store.all_keys() == ()


def test_when_a_key_was_used_is_kept(engine: Engine, store: KeyStore) -> None:
    key = add(engine, store)
    with writing(engine) as connection:
        store.mark_used(connection, {key.key_id: NOW_US + 3, "gone": NOW_US})
    assert [one.last_used_us for one in store.all_keys()] == [NOW_US + 3]


def test_a_login_is_ended_once_and_forgotten_when_it_had_ended_anyway(engine: Engine, store: KeyStore) -> None:
    for login_id, until_us, now_us in (
        ("a", NOW_US + 10, NOW_US),
        ("a", NOW_US + 10, NOW_US),
        ("b", NOW_US + 99, NOW_US),
    ):
        with writing(engine) as connection:
            store.end_login(connection, login_id, until_us=until_us, now_us=now_us)
    assert store.ended_logins(NOW_US) == {"a", "b"}
    assert store.ended_logins(NOW_US + 10) == {"b"}
    with writing(engine) as connection:
        store.end_login(connection, "c", until_us=NOW_US + 99, now_us=NOW_US + 11)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM ended_logins")).scalar() == 2
