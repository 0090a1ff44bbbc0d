"""Times appends beside raw inserts, and the verifier: `python -m benchmarks.audit [--writers N] [--lines N]`.

Appends: so many writers of one tenant at once, beside the same writers with `sqlite3` by hand on a thread, both on the
disk before they answer, both with the line, its payload and the head. What the hand pays a transaction for each line
for, the store pays once for a group. They take turns, and what counts is the time a round took.

Verification: lines as a store hands them over, without what lies beside them and with it, and an exported file.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.store_by_hand import ThreadedSqlite
from emma_core import audit
from emma_core.audit import verifier
from emma_core.backends import sqlite
from emma_core.nouns import Head, TrailLine
from emma_core.testing.samples import note, sealing

TENANT = "one"
BEGAN = datetime(2026, 11, 23, tzinfo=UTC)


async def appends(writers: int, lines: int, rounds: int) -> dict[str, list[float]]:
    """Seconds that a round of appends took, by side, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{name}.db" for name in ("emma", "bare")]
        stores = [sqlite.open_store(f"sqlite:///{path}") for path in paths]
        for store in stores:
            await store.open()
            await store.for_tenant(TENANT).put(note("written", kind="mine"))
            await store.for_tenant(TENANT).append(sealing(TENANT))
        trail, bare = stores[0].for_tenant(TENANT), ThreadedSqlite(paths[1], TENANT)

        async def by_emma(number: int) -> None:
            await trail.append(sealing(TENANT, number))

        async def by_hand(number: int) -> None:
            await bare.do("append", number)

        sides: dict[str, Callable[[int], Awaitable[None]]] = {"emma": by_emma, "by hand": by_hand}
        took: dict[str, list[float]] = {name: [] for name in sides}
        for turn in range(rounds + 1):
            for name, side in sides.items():
                start = time.perf_counter()
                await asyncio.gather(*(_writer(side, lines, turn * writers + each) for each in range(writers)))
                if turn:  # the first one warms up
                    took[name].append(time.perf_counter() - start)
        assert (await audit.verify_trail(trail)).ok
        bare.close()
        for store in stores:
            await store.close()
        return took


async def _writer(side: Callable[[int], Awaitable[None]], lines: int, first: int) -> None:
    for number in range(lines):
        await side(first * lines + number)


def trail(length: int) -> tuple[list[TrailLine], Head]:
    """A trail of turns with a handful of findings each, as a lender's is."""
    findings = [{"rule": f"acme.policy.rule_{n}", "rule_hash": "a" * 64, "outcome": "passed"} for n in range(4)]
    judged = {"verdict": "clear", "blueprint": "loan_officer", "blueprint_hash": "b" * 64, "findings": findings}
    lines: list[TrailLine] = []
    head = None
    for number in range(1, length + 1):
        seal = audit.sealing(
            tenant=TENANT,
            kind="judged" if number % 2 else "answered",
            caller="tester",
            outcome=judged if number % 2 else {"model": "offline:", "mended": False},
            payload={"words": f"line {number}"},
            subject="person",
            turn=f"t-{number // 2:024x}",
            conversation=f"c-{number // 20:012x}",
            now=BEGAN + timedelta(seconds=number),
            salt=number.to_bytes(32, "big"),
        )
        lines.append(seal(head))
        head = Head(seq=number, hash=lines[-1].hash, at=lines[-1].at)
    assert head is not None
    return lines, head


def verified(length: int, rounds: int) -> dict[str, float]:
    """Lines a second of CPU, the best round of each."""
    lines, head = trail(length)
    bare = [line.model_copy(update={"payload": None}) for line in lines]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trail.jsonl"
        with file.open("w") as out:
            audit.write_export(lines, head, tenant=TENANT, out=out)
        sides: dict[str, Callable[[], object]] = {
            "lines, nothing beside them": lambda: [
                walk.take(line) for walk in [verifier.Walk(TENANT)] for line in bare
            ],
            "the same under a tree": lambda: [
                walk.take(line) for walk in [verifier.Walk(TENANT, tree=verifier.MerkleTree())] for line in bare
            ],
            "lines with their payloads": lambda: [
                walk.take(line) for walk in [verifier.Walk(TENANT)] for line in lines
            ],
            "an exported file": lambda: audit.verify(audit.read_export(file).lines(), tenant=TENANT, head=head),
        }
        best = dict.fromkeys(sides, float("inf"))
        for _ in range(rounds):
            for name, side in sides.items():
                start = time.process_time()
                side()
                best[name] = min(best[name], time.process_time() - start)
        return {name: length / seconds for name, seconds in best.items()}


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--lines", type=int, default=50, help="By each writer, in a round.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--trail", type=int, default=100_000, help="How long the trail is that is verified.")
    given = parser.parse_args()
    took = asyncio.run(appends(given.writers, given.lines, given.rounds))
    table = Table(title=f"{given.writers} writers, {given.lines} lines each (medians of {given.rounds} rounds in turn)")
    for column in ("", "µs a line", "emma / by hand"):
        table.add_column(column, justify="right" if column else "left")
    each = {name: statistics.median(rounds) / (given.writers * given.lines) * 1e6 for name, rounds in took.items()}
    ratio = statistics.median(ours / bare for ours, bare in zip(took["emma"], took["by hand"], strict=True))
    for name, micro in each.items():
        table.add_row(f"append, {name}", f"{micro:.0f}", f"{ratio:.2f}" if name == "emma" else "")
    console = Console(width=100)
    console.print(table)
    table = Table(title=f"A trail of {given.trail:,} lines, verified (best of {given.rounds} rounds, by CPU time)")
    table.add_column("")
    table.add_column("lines a second", justify="right")
    for name, speed in verified(given.trail, given.rounds).items():
        table.add_row(name, f"{speed:,.0f}")
    console.print(table)


if __name__ == "__main__":
    main()
