"""Holds the HMDA edits against the regulator's labelled rows: `EMMA_TEST_DATA=… python -m benchmarks.hmda_edits`.

Prints a line for each edit: on how many rows it is expected, found, missed, and found beyond the labels (extra). Only
edits on which the labels may be scored are compared. Exits 1 where a row's target edit is missed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from emma_core import Emma, Finding, Settings

SHEET = (
    "1|Bank1|2024|4|Mr. Smug Pockets|555-555-5555|pockets@ficus.com|1234 Hocus Potato Way|Tatertown|UT|84096|9|{rows}"
    "|02-1234567|BANK1LEIFORTEST12345"
)


async def check(lines: Iterable[str]) -> tuple[Finding, ...]:
    """The findings of a register of these lines under the edits of its year."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lar.txt"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        async with Emma.open(Settings(store=f"sqlite:///{folder}/emma.db")) as emma:
            report = await emma.tenant("default").check(file, rules="mortgage/hmda")
    return report.findings


async def flags(rows: list[str]) -> list[set[str]]:
    """Row by row, the edits that fail."""
    found: list[set[str]] = [set() for _ in rows]
    for finding in await check([SHEET.format(rows=len(rows)), *rows]):
        if finding.record and finding.outcome == "failed":
            found[finding.record - 1].add(finding.source.citation)
    return found


async def sheet_flags(sheet: str, row: str) -> set[str]:
    """The edits that a transmittal sheet fails, over one row."""
    found = await check([sheet, row])
    return {each.source.citation for each in found if each.outcome == "failed" and not each.record}


def read(data: Path, name: str) -> list[dict[str, object]]:
    """The cases of a file of JSON lines."""
    return [json.loads(line) for line in (data / name).read_text(encoding="utf-8").splitlines()]


async def compare(data: Path) -> tuple[dict[str, Counter[str]], list[str]]:
    """By edit, how often it was expected, found, missed and extra; and every target that was missed."""
    scored = set(json.loads((data / "scored_edits.json").read_text())["scored_edits"])
    table: dict[str, Counter[str]] = {edit: Counter() for edit in sorted(scored)}
    missed: list[str] = []
    cases = read(data, "lar_cases_dev.jsonl")
    for case, said in zip(cases, await flags([str(case["lar"]) for case in cases]), strict=True):
        expected = set(case["expected_failed_edits"]) & scored  # type: ignore[call-overload]
        for edit in expected | (said & scored):
            kind = "found" if edit in expected & said else "missed" if edit in expected else "extra"
            table[edit][kind] += 1
            table[edit]["expected"] += edit in expected
        missed += [f"{case['case_id']}: {case['target_edit']}"] if case["target_edit"] not in said else []
    for case in read(data, "ts_cases_dev.jsonl"):
        said = await sheet_flags(str(case["ts"]), str(case["lar_first"]))
        missed += [f"{case['case_id']}: {case['target_edit']}"] if case["target_edit"] not in said else []
    return table, missed


async def clean_failures(data: Path) -> list[str]:
    """Syntactical and validity edits that fail on rows that are clean."""
    rows = [str(case["lar"]) for case in read(data, "lar_clean_dev.jsonl")]
    found = [
        f"clean row {n}: {edit}" for n, said in enumerate(await flags(rows), 1) for edit in said if edit[0] in "SV"
    ]
    for sample in sorted((data / "official_samples").glob("clean_2024_*.txt")):
        findings = await check(sample.read_text(encoding="utf-8").splitlines())
        found += [
            f"{sample.name}, record {each.record}: {each.source.citation}"
            for each in findings
            if each.outcome == "failed" and each.source.citation[0] in "SV"
        ]
    return found


def main() -> None:
    """Prints the table, and what was missed."""
    if "EMMA_TEST_DATA" not in os.environ:
        sys.exit("EMMA_TEST_DATA names no folder; set it to the one that holds hmda/")
    data = Path(os.environ["EMMA_TEST_DATA"]) / "hmda"
    compared, missed = asyncio.run(compare(data))
    clean = asyncio.run(clean_failures(data))
    table = Table("edit", "expected", "found", "missed", "extra", title="Edits on the labelled rows")
    for edit, count in compared.items():
        if count:
            table.add_row(edit, *(str(count[kind]) for kind in ("expected", "found", "missed", "extra")))
    whole = sum(compared.values(), Counter())
    table.add_section()
    table.add_row("all", *(str(whole[kind]) for kind in ("expected", "found", "missed", "extra")))
    console = Console()
    console.print(table)
    console.print(f"Targets missed: {missed or 'none'}")
    console.print(f"Syntactical or validity failures on clean rows: {clean or 'none'}")
    sys.exit(1 if missed or clean else 0)


if __name__ == "__main__":
    main()
