"""A copy of a test's PostgreSQL that follows it by streaming replication, and may lag as long as a test likes."""

from __future__ import annotations

import os
import signal
import time

import psycopg

from services.postgres_server import PostgresServer
from services.processes import Process, free_port


class PostgresCopy:
    """A hot standby of a server, on a free loopback port."""

    def __init__(self, of: PostgresServer) -> None:
        self.port = free_port()
        self._of = of
        self._process = Process("postgres-copy", user=65534 if os.getuid() == 0 else None)
        data = str(self._process.folder / "data")
        source = ["-h", "127.0.0.1", "-p", str(of.port), "-U", "postgres"]
        self._process.run([of.program("pg_basebackup"), *source, "-D", data, "-R", "-X", "stream", "-c", "fast"])
        command = [of.program("postgres"), "-D", data, "-p", str(self.port), "-h", "127.0.0.1", "-c", "hot_standby=on"]
        for setting in ("unix_socket_directories=", "max_connections=200", "fsync=off"):
            command += ["-c", setting]
        self._process.start(command, ready=self._answers, seconds=60)

    def address(self, of: str) -> str:
        """Where a role finds here the database that it finds at that address of the original."""
        return of.replace(f":{self._of.port}/", f":{self.port}/")

    def hold(self) -> None:
        """It falls behind from now on."""
        self._execute("SELECT pg_wal_replay_pause()")

    def follow(self) -> None:
        """It holds what its original held when this was called."""
        (where,) = self._of.execute("SELECT pg_current_wal_lsn()")[0]
        self._execute("SELECT pg_wal_replay_resume()")
        until = time.monotonic() + 60
        while not self._execute(f"SELECT pg_last_wal_replay_lsn() >= '{where}'"):
            assert time.monotonic() < until, "the copy does not follow"
            time.sleep(0.02)

    def forget(self) -> None:
        """It is gone, with its files."""
        self._process.stop(signal.SIGINT)
        self._process.forget()

    def _execute(self, statement: str) -> bool:
        with psycopg.connect(f"postgresql://postgres@127.0.0.1:{self.port}/postgres", autocommit=True) as connection:
            row = connection.execute(statement.encode()).fetchone()
            return bool(row and row[0])

    def _answers(self) -> bool:
        try:
            psycopg.connect(f"postgresql://postgres@127.0.0.1:{self.port}/postgres", connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True
