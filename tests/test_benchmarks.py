"""Runs each benchmark small, so that a change which breaks it shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
