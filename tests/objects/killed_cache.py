"""Gives a run of the tests a cache on Redis for its answers, and kills it when half of the tests are done."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest
from services import ValkeyServer

from emma_core.testing import ScriptedModel

STATE: dict[str, Any] = {}


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Every house that opens from now on keeps its answers there, those of the scripted model too."""
    STATE["server"] = ValkeyServer()
    os.environ |= {"EMMA_CACHE": STATE["server"].address + "?patience=5", "EMMA_ANSWER_CACHE_SECONDS": "600"}
    ScriptedModel.usd_per_token = 1e-9  # what costs nothing is not kept


def pytest_collection_finish(session: pytest.Session) -> None:
    """Half of the tests is known."""
    STATE["half"], STATE["done"] = len(session.items) // 2, 0


def pytest_runtest_logfinish() -> None:
    """At the half, the server is gone as by a failing machine."""
    STATE["done"] += 1
    if STATE["done"] == STATE["half"]:
        with socket.create_connection(("127.0.0.1", STATE["server"].port)) as connection:
            connection.sendall(b"INFO stats\r\n")
            said = connection.recv(65536).decode()
        STATE["stats"] = {
            line.partition(":")[0]: int(line.partition(":")[2])
            for line in said.splitlines()
            if line.startswith(("keyspace_hits", "keyspace_misses"))
        }
        STATE["server"].kill9()


def pytest_sessionfinish() -> None:
    """What came of it stands in the last line."""
    STATE["server"].forget()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How often the cache was asked before it was killed."""
    terminalreporter.write_line(f"killed after {STATE['half']} tests: {STATE['stats']}")
