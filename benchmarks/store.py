"""Times a store's verbs for two tenants at once, beside the bare driver: `python -m benchmarks.store [--rounds N]`.

Both sides take turns in one process, so that a stall of the machine hits both; each round, both tenants do a verb a
few times at once, and a row is the median over the rounds of the time one call took. The bare driver keeps the same
promise: the same statements by hand, in one transaction that speaks for the tenant (PostgreSQL: `BEGIN`, `set_config`,
the statement, `COMMIT`, as psycopg's `transaction()` sends them; SQLite: `sqlite3` on a thread, for an event loop must
not wait for a disk), on the disk before it answers, bodies read as JSON, the line sealed by the same function. The last
column is what a careless program pays: `sqlite3` that blocks the loop, psycopg that commits each statement by itself
and names no tenant.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import track
from rich.table import Table

from emma_core.backends import postgres, sqlite
from emma_core.ports import Store
from emma_core.testing.samples import note, sealing

TENANTS = ("one", "two")
VERBS = ("point read", "write with ETag", "query", "append")
DOCUMENTS, GROUP, CALLS = 200, 20, 5
WORDS = "Debt-to-income is 47%; the limit is 45%. " * 20


class Side(Protocol):
    """One way to do the four verbs for one tenant."""

    async def do(self, verb: str, number: int) -> None:
        """The verb, done once."""


class Emma:
    """The store."""

    def __init__(self, store: Store, tenant: str) -> None:
        self._handle = store.for_tenant(tenant)
        self._etag = ""

    async def furnish(self) -> None:
        """The documents that are read, and the one that is written."""
        for number in range(DOCUMENTS):
            await self._handle.put(note(f"{number:04}", group=f"g{number // GROUP}", words=WORDS))
        self._etag = (await self._handle.put(note("written", kind="mine", words=WORDS))).etag
        await self._handle.append(sealing(self._handle.tenant))

    async def do(self, verb: str, number: int) -> None:
        """The verb, done once."""
        if verb == "point read":
            assert await self._handle.get("note", f"{number % DOCUMENTS:04}")
        elif verb == "query":
            assert len(await self._handle.query("note", group=f"g{number % (DOCUMENTS // GROUP)}")) == GROUP
        elif verb == "append":
            await self._handle.append(sealing(self._handle.tenant, number, words=WORDS))
        else:
            document = note("written", kind="mine", words=WORDS)
            self._etag = (await self._handle.put(document, if_match=self._etag)).etag


async def once(sides: list[Side], verb: str, round: int) -> float:
    """Seconds that one call took, while both tenants made theirs."""

    async def calls(side: Side) -> None:
        for number in range(CALLS):
            await side.do(verb, round * CALLS + number)

    start = time.perf_counter()
    await asyncio.gather(*(calls(side) for side in sides))
    return (time.perf_counter() - start) / CALLS


async def measure(sides: dict[str, list[Side]], rounds: int, of: str) -> dict[str, dict[str, float]]:
    """By verb and side, the median seconds of a call."""
    seconds: dict[str, dict[str, list[float]]] = {verb: {name: [] for name in sides} for verb in VERBS}
    for round in track(range(rounds + 3), f"Two tenants on {of}"):
        for verb in VERBS:
            for name, pair in sides.items():
                took = await once(pair, verb, round)
                if round >= 3:  # the first ones warm up
                    seconds[verb][name].append(took)
    return {
        verb: {name: statistics.median(each) for name, each in by_side.items()} for verb, by_side in seconds.items()
    }


async def on_sqlite(rounds: int) -> dict[str, dict[str, float]]:
    """The store, `sqlite3` on a thread, and `sqlite3` on the loop, each over a file of its own."""
    from benchmarks.store_by_hand import BlockingSqlite, ThreadedSqlite

    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            paths = [Path(folder) / f"{name}.db" for name in ("emma", "bare", "careless")]
            stores = [sqlite.open_store(f"sqlite:///{path}") for path in paths]
            for store in stores:
                await store.open()
                stack.push_async_callback(store.close)
            furnished = [[Emma(store, tenant) for tenant in TENANTS] for store in stores]
            for side in (side for pair in furnished for side in pair):
                await side.furnish()
            ours = furnished[0]
            bare = [ThreadedSqlite(paths[1], tenant) for tenant in TENANTS]
            careless = [BlockingSqlite(paths[2], tenant) for tenant in TENANTS]
            for each in (*bare, *careless):
                stack.callback(each.close)
            return await measure({"emma": [*ours], "bare": [*bare], "careless": [*careless]}, rounds, "SQLite")


async def on_postgresql(rounds: int) -> dict[str, dict[str, float]]:
    """The store, psycopg in a transaction, and psycopg without, each over a database of its own."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from services import PostgresServer
    from services.emma_databases import migrated

    from benchmarks.store_by_hand import AutocommitPostgres, TransactionPostgres

    server = PostgresServer()
    try:
        async with AsyncExitStack() as stack:
            places = [server.database(prepare=migrated) for _ in range(3)]
            ours: list[Side] = []
            for number, place in enumerate(places):
                store = postgres.open_store(place.app)
                await store.open()
                stack.push_async_callback(store.close)
                for tenant in TENANTS:
                    side = Emma(store, tenant)
                    await side.furnish()
                    if number == 0:
                        ours.append(side)
            bare = [await TransactionPostgres.open(places[1].app, tenant) for tenant in TENANTS]
            careless = [await AutocommitPostgres.open(places[2].superuser, tenant) for tenant in TENANTS]
            for each in (*bare, *careless):
                stack.push_async_callback(each.close)
            return await measure({"emma": ours, "bare": [*bare], "careless": [*careless]}, rounds, "PostgreSQL")
    finally:
        server.forget()


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    table = Table(title=f"Two tenants at once, {rounds} rounds of {CALLS} calls each, interleaved (median, ms a call)")
    for column in ("backend", "verb", "emma", "bare, same promise", "emma / bare", "careless"):
        table.add_column(column, justify="left" if column in ("backend", "verb") else "right")
    figures = {}
    for backend, measured in (("sqlite", on_sqlite), ("postgresql", on_postgresql)):
        figures[backend] = asyncio.run(measured(rounds))
        for verb, took in figures[backend].items():
            shown = [f"{took[side] * 1e3:.3f}" for side in ("emma", "bare")]
            ratio = f"{took['emma'] / took['bare']:.2f}"
            table.add_row(backend, verb, *shown, ratio, f"{took['careless'] * 1e3:.3f}")
    Console(width=120).print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
