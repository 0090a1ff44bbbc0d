"""Holds the PostgreSQL store to one clear error for whatever does not fit, and to changing nothing then."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from services import Addresses, PostgresServer
from services.tls_wire import TlsWire

from emma_core import audit
from emma_core.backends.postgres import open_store
from emma_core.errors import CallerError, StoreError
from emma_core.testing.samples import note, sealing


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that only it vouches for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    signed = made.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, hashes.SHA256())
    folder.mkdir()
    (folder / "server.crt").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "server.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    return folder / "server.crt", folder / "server.key"


@pytest.fixture
def with_tls(emma_database: Addresses, postgres: PostgresServer, tmp_path: Path) -> Iterator[tuple[str, Path, Path]]:
    """The store's address where TLS is spoken, the certificate there, and another one."""
    certificate, key = self_signed(tmp_path / "theirs")
    stranger, _ = self_signed(tmp_path / "strangers")
    with TlsWire(postgres.port, certificate, key) as wire:
        yield emma_database.app.replace(f":{postgres.port}/", f":{wire.port}/"), certificate, stranger


async def test_a_certificate_that_nobody_vouches_for_is_refused_by_name(with_tls: tuple[str, Path, Path]) -> None:
    address, certificate, stranger = with_tls

    for authority in (stranger, stranger.with_name("absent.crt")):
        with pytest.raises(StoreError, match=r"certificate.*sslrootcert=FILE") as refused:
            await open_store(f"{address}?sslmode=verify-full&sslrootcert={authority}").open()
        assert "emma_app@127.0.0.1" in str(refused.value)

    store = open_store(f"{address}?sslmode=verify-full&sslrootcert={certificate}")
    await store.open()
    assert await store.for_tenant("a").head() is None
    await store.close()


async def test_a_server_without_tls_is_refused_where_tls_was_asked_for(emma_database: Addresses) -> None:
    with pytest.raises(StoreError, match="speaks no TLS that holds"):
        await open_store(f"{emma_database.app}?sslmode=require").open()


async def test_a_role_that_does_not_exist_and_a_database_that_does_not_are_named(emma_database: Addresses) -> None:
    for address, name in (
        (emma_database.app.replace("emma_app@", "nobody@"), "nobody"),
        (f"{emma_database.app}x", "d"),
    ):
        with pytest.raises(StoreError, match="does not exist") as refused:
            await open_store(address).open()
        assert name in str(refused.value)


async def test_a_server_that_is_not_there_is_one_error_at_once(emma_database: Addresses) -> None:
    port = emma_database.app.rpartition(":")[2].partition("/")[0]

    with pytest.raises(StoreError, match=r"is not reached .*; check that it runs, and its host and port"):
        await open_store(emma_database.app.replace(f":{port}/", ":1/")).open()


async def test_a_role_that_sees_every_tenant_is_refused(emma_database: Addresses) -> None:
    with pytest.raises(StoreError, match="'postgres' is a superuser and would see every tenant's rows"):
        await open_store(emma_database.superuser).open()
    with pytest.raises(StoreError, match="'emma_owner' owns table"):
        await open_store(emma_database.owner).open()


async def test_a_database_without_tables_says_what_to_run(database: Addresses) -> None:
    with pytest.raises(StoreError, match="run: emma db upgrade"):
        await open_store(database.app).open()


async def test_a_database_that_cannot_be_written_acknowledges_nothing(emma_database: Addresses) -> None:
    store = open_store(emma_database.app)
    await store.open()
    await store.for_tenant("a").append(sealing("a"))
    await store.close()
    with psycopg.connect(emma_database.superuser, autocommit=True) as connection:
        connection.execute(b"ALTER ROLE emma_app SET default_transaction_read_only = on")
    try:
        await store.open()
        handle = store.for_tenant("a")
        for write in (handle.append(sealing("a")), handle.put(note()), handle.purge()):
            with pytest.raises(StoreError, match="cannot be written; name the one that can"):
                await write
        assert (await audit.verify_trail(handle)).lines == 1
    finally:
        with psycopg.connect(emma_database.superuser, autocommit=True) as connection:
            connection.execute(b"ALTER ROLE emma_app RESET default_transaction_read_only")
    await store.close()


async def test_a_name_too_long_for_an_index_is_the_callers_to_change(emma_database: Addresses) -> None:
    store = open_store(emma_database.app)
    await store.open()
    handle, long = store.for_tenant("a"), "".join(chr(0x4E00 + n * 7 % 20_000) for n in range(3000))

    with pytest.raises(CallerError, match="cannot keep such a value"):
        await handle.put(note(long))
    with pytest.raises(CallerError, match="cannot keep such a value"):
        await handle.append(sealing("a"), puts=[(note(long), None)])

    assert await handle.query("note") == []
    assert await handle.head() is None
    await store.close()


@pytest.mark.parametrize("name", ["\0", "\x01", "\x01\0\x01\x01\x02", "a\0", "a\x01", "a\x02", "a\0\x01"])
async def test_characters_that_postgresql_does_not_keep_are_kept_and_sorted(
    emma_database: Addresses, name: str
) -> None:
    store = open_store(emma_database.app)
    await store.open()
    handle = store.for_tenant("a")
    names = sorted({name, "\0\0", "\x01\x01", "\x02", "a", "a\x03", "b"})

    for each in names:
        await handle.put(note(each, kind=name, group=name))
    await handle.append(sealing("a", turn=name, conversation=name), deletes=[(name, name)])

    assert [found.id for found in await handle.query(name, group=name)] == [each for each in names if each != name]
    assert await handle.kinds() == [name]
    assert [line.turn for line in await handle.lines(turn=name)] == [name]
    assert (await audit.verify_trail(handle)).ok
    await store.close()
