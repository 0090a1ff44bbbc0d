"""Holds verification to naming the line that somebody changed in the database file itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from emma_core import audit
from emma_core.backends.sqlite import open_store
from emma_core.backends.sqlite_file import path_of
from emma_core.errors import StoreError, TrailError
from emma_core.testing.samples import sealing

LENGTH = 12

EDITS = {
    "UPDATE lines SET line = replace(line, 'clear', 'clean') WHERE {it}": 0,
    "UPDATE lines SET line = CAST(x'ff' AS TEXT) WHERE {it}": 0,
    "UPDATE lines SET line = '' WHERE {it}": 0,
    "UPDATE lines SET hash = upper(hash) WHERE {it}": 0,
    "UPDATE lines SET hash = CAST(x'ff' AS TEXT) WHERE {it}": 0,
    "UPDATE lines SET kind = 'answered' WHERE {it}": 0,
    "UPDATE lines SET kind = 'invented' WHERE {it}": 0,
    "UPDATE lines SET at = '' WHERE {it}": 0,
    "UPDATE lines SET turn = 'other' WHERE {it}": 0,
    "UPDATE lines SET conversation = NULL WHERE {it}": 0,
    "UPDATE lines SET tenant = 'aa' WHERE {it}": 0,
    "UPDATE lines SET seq = seq + 1000 WHERE {it}": 0,
    "UPDATE lines SET seq = -seq WHERE {it}": 0,
    "DELETE FROM lines WHERE {it}": 0,
    "DELETE FROM lines WHERE tenant = 'a' AND seq >= {seq}": 0,
    "DELETE FROM payloads WHERE {it}": 0,
    "UPDATE payloads SET body = replace(body, 'said', 'meant') WHERE {it}": 0,
    "UPDATE payloads SET body = body || ' ' WHERE {it}": 0,
    "UPDATE payloads SET body = CAST(x'ff' AS TEXT) WHERE {it}": 0,
    "UPDATE payloads SET salt = replace(salt, substr(salt, 1, 1), 'x') WHERE {it}": 0,
    "UPDATE payloads SET subject = 'somebody else' WHERE {it}": 0,
    "UPDATE payloads SET seq = seq + 1000 WHERE {it}": 0,
    "UPDATE payloads SET tenant = 'aa' WHERE {it}": 0,
    "UPDATE heads SET seq = {seq} - 1 WHERE tenant = 'a'": 0,
    "UPDATE heads SET seq = {seq} + 12 WHERE tenant = 'a'": LENGTH + 1,
    "UPDATE heads SET hash = (SELECT hash FROM lines WHERE {it}) WHERE tenant = 'a' AND {seq} < 12": LENGTH,
    "UPDATE heads SET at = '' WHERE tenant = 'a' AND {seq} > 0": LENGTH,
    "DELETE FROM heads WHERE tenant = 'a' AND {seq} > 0": LENGTH,
}


@pytest.fixture
async def address_of_a_trail(address: str) -> str:
    store = open_store(address)
    await store.open()
    handle = store.for_tenant("a")
    for number in range(1, LENGTH + 1):
        await handle.append(sealing("a", number, turn=f"t{number}", conversation="c"))
    await store.close()
    return address


async def verified(address: str) -> audit.Verification:
    store = open_store(address)
    await store.open()
    try:
        return await audit.verify_trail(store.for_tenant("a"))
    finally:
        await store.close()


@pytest.mark.parametrize("edit", EDITS)
async def test_an_edit_of_any_row_in_the_file_is_named(address_of_a_trail: str, edit: str) -> None:
    path = path_of(address_of_a_trail)
    whole = path.read_bytes()

    for seq in range(1, LENGTH + 1):
        path.write_bytes(whole)
        with closing(sqlite3.connect(path)) as connection, connection:
            touched = connection.execute(edit.format(it=f"tenant = 'a' AND seq = {seq}", seq=seq)).rowcount
        checked = await verified(address_of_a_trail)
        expected = (EDITS[edit] or seq) if touched else None
        assert (checked.ok, checked.bad_seq) == (not touched, expected), checked.reason


async def test_a_swap_of_two_rows_in_the_file_is_named(address_of_a_trail: str) -> None:
    path = path_of(address_of_a_trail)
    whole = path.read_bytes()

    for table in ("lines", "payloads"):
        for seq in range(1, LENGTH):
            path.write_bytes(whole)
            with closing(sqlite3.connect(path)) as connection, connection:
                for before, after in ((seq, 0), (seq + 1, seq), (0, seq + 1)):
                    connection.execute(f"UPDATE {table} SET seq = ? WHERE seq = ? AND tenant = 'a'", (after, before))
            assert (await verified(address_of_a_trail)).bad_seq == seq


async def test_a_bit_flipped_in_the_file_is_named_or_the_file_is_refused(address_of_a_trail: str) -> None:
    path = path_of(address_of_a_trail)
    whole = path.read_bytes()
    lines = open_store(address_of_a_trail)
    await lines.open()
    places = [
        (line.seq, whole.index(line.line.encode()), len(line.line)) for line in await lines.for_tenant("a").lines()
    ]
    await lines.close()

    for seq, start, length in places:
        for at in range(start, start + length, 17):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
            assert (await verified(address_of_a_trail)).bad_seq == seq


async def test_nothing_is_appended_to_a_trail_whose_head_was_set_back(address_of_a_trail: str) -> None:
    with closing(sqlite3.connect(path_of(address_of_a_trail))) as connection, connection:
        connection.execute("DELETE FROM heads")
    store = open_store(address_of_a_trail)
    await store.open()

    with pytest.raises(TrailError, match="already holds line 1, past its head; run: emma audit verify"):
        await store.for_tenant("a").append(sealing("a"))

    assert len(await store.for_tenant("a").lines()) == LENGTH
    await store.close()


async def test_a_document_damaged_in_the_file_is_one_error(address: str) -> None:
    store = open_store(address)
    await store.open()
    with closing(sqlite3.connect(path_of(address))) as connection, connection:
        connection.execute("INSERT INTO documents VALUES ('a', 'note', 'one', '', '', 'e', NULL, 'no json')")

    with pytest.raises(StoreError, match="'one' of kind 'note' is damaged"):
        await store.for_tenant("a").get("note", "one")
    with pytest.raises(StoreError, match="'one' of kind 'note' is damaged"):
        await store.for_tenant("a").query("note")
    await store.close()
