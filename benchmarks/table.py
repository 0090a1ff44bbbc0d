"""Times a million loans against the HMDA edits, beside edits written by hand: `python -m benchmarks.table`.

Each side runs in a process of its own, from the file on disk to the rows that fail, and says its wall clock, its CPU
and the most memory of its own that it held (Linux). `check` is all that `emma check` does: every edit, each failure
explained, the trail sealed. `rows` holds the row edits only. `twenty` are twenty of them, beside the same twenty in
Polars and DuckDB by hand, which must find the same; it reads the packs and hashes the file as well. `--grow` repeats
`check` and `rows` on five times the rows, whose memory should be the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.table import Table

from benchmarks import lar_rows
from benchmarks.table_by_hand import EDITS, by_duckdb, by_polars
from emma_core import Emma, Settings, packs
from emma_core.backends.polars_engine import PolarsEngine
from emma_core.checks import benches, editions, sources

RULES = "mortgage/hmda@2024"


def check(file: Path) -> int:
    """How many findings `emma check` has of a file."""

    async def checked() -> int:
        with tempfile.TemporaryDirectory() as folder:
            async with Emma.open(Settings(store=f"sqlite:///{folder}/emma.db")) as emma:
                events = emma.tenant("default").checking(file, rules=RULES)
                return sum([len(event.findings) async for event in events])

    return asyncio.run(checked())


def failing(file: Path, edits: tuple[str, ...] | None = None) -> Counter[str]:
    """How many rows do not pass each row edit, found by the engine alone."""

    order = editions.Order(file, (RULES,), date.today())
    (chosen,) = editions.choose(packs.find(), sources.open_source(file), order)
    (bench,) = benches.lay_out(chosen)
    rules = [rule for rule in bench.rows if edits is None or rule.rule.source.citation in edits]
    found: Counter[str] = Counter()
    for stretch in PolarsEngine().standing(bench.table, rules, bench.shared):
        for _, numbers in stretch.standing:
            found.update(rules[number].rule.source.citation for number in numbers)
    return found


SIDES: dict[str, Callable[[Path], Any]] = {
    "check": check,
    "rows": failing,
    "twenty": lambda file: failing(file, tuple(EDITS)),
    "polars": by_polars,
    "duckdb": by_duckdb,
}


class Memory(threading.Thread):
    """Watches how much memory of its own the process holds: pages of the file that lie about count for nobody."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._over = threading.Event()

    def run(self) -> None:
        """Looks again and again until it is over."""
        while not self._over.wait(0.02):
            resident, shared = map(int, Path("/proc/self/statm").read_text().split()[1:3])
            self.peak = max(self.peak, (resident - shared) * resource.getpagesize() // 2**20)

    def over(self) -> int:
        """The most that was held, in megabytes."""
        self._over.set()
        self.join()
        return self.peak


def side(name: str, file: Path) -> None:
    """Runs one side and prints what it cost, for the process that asked."""
    memory = Memory()
    memory.start()
    start = time.perf_counter()
    found = SIDES[name](file)
    wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak": memory.over(), "found": found}))


def run(name: str, file: Path) -> dict[str, Any]:
    """What one side cost, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.table", "--side", name, "--file", str(file)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    came: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return came


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--grow", action="store_true")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        side(options.side, options.file)
        return
    console = Console()
    table = Table(title=f"HMDA edits of 2024 over {options.rows:,} made-up loans")
    for column in ("", "rows", "wall s", "rows/s", "CPU s", "peak MB", "of Polars by hand"):
        table.add_column(column, justify="right" if column else "left")
    with tempfile.TemporaryDirectory() as folder, console.status("Making up loans") as status:
        sizes = {options.rows: tuple(SIDES)} | ({options.rows * 5: ("check", "rows")} if options.grow else {})
        for rows, names in sizes.items():
            file = Path(folder) / f"lar-{rows}.txt"
            lar_rows.write(file, rows)
            _add(table, rows, file, names, status)
            file.unlink()
    console.print(table)


def _add(table: Table, rows: int, file: Path, names: tuple[str, ...], status: Status) -> None:
    came = {}
    for name in names:
        status.update(f"{name}, {rows:,} rows")
        came[name] = run(name, file)
    if "polars" in came:
        assert came["twenty"]["found"] == came["polars"]["found"] == came["duckdb"]["found"], came
    for name, cost in came.items():
        share = cost["wall"] / came["polars"]["wall"] if name in ("twenty", "polars", "duckdb") else None
        figures = (cost["wall"], rows / cost["wall"], cost["cpu"], cost["peak"])
        shown = (f"{figures[0]:.1f}", f"{figures[1]:,.0f}", f"{figures[2]:.1f}", f"{figures[3]:,.0f}")
        table.add_row(name, f"{rows:,}", *shown, "" if share is None else f"{share:.2f}")


if __name__ == "__main__":
    main()
