"""Tests on PostgreSQL and on every Azure address that a forgotten person is in no store, and comes back with no backup.

Cosmos, Key Vault and Azure OpenAI are protocol fakes; PostgreSQL, Azurite and Valkey are the real servers.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from services import Addresses, AzuriteServer, PostgresServer, ValkeyServer
from services.azure_set import azure_set

from emma_core import Emma, Settings, audit
from emma_core.backends import azure_blobs, cosmos

from .conftest import CANARY, OTHER, PERSON, holding, say, uncovered

HELD = ("documents", "payloads", "lines", "heads")
Searched = Callable[[], bytes]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


async def forgotten(chosen: Settings, searched: Searched, back: Callable[[], Callable[[], None]]) -> None:
    """The person is forgotten, also after a backup that was taken before is back; the other one is not.

    `searched`: all bytes of all stores. `back`: takes a backup, and gives what restores it.
    """
    async with Emma.open(chosen) as emma:
        await say(emma)
        await say(emma, OTHER, canary="others-words")
    restore = back()
    plain = [each for each in (CANARY, PERSON) if each.encode() in searched()]
    async with Emma.open(chosen) as emma:
        proof = await emma.subjects.erase("default", PERSON, by="dpo")
        assert (proof.before["payloads"], set(proof.after.values())) == (5, {0})
        assert await uncovered(emma) == []
        ledger = await emma.subjects.ledger()
    restore()
    async with Emma.open(chosen) as emma:
        trail = await emma.tenant("default").trail()
        assert sum(line.payload.subject == PERSON for line in await trail.lines() if line.payload) == 5
        [replayed] = await emma.subjects.replay_ledger(ledger)
        lines = await trail.lines()
        assert (replayed.again, replayed.lines) == (1, 5)
        assert await uncovered(emma) == []
        assert {line.payload.subject for line in lines if line.payload} - {""} == {OTHER}
        assert {each.subject for each in await trail.query("override")} == {OTHER}
        verified = await audit.verify_trail(trail)
        assert (verified.ok, verified.head, verified.erased) == (True, await trail.head(), 5)
    assert plain == [], "they lay nowhere as they are, before either"
    assert [each for each in (CANARY, PERSON) if each.encode() in searched()] == []


async def test_on_postgresql(
    emma_database: Addresses, postgres: PostgresServer, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    name = emma_database.app.rpartition("/")[2]

    def searched() -> bytes:
        rows = [postgres.execute(f"SELECT t::text FROM {table} t", database=name) for table in (*HELD, "erasures")]
        postgres.execute("CHECKPOINT")
        assert holding(postgres.data, CANARY, PERSON) == [], "in no file of the server, its log of writes among them"
        return f"{rows}{log.text}".encode() + b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())

    def back() -> Callable[[], None]:
        postgres.execute(*(f"CREATE TABLE kept_{each} AS SELECT * FROM {each}" for each in HELD), database=name)
        return lambda: postgres.execute(
            *(f"DELETE FROM {each}" for each in HELD),
            *(f"INSERT INTO {each} SELECT * FROM kept_{each}" for each in HELD),
            database=name,
        )

    chosen = Settings(store=emma_database.app, blobs=f"file:{tmp_path}/blobs", model="offline:", master_key="07" * 32)
    await forgotten(chosen, searched, back)


async def test_on_every_azure_address(
    emma_database: Addresses,
    postgres: PostgresServer,
    azurite: AzuriteServer,
    valkey: ValkeyServer,
    monkeypatch: pytest.MonkeyPatch,
    log: pytest.LogCaptureFixture,
) -> None:
    with azure_set(emma_database, azurite, valkey) as azure:
        azure.vault.secrets["emma-master"] = "07" * 32
        more = {"EMMA_MASTER_KEY": "{secret:emma-master}", "EMMA_ANSWER_CACHE_SECONDS": "600"}
        for variable, value in {**azure.variables, **more}.items():
            monkeypatch.setenv(variable, value)
        await _made()
        name = emma_database.app.rpartition("/")[2]

        def searched() -> bytes:
            items = [
                record
                for container in azure.cosmos.databases["emma"].values()
                for part in container.parts.values()
                for record in part.values()
            ]
            rows = [postgres.execute("SELECT t::text FROM erasures t", database=name)]
            cached = _cached(valkey)
            assert holding(azurite._process.folder, CANARY, PERSON) == []
            return f"{items}{rows}{log.text}".encode() + cached

        def back() -> Callable[[], None]:
            kept = copy.deepcopy({at: each.parts for at, each in azure.cosmos.databases["emma"].items()})

            def restore() -> None:
                for at, parts in kept.items():
                    azure.cosmos.databases["emma"][at].parts = parts

            return restore

        await forgotten(Settings(), searched, back)
        assert "emma-master" in azure.vault.asked


async def _made() -> None:
    from emma_core import packs
    from emma_core.opening import resolved

    async with resolved(Settings(), packs.find()) as (_, read):
        for open_store in (cosmos.open_store, azure_blobs.open_blobs):
            await open_store(read.store if open_store is cosmos.open_store else read.blobs).upgrade()


def _cached(valkey: ValkeyServer) -> bytes:
    """Every key of the cache with its value."""
    import redis

    with redis.Redis.from_url(valkey.address) as client:
        return b"".join(key + (client.get(key) or b"") for key in client.scan_iter() if client.type(key) == b"string")
