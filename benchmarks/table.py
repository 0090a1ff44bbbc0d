"""Times loan registers against the HMDA edits, beside edits written by hand: `python -m benchmarks.table`.

Each side runs in a process of its own, from the file on disk to the rows that fail, with modules and rules loaded
before the clock starts. It says its wall clock, its CPU, and the most memory of its own that it held (Linux; pages of
the file that lie about in the cache count for nobody).

- `check` is all that `emma check` does: rules loaded, every edit, each failure explained, the trail sealed. `--grow`
  runs it on 2.5 and on 5 times the rows, and on registers that file each loan three times.
- `rows` holds the row edits only: the file hashed, looked through for lines that are no rows, then held.
- `twenty` holds twenty of them in the same way. It runs in turn with the same twenty by hand in Polars and in DuckDB,
  once giving the whole rows that fail and once (`lean`) no more than which; all must find the same. The engine gives
  the fields that the twenty read. The ratios are medians over the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import lar_rows
from benchmarks.table_by_hand import EDITS, by_duckdb, by_polars
from emma_core import Emma, Settings, packs
from emma_core.backends.polars_engine import PolarsEngine
from emma_core.checks import benches, editions, sources

RULES = "mortgage/hmda@2024"
Side = Callable[[Path], Any]


def check(file: Path) -> int:
    """How many findings `emma check` has of a file."""

    async def checked() -> int:
        with tempfile.TemporaryDirectory() as folder:
            async with Emma.open(Settings(store=f"sqlite:///{folder}/emma.db")) as emma:
                found = 0
                async for event in emma.tenant("default").checking(file, rules=RULES):
                    found += len(event.findings)
                return found

    return asyncio.run(checked())


def engine(edits: Sequence[str] | None = None) -> Side:
    """Counts the rows that do not pass each row edit, by the engine alone."""
    installed = packs.find()
    installed.rulesets(RULES)

    def failing(file: Path) -> Counter[str]:
        order = editions.Order(file, (RULES,), date.today())
        (chosen,) = editions.choose(installed, sources.open_source(file), order)
        (bench,) = benches.lay_out(chosen)
        rules = [rule for rule in bench.rows if edits is None or rule.rule.source.citation in edits]
        found: Counter[str] = Counter()
        for stretch in PolarsEngine().standing(bench.table, rules, bench.shared):
            for _, numbers in stretch.standing:
                found.update(rules[number].rule.source.citation for number in numbers)
        return found

    return failing


SIDES: dict[str, Callable[[], Side]] = {
    "check": lambda: check,
    "rows": engine,
    "twenty": lambda: engine(tuple(EDITS)),
    "polars": lambda: by_polars(whole=True),
    "duckdb": lambda: by_duckdb(whole=True),
    "polars, lean": lambda: by_polars(whole=False),
    "duckdb, lean": lambda: by_duckdb(whole=False),
}
ROUND = ("twenty", "polars", "polars, lean", "duckdb", "duckdb, lean")


class Memory(threading.Thread):
    """Watches how much memory of its own the process holds."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._over = threading.Event()

    def run(self) -> None:
        """Looks again and again until it is over."""
        while not self._over.wait(0.01):
            resident, shared = map(int, Path("/proc/self/statm").read_text().split()[1:3])
            self.peak = max(self.peak, (resident - shared) * resource.getpagesize() // 2**20)

    def over(self) -> int:
        """The most that was held, in megabytes."""
        self._over.set()
        self.join()
        return self.peak


def side(name: str, file: Path) -> None:
    """Runs one side and prints what it cost, for the process that asked."""
    run_side = SIDES[name]()
    memory = Memory()
    memory.start()
    before, start = _cpu(), time.perf_counter()
    found = run_side(file)
    cost = {"wall": time.perf_counter() - start, "cpu": _cpu() - before}
    print(json.dumps({**cost, "peak": memory.over(), "found": found}))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run(name: str, file: Path) -> dict[str, Any]:
    """What one side cost, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.table", "--side", name, "--file", str(file)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    came: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return came


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5, help="How often the twenty edits run in turn.")
    parser.add_argument("--grow", action="store_true", help="Check larger registers as well.")
    parser.add_argument("--folder", type=Path, help="Where registers are made and kept; else they are thrown away.")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        side(options.side, options.file)
        return
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        kept = options.folder or Path(folder)
        console.print(_in_turn(register(kept, options.rows), options.rows, options.rounds))
        console.print(_sizes(kept, options.rows, grow=options.grow))
    console.print(f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors.")


def register(folder: Path, rows: int, copies: int = 1) -> Path:
    """A register of so many rows, each loan filed so many times."""
    file = folder / f"lar-{rows}{f'-by-{copies}' if copies > 1 else ''}.txt"
    if not file.exists():
        lar_rows.write(file.with_suffix(".part"), rows, copies=copies)
        file.with_suffix(".part").rename(file)
    return file


def _in_turn(file: Path, rows: int, rounds: int) -> Table:
    """Twenty edits, all sides in turn."""
    table = Table(title=f"Twenty HMDA edits over {rows:,} made-up loans, medians of {rounds} rounds in turn")
    for column in ("", "wall s", "CPU s", "peak MB", "wall / polars", "CPU / polars", "wall / lean", "CPU / lean"):
        table.add_column(column, justify="right" if column else "left")
    came: list[dict[str, dict[str, Any]]] = []
    for number in range(rounds):
        order = ROUND if number % 2 == 0 else ROUND[::-1]
        came.append({name: run(name, file) for name in order})
        found = [came[-1][name]["found"] for name in ROUND]
        assert all(each == found[0] for each in found), found

    def median(name: str, what: str, beside: str | None = None) -> float:
        return statistics.median(one[name][what] / (one[beside][what] if beside else 1) for one in came)

    for name in ROUND:
        ratios = [f"{median(name, w, beside):.2f}" for beside in ("polars", "polars, lean") for w in ("wall", "cpu")]
        shown = [f"{median(name, 'wall'):.1f}", f"{median(name, 'cpu'):.1f}", f"{median(name, 'peak'):,.0f}"]
        table.add_row(name, *shown, *ratios)
    return table


def _sizes(folder: Path, rows: int, *, grow: bool) -> Table:
    """All edits, on registers of several sizes."""
    table = Table(title="All HMDA edits of 2024")
    for column in ("", "rows", "MB of file", "wall s", "rows/s", "CPU s", "peak MB", "findings"):
        table.add_column(column, justify="right" if column else "left")
    asked = [("rows", rows, 1), ("check", rows, 1)]
    if grow:
        asked += [("check", rows * 5 // 2, 1), ("check", rows * 5, 1), ("check", rows, 3), ("check", rows * 5, 3)]
    for name, count, copies in asked:
        file = register(folder, count, copies)
        cost = run(name, file)
        found = cost["found"] if isinstance(cost["found"], int) else sum(cost["found"].values())
        said = f"{name}, each loan filed {copies} times" if copies > 1 else name
        figures = f"{count:,} {file.stat().st_size / 2**20:,.0f} {cost['wall']:.1f} {count / cost['wall']:,.0f}"
        table.add_row(said, *figures.split(), f"{cost['cpu']:.1f}", f"{cost['peak']:,}", f"{found:,}")
    return table


if __name__ == "__main__":
    main()
