"""Runs each benchmark small, so that a change which breaks it shows."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import table

ROOT = Path(__file__).resolve().parents[1]


def test_the_turn_by_its_parts_beside_a_bare_agent() -> None:
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.turn", "--turns", "10"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert said.returncode == 0, said.stderr
    for part in ("facts", "retrieval", "rules", "overrides", "audit", "responder", "create_agent"):
        assert f"│ {part} " in said.stdout


def test_a_store_beside_its_bare_driver() -> None:
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.store", "--rounds", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert said.returncode == 0, said.stderr
    for backend in ("sqlite", "postgresql"):
        for verb in ("point read", "write with ETag", "query", "append"):
            assert re.search(rf"│ {backend} +│ {verb} +│ +[\d.]+ │ +[\d.]+ │ +[\d.]+ │", said.stdout)


def test_appends_beside_raw_inserts_and_a_trail_verified() -> None:
    small = ("--writers", "4", "--lines", "5", "--rounds", "2", "--trail", "500")
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.audit", *small],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert said.returncode == 0, said.stderr
    for row in ("append, emma", "append, by hand", "lines, nothing beside them", "an exported file"):
        assert re.search(rf"│ {row} +│ +[\d.,]+ │", said.stdout)


def test_registers_of_several_sizes_beside_edits_by_hand() -> None:
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.table", "--rows", "3000", "--rounds", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert said.returncode == 0, said.stderr
    for side in ("twenty", "polars", "duckdb", "rows", "check"):
        assert f"│ {side} " in said.stdout


@pytest.mark.prove
def test_memory_does_not_grow_with_a_register(proof: Callable[[str], None], tmp_path: Path) -> None:
    sizes = (200_000, 1_000_000)
    costs = [table.run("check", table.register(tmp_path, rows)) for rows in sizes]
    thrice = table.run("check", table.register(tmp_path, sizes[1], copies=3))

    said = [f"{rows:,} rows: {cost['peak']:,} MB of its own" for rows, cost in zip(sizes, costs, strict=True)]
    proof("; ".join([*said, f"{sizes[1]:,} rows, each loan filed three times: {thrice['peak']:,} MB"]))
    assert costs[1]["peak"] < costs[0]["peak"] + 150
    assert thrice["peak"] < costs[1]["peak"] + 300
