"""Holds the servers that tests run against to being real, apart from each other, and gone afterwards."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest
from services import Addresses, AzuriteServer, PostgresServer, ValkeyServer

LEFT_ALONE = """
import sys
sys.path.insert(0, sys.argv[1])
from services import PostgresServer, ValkeyServer
servers = [PostgresServer(fsync=False), ValkeyServer()]
print(*(f"{server._process.pid} {server._process.folder}" for server in servers), sep="\\n", flush=True)
sys.stdin.read()
"""


def one(address: str, statement: str) -> object:
    with psycopg.connect(address, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
        return row[0] if row else None


def test_each_test_has_a_database_of_its_own_and_two_plain_roles(postgres: PostgresServer, database: Addresses) -> None:
    other = postgres.database()

    with psycopg.connect(database.owner, autocommit=True) as connection:
        connection.execute("CREATE TABLE mine (n int)")

    assert one(other.owner, "SELECT to_regclass('mine')") is None
    for address in (database.owner, database.app):
        assert one(address, "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user") is False
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        one(database.app, "CREATE TABLE mine_too (n int)")
    assert str(one(database.app, "SELECT version()")).startswith("PostgreSQL 18")
    postgres.drop(other)


def test_a_postgresql_that_was_killed_starts_again_with_what_it_had_acknowledged(
    durable_postgres: PostgresServer,
) -> None:
    addresses = durable_postgres.database()
    with psycopg.connect(addresses.owner, autocommit=True) as connection:
        connection.execute("CREATE TABLE mine (n int)")
        connection.execute("INSERT INTO mine VALUES (7)")

        durable_postgres.kill9()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    durable_postgres.start()

    assert one(addresses.owner, "SELECT n FROM mine") == 7
    assert one(addresses.owner, "SHOW fsync") == "on"
    durable_postgres.stop()
    durable_postgres.start()
    assert one(addresses.owner, "SELECT n FROM mine") == 7
    durable_postgres.drop(addresses)


def test_valkey_answers_and_starts_again(valkey: ValkeyServer) -> None:
    assert valkey._said("SET a 1") == b"+OK\r\n"

    valkey.kill9()
    with pytest.raises(OSError):
        valkey._said("PING")
    valkey.start()

    assert valkey._said("GET a") == b"$-1\r\n"
    valkey.flush()


def test_azurite_answers_in_the_words_of_the_blob_service(azurite: AzuriteServer) -> None:
    asked = http.client.HTTPConnection("127.0.0.1", azurite.port)
    asked.request("GET", f"/{azurite.account}?comp=list")
    answered = asked.getresponse()

    assert answered.status == 403
    assert b"AuthorizationFailure" in answered.read() or answered.headers["Server"].startswith("Azurite")
    asked.close()


@pytest.mark.skipif(sys.platform == "win32", reason="expected: no signals on this system")
def test_servers_are_gone_with_their_files_after_the_tests_themselves_were_killed() -> None:
    command = [sys.executable, "-c", LEFT_ALONE, str(Path(__file__).parent)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdin is not None
    servers = [child.stdout.readline().split() for _ in range(2)]
    processes = [psutil.Process(int(pid)) for pid, _ in servers]

    os.kill(child.pid, signal.SIGKILL)
    child.wait()

    assert psutil.wait_procs(processes, timeout=30)[1] == []
    while any(Path(folder).exists() for _, folder in servers):
        time.sleep(0.05)
    child.stdin.close()
    child.stdout.close()
