"""Holds blobs on Azure Blob Storage, as Azurite speaks it, to the contract of all blobs, and to clear errors."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import ssl
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob.aio import BlobServiceClient
from services import AzuriteServer

from emma_core import Conflict, OperatorError, StoreError
from emma_core.backends.azure_account import read_account
from emma_core.backends.azure_blobs import AzureBlobs, AzureTenantBlobs, open_blobs
from emma_core.ports import Blobs
from emma_core.testing import blobs_contract
from emma_core.testing.blobs_contract import *  # noqa: F403

NUMBERS = itertools.count()


def address_of(azurite: AzuriteServer, container: str, **more: str) -> str:
    said = {"key": azurite.key, "tls": "off", "retries": "1", **more}
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in said.items())
    return f"azure-blob://127.0.0.1:{azurite.port}/{azurite.account}/{container}?{query}"


async def made(azurite: AzuriteServer) -> str:
    """The address of a new container."""
    address = address_of(azurite, f"emma-{next(NUMBERS)}")
    assert len(await open_blobs(address).upgrade()) == 1
    return address


@pytest.fixture
async def address(azurite: AzuriteServer) -> str:
    return await made(azurite)


@pytest.fixture
def clock() -> list[datetime]:
    return [datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)]


@pytest.fixture
def new_blobs(address: str, clock: list[datetime]):
    return lambda: AzureBlobs(read_account(address), clock=lambda: clock[0])


@pytest.fixture
async def service(azurite: AzuriteServer) -> AsyncIterator[BlobServiceClient]:
    """Azure's own client, which goes past Emma."""
    key = AzureNamedKeyCredential(azurite.account, azurite.key)
    async with BlobServiceClient(azurite.address, credential=key) as client:
        yield client


@pytest.fixture
def flip(address: str, service: BlobServiceClient):
    async def flipped(tenant: str, kind: str, sha256: str) -> None:
        container = service.get_container_client(read_account(address).container)
        blob = container.get_blob_client(f"{tenant}/{kind}/{sha256}")
        properties = await blob.get_blob_properties()
        data = bytearray(await (await blob.download_blob()).readall())
        data[7] ^= 1
        await blob.upload_blob(bytes(data), overwrite=True, metadata=properties.metadata)

    return flipped


async def unheld(self: Any, kind: Any, sha256: str) -> bool:
    await self._blobs.container.delete_blob(self._path(kind, sha256))
    return True


MUTATIONS: dict[str, dict[str, Any]] = {
    "no tenant in the path": {"_path": lambda self, kind, sha256: f"{kind}/{sha256}"},
    "no end to the tenant in what is listed": {"_listed": lambda self, kind, after="": listed(self, self.tenant)},
    "nothing held to its time": {"delete": unheld},
}


async def listed(handle: Any, prefix: str) -> AsyncIterator[Any]:
    async for each in handle._blobs.container.list_blobs(name_starts_with=prefix, include=["metadata"]):
        yield each


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_the_contract_finds_blobs_that_are_broken(
    azurite: AzuriteServer, clock: list[datetime], faults: Any, mutation: str
) -> None:
    broken = type("Broken", (AzureTenantBlobs,), MUTATIONS[mutation])

    class Mutated(AzureBlobs):
        async def open(self) -> None:
            await self.upgrade()
            await super().open()

        def for_tenant(self, tenant: str) -> AzureTenantBlobs:
            return broken(self, tenant)

    def make() -> Blobs:
        return Mutated(read_account(address_of(azurite, f"emma-{next(NUMBERS)}")), clock=lambda: clock[0])

    async def flip(tenant: str, kind: str, sha256: str) -> None:
        raise AssertionError("no mutation here is about damage")

    only = ("two_tenants", "purge", "before_its_time")
    assert await faults(blobs_contract, "blobs", make, clock=clock, only=only)


async def test_a_kind_lies_on_its_tier_with_its_name_and_its_time(address: str, service: BlobServiceClient) -> None:
    blobs = open_blobs(f"{address}&tier_export=cold&keep_export=10")
    await blobs.open()
    put = await blobs.for_tenant("a").put(b"words", kind="export", name="Ärger 🏠.pdf")
    blob = service.get_blob_client(read_account(address).container, f"a/export/{put.sha256}")

    found = await blob.get_blob_properties()

    assert str(found.blob_tier).lower() == "cold"
    assert put.keep_until is not None and found.metadata["keepuntil"] == put.keep_until.isoformat()
    await blobs.close()


async def test_a_large_piece_put_by_many_at_once_is_one_piece(address: str) -> None:
    blobs, data = open_blobs(address), bytes(range(256)) * 4 * 1024 * 5
    await blobs.open()
    handle = blobs.for_tenant("a")

    put = await asyncio.gather(*(handle.put(data, kind="attachment") for _ in range(6)))

    assert await handle.list("attachment") == [put[0]]
    assert put == [put[0]] * 6
    assert await handle.get("attachment", put[0].sha256) == data
    await blobs.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"key": "d3Jvbmc="}, "it refuses this key or identity"),
        ({"key": "canary-no-base64"}, "it refuses this key or identity"),
    ],
    ids=["a wrong key", "no key at all"],
)
async def test_a_wrong_key_is_one_error(azurite: AzuriteServer, change: dict[str, str], words: str) -> None:
    blobs = open_blobs(address_of(azurite, "emma-0", **change))

    with pytest.raises(StoreError, match="Azure Blob container 'emma-0' of 'devstoreaccount1'") as raised:
        await blobs.open()

    assert words in str(raised.value)
    assert "canary" not in str(raised.value)


async def test_a_container_that_is_not_there_is_one_error_that_says_how_to_make_it(azurite: AzuriteServer) -> None:
    blobs = open_blobs(address_of(azurite, "nowhere"))

    with pytest.raises(StoreError, match="there is no such container; run: emma db upgrade"):
        await blobs.open()


async def test_a_container_that_goes_away_is_an_error_and_not_nothing(
    azurite: AzuriteServer, service: BlobServiceClient
) -> None:
    address = await made(azurite)
    blobs = open_blobs(address)
    await blobs.open()
    handle = blobs.for_tenant("a")
    put = await handle.put(b"words", kind="export")
    await service.delete_container(read_account(address).container)

    for asked in (
        lambda: handle.get("export", put.sha256),
        lambda: handle.put(b"words", kind="export"),
        lambda: handle.list("export"),
        lambda: handle.delete("export", put.sha256),
        lambda: handle.census(),
    ):
        with pytest.raises(StoreError, match="there is no such container"):
            await asked()
    await blobs.close()


async def test_an_account_that_is_away_is_one_error(azurite: AzuriteServer) -> None:
    class Nowhere:
        port, account, key = 9, azurite.account, azurite.key

    blobs = open_blobs(address_of(Nowhere(), "emma", retries="0"))  # type: ignore[arg-type]

    with pytest.raises(StoreError, match="it cannot be reached"):
        await blobs.open()
    with pytest.raises(StoreError, match="is not open"):
        await blobs.for_tenant("a").list("export")


async def test_a_certificate_that_nobody_vouches_for_is_one_error(certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        blobs = open_blobs(f"azure-blob://127.0.0.1:{port}/account/emma?key=d3Jvbmc%3D&retries=0")

        with pytest.raises(StoreError, match="its certificate is not to be trusted"):
            await blobs.open()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("azure-blob://account.blob.core.windows.net", "does not fit; write 'azure-blob://"),
        ("azure-blob://account.blob.core.windows.net/a/b", "does not fit"),
        ("azure-blob://127.0.0.1:10000/container", "does not fit"),
        ("azure-blob://account.blob.core.windows.net:x/c", "does not fit"),
        ("azure-blob://account.blob.core.windows.net/c?tls=off", "tls=off is for this machine only"),
        ("azure-blob://account.blob.core.windows.net/c?tls=no", "tls=off is for this machine only"),
        ("azure-blob://account.blob.core.windows.net/c?kee=x", "'kee' means nothing there"),
        ("azure-blob://account.blob.core.windows.net/c?retries=99", "write 0 to 10"),
        ("azure-blob://account.blob.core.windows.net/c?ca=nowhere.pem", "is no file"),
    ],
)
def test_an_address_that_does_not_fit_is_refused(address: str, words: str) -> None:
    with pytest.raises(OperatorError, match="EMMA_BLOBS") as raised:
        open_blobs(address)

    assert words in str(raised.value)


def test_an_address_names_the_account_its_container_and_no_key_when_shown() -> None:
    account = read_account("azure-blob://acme.blob.core.windows.net/emma?key=a%2Bb%3D%3D")

    assert (account.url, account.name, account.container) == ("https://acme.blob.core.windows.net", "acme", "emma")
    assert account.key == "a+b=="
    assert "a+b" not in f"{account} {account!r}"


class Immutable(BaseHTTPRequestHandler):
    """A protocol fake of a container with version-level immutability, which Azurite has not."""

    told: list[tuple[str, str, dict[str, str]]]
    held: dict[str, dict[str, str]]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The container's properties, with what they say of immutability."""
        self.answer(200, {"x-ms-immutable-storage-with-versioning-enabled": "true"})

    def do_HEAD(self) -> None:
        """A blob's properties, with the date that the account holds to."""
        found = self.held.get(self.path.partition("?")[0])
        self.answer(200 if found else 404, found or {"x-ms-error-code": "BlobNotFound"})

    def do_PUT(self) -> None:
        """A blob as it was sent, or its new date."""
        path, _, query = self.path.partition("?")
        data = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.told.append((query, path, dict(self.headers.items())))
        until = self.headers["x-ms-immutability-policy-until-date"]
        held = self.held.setdefault(path, {})
        if query == "":
            md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
            held |= {"ETag": '"1"', "Content-Length": str(len(data)), "Content-MD5": md5, "x-ms-blob-type": "BlockBlob"}
            names = [name for name in self.headers if name.lower().startswith("x-ms-meta-")]
            held |= {name.lower(): self.headers[name] for name in names}
        if until:
            held["x-ms-immutability-policy-until-date"] = until
        self.answer(201 if query == "" else 200, {"ETag": '"1"'})

    def do_DELETE(self) -> None:
        """Refused, as by an account that holds to it."""
        self.answer(409, {"x-ms-error-code": "BlobImmutableDueToPolicy"})

    def answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


async def test_a_container_that_can_be_immutable_is_told_the_date_and_holds_to_it_itself() -> None:
    handler = type("Told", (Immutable,), {"told": [], "held": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    blobs = open_blobs(f"azure-blob://127.0.0.1:{server.server_port}/acme/emma?tls=off&key=a2V5&retries=0")
    await blobs.open()
    handle = blobs.for_tenant("a")

    state = await blobs.state()
    free = await handle.put(b"words", kind="attachment")
    first = await handle.put(b"root", kind="checkpoint", days=1)
    longer = await handle.put(b"root", kind="checkpoint", days=30)
    with pytest.raises(Conflict, match="is kept until"):
        await handle.delete("checkpoint", first.sha256)
    with pytest.raises(Conflict, match="BlobImmutableDueToPolicy"):
        await handle.delete("attachment", free.sha256)

    await blobs.close()
    await asyncio.to_thread(server.shutdown)
    thread.join()
    server.server_close()
    assert "the account holds to what is kept" in state
    assert first.keep_until is not None and longer.keep_until is not None
    said = [
        (query, headers.get("x-ms-immutability-policy-mode"), headers.get("x-ms-immutability-policy-until-date"))
        for query, _, headers in handler.told
    ]
    assert said == [
        ("", None, None),
        ("", "Locked", format_datetime(first.keep_until, usegmt=True)),
        ("comp=immutabilityPolicies", "Locked", format_datetime(longer.keep_until, usegmt=True)),
    ]
