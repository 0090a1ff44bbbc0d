"""Holds database addresses to TLS and to one clear error each, in which no password stands."""

from __future__ import annotations

import ssl
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from services import Addresses, PostgresServer
from services.key_vault_fake import certify
from services.processes import free_port
from services.tls_relay import tls_relay

from emma_core.backends.postgres import open_store
from emma_core.backends.sql import connecting
from emma_core.backends.sql.registry import open_registry
from emma_core.errors import OperatorError, StoreError
from emma_core.nouns import Member
from emma_core.ports import Registry
from emma_core.testing.registry_samples import member

SECRET = "canary-päss/w@rd"
WRITTEN = "canary-p%C3%A4ss%2Fw%40rd"
AWAY = "postgresql://app:" + WRITTEN + "@db.example.com:6432/emma"


async def refused(address: str, words: str) -> str:
    """What both the registry and the store say at that address, in one line without the password."""
    said = []
    for opened in (open_registry, open_store):
        with pytest.raises(OperatorError, match=words) as caught:
            await opened(address).open()
        said.append(str(caught.value))
    assert "\n" not in said[0]
    assert not [each for each in said for word in (SECRET, WRITTEN, "canary") if word in each]
    return said[0]


def test_an_address_says_role_password_host_and_database() -> None:
    place = connecting.place(AWAY + "?sslrootcert=/etc/ca.pem&schemas=per_tenant")

    assert (place.role, place.libpq["password"], place.libpq["host"]) == ("app", SECRET, "db.example.com")
    assert (place.libpq["port"], place.libpq["dbname"], place.per_tenant) == ("6432", "emma", True)
    assert place.shown == "postgresql://app:***@db.example.com:6432/emma"
    assert SECRET not in repr(place)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://",
        "postgresql:///emma",
        "postgresql://host/emma",
        f"postgresql://app:{WRITTEN}@host",
        f"postgresql://app:{WRITTEN}@host/",
        f"postgresql://app:{WRITTEN}@one,two/emma",
        f"postgresql://app:{WRITTEN}@host:port/emma",
        f"postgresql://app:{WRITTEN}@host:99999/emma",
        f"postgresql://app:{WRITTEN}@[::1/emma",
        f"postgresql+asyncpg://app:{WRITTEN}@host/emma",
    ],
)
async def test_an_address_that_cannot_be_read_says_how_one_is_written(address: str) -> None:
    with pytest.raises(OperatorError, match="write 'postgresql://role@host:5432/database'") as caught:
        connecting.place(address)

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("sslmode=require", "sslmode='require' does not hold the host to its certificate; write verify-full"),
        ("sslmode=disable", "sslmode='disable' does not hold"),
        ("sslmode=verify-ca", "sslmode='verify-ca' does not hold"),
        ("sslmode=prefer", "sslmode='prefer' does not hold"),
        ("sslmode=", "sslmode='' does not hold"),
        ("ssl_min_protocol_version=TLSv1.1", "ssl_min_protocol_version='TLSv1.1' is too old; write TLSv1.2"),
        ("hostaddr=127.0.0.1", "no setting 'hostaddr'; there are"),
        ("host=/tmp", "no setting 'host'; there are"),
        ("options=-c%20app.tenant%3Dacme", "no setting 'options'; there are"),
        ("schemas=shared", "schemas='shared'; write per_tenant, or leave it out"),
    ],
)
async def test_what_would_weaken_an_address_is_refused_before_anything_is_sent(query: str, words: str) -> None:
    with pytest.raises(OperatorError, match=words) as caught:
        connecting.place(f"{AWAY}?{query}")

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "host", ["db.example.com", "10.0.0.7", "[2001:db8::1]", "localhost.example.com", "127.0.0.1.nip.io"]
)
def test_what_leaves_this_machine_is_held_to_a_certificate_and_tls_1_2(host: str) -> None:
    libpq = connecting.place(f"postgresql://app@{host}/emma").libpq

    assert (libpq["sslmode"], libpq["ssl_min_protocol_version"]) == ("verify-full", "TLSv1.2")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "[::1]"])
def test_what_stays_on_this_machine_may_go_without(host: str) -> None:
    assert connecting.place(f"postgresql://app@{host}/emma").libpq["sslmode"] == "prefer"
    assert connecting.place(f"postgresql://app@{host}/emma?sslmode=verify-full").libpq["sslmode"] == "verify-full"


@pytest.mark.parametrize("variable", ["PGHOSTADDR", "PGSERVICE"])
def test_no_variable_leads_away_from_the_address(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "10.0.0.7")

    with pytest.raises(OperatorError, match=f"Variable {variable} would lead away from .*; unset it"):
        connecting.place("postgresql://app@localhost/emma")


async def test_a_server_that_is_away_at_start_is_named(emma_database: Addresses) -> None:
    away = f"postgresql://app:{WRITTEN}@127.0.0.1:{free_port()}/emma"

    await refused(away, r"'postgresql://app:\*\*\*@127\.0\.0\.1:\d+/emma' is not reached .* check that it runs")
    await refused(emma_database.app + "_not", "lacks something .*database .* does not exist.*; create it, or mend")


async def test_a_database_that_was_not_upgraded_says_what_to_run(database: Addresses) -> None:
    await refused(database.app, "holds no tables of Emma yet; run: emma db upgrade$")


@pytest.fixture
def with_password(postgres: PostgresServer, emma_database: Addresses) -> Iterator[Callable[[str], str]]:
    """The address of a role that must show a password, with the one that is given."""
    rules = postgres.data / "pg_hba.conf"
    before = rules.read_text()
    postgres.execute(
        f"CREATE ROLE secretive LOGIN PASSWORD '{SECRET}' IN ROLE emma_app NOSUPERUSER NOBYPASSRLS",
        "GRANT emma_app TO secretive",
    )
    rules.write_text(f"host all secretive 127.0.0.1/32 scram-sha-256\n{before}")
    postgres.execute("SELECT pg_reload_conf()")
    yield lambda password: emma_database.app.replace("emma_app@", f"secretive{password}@")
    rules.write_text(before)
    postgres.execute("SELECT pg_reload_conf()", "DROP ROLE secretive")


async def test_a_wrong_password_is_told_and_never_shown(with_password: Callable[[str], str]) -> None:
    registry = open_registry(with_password(f":{WRITTEN}"))
    await registry.open()
    assert [tenant.id for tenant in await registry.tenants()] == ["default"]
    await registry.close()

    await refused(with_password(":canary-wrong"), "knows no such role and password; mend the address")
    await refused(with_password(""), "wants a password; write it into the address")


def showing(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """What shows a certificate for 127.0.0.1 that vouches for itself, and the certificate's file."""
    certificate, key = certify(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


async def test_a_certificate_that_is_trusted_is_taken_and_another_is_refused(
    postgres: PostgresServer, emma_database: Addresses, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    context, certificate = showing(tmp_path)
    _, other = showing(tmp_path / "other")
    spoken: list[str] = []
    with tls_relay(context, postgres.port, spoken) as port:
        relayed = emma_database.app.replace(f":{postgres.port}/", f":{port}/") + "?sslmode=verify-full&sslrootcert="
        for part in (open_registry(f"{relayed}{certificate}"), open_store(f"{relayed}{certificate}")):
            await part.open()
            await part.close()
        assert set(spoken) <= {"TLSv1.2", "TLSv1.3"}
        assert len(spoken) == 2

        no_trust = "shows no certificate that can be trusted .*; name its authority with sslrootcert=FILE"
        await refused(f"{relayed}{other}", no_trust)
        await refused(f"{relayed}{tmp_path}/none.pem", no_trust)
        await refused(f"{relayed}{certificate}".replace("127.0.0.1", "localhost"), no_trust)


async def test_a_server_that_speaks_only_old_tls_is_refused(
    postgres: PostgresServer, emma_database: Addresses, tmp_path: Path
) -> None:
    context, certificate = showing(tmp_path)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with tls_relay(context, postgres.port, []) as port:
        relayed = emma_database.app.replace(f":{postgres.port}/", f":{port}/")

        await refused(
            f"{relayed}?sslmode=verify-full&sslrootcert={certificate}", "speaks no TLS that holds .*; turn TLS"
        )


async def test_a_server_without_tls_is_refused_where_it_was_asked_for(emma_database: Addresses) -> None:
    await refused(
        f"{emma_database.app}?sslmode=verify-full&sslrootcert=system", "speaks no TLS that holds .*; turn TLS on"
    )


async def test_a_server_that_goes_away_and_returns_costs_one_clear_error(durable_postgres: PostgresServer) -> None:
    from services.emma_databases import migrated

    addresses = durable_postgres.database(prepare=migrated)
    registry: Registry = open_registry(addresses.app)
    await registry.open()
    handle = registry.for_tenant("default")
    await handle.put(member())

    durable_postgres.kill9()
    with pytest.raises(StoreError, match="is not reached"):
        await handle.all(Member)
    durable_postgres.start()

    assert await handle.all(Member) == [member()]
    await registry.close()
    durable_postgres.drop(addresses)


def test_without_the_driver_the_command_that_installs_it_is_named(tmp_path: Path) -> None:
    code = "import sys, asyncio; sys.modules['psycopg'] = None; from emma_core.packs import find\n"
    code += "try: asyncio.run(find().backend('registry', 'postgresql://a@localhost/b').open())\n"
    code += "except Exception as error: print(error)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)

    assert done.stdout.strip().endswith("run: pip install 'emma-core[postgres]'")
