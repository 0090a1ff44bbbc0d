"""Gives the tests of jobs a place of their own, in a file or on a PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from services import Addresses, PostgresServer

from emma_core.backends.dbos_jobs import open_jobs, tables
from emma_core.backends.sql import connecting
from emma_core.ports import Jobs

pytest.register_assert_rewrite("emma_core.testing.jobs_contract")  # so that its assertions say what they compared


def with_jobs(addresses: Addresses) -> None:
    """The database has the tables of jobs, as `emma db upgrade` leaves them."""
    tables.make(connecting.place(addresses.app), connecting.place(addresses.owner))


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where jobs are kept; there are none."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/emma.jobs.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    addresses = server.database(prepare=with_jobs)
    yield addresses.app
    server.drop(addresses)


@pytest.fixture
def new_jobs(address: str) -> Callable[[], Jobs]:
    return lambda: open_jobs(address)
