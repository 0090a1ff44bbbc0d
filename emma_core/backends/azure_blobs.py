"""Keeps content by its hash in Azure Blob Storage: `tenant/kind/sha256` in one container."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote, unquote

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobProperties, ContentSettings, ImmutabilityPolicy, StandardBlobTier
from azure.storage.blob.aio import BlobServiceClient, ContainerClient, ExponentialRetry

from emma_core.backends import blob_policy, checked
from emma_core.backends.azure_account import Account, azure_told, credential, read_account
from emma_core.backends.blob_policy import Policy
from emma_core.errors import StoreError
from emma_core.nouns import BlobKind, BlobRef
from emma_core.ports import Blobs, TenantBlobs

_AT_ONCE = 16
_TRIES = 32
_PIECE = 1024 * 1024
"""Bytes sent at once: more would hold up the event loop."""
_AMID = {"ConditionNotMet", "BlobAlreadyExists", "BlobNotFound", "InvalidBlockList"}
"""What Azure says where somebody else wrote or deleted the same piece meanwhile."""


def open_blobs(address: str) -> Blobs:
    """The blobs of the container that the address names. Raises `OperatorError` where the address does not fit."""
    account = read_account(address)
    return AzureBlobs(account, blob_policy.policies(account.query))


class AzureBlobs:
    """One container of an account; what is to be kept is immutable where the container can be, else held to here."""

    def __init__(
        self,
        account: Account,
        policies: Mapping[BlobKind, Policy] = blob_policy.POLICIES,
        clock: Callable[[], datetime] = blob_policy.moment,
    ) -> None:
        self.account = account
        self.policies = policies
        self.clock = clock
        self.immutable = False
        """True where the container holds to a date by itself, version by version."""
        self._held: AsyncExitStack | None = None
        self._container: ContainerClient | None = None

    @property
    def container(self) -> ContainerClient:
        """The open container. Raises `StoreError` where it is not open."""
        if self._container is None:
            raise StoreError(f"{self.account} is not open; open it first")
        return self._container

    async def open(self) -> None:
        """Ready. Raises `StoreError` where the account or the container cannot be reached."""
        if self._container is None:
            await self._connect()
        try:
            await self.state()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Nothing is held."""
        held, self._held, self._container = self._held, None, None
        if held is not None:
            await held.aclose()

    def for_tenant(self, tenant: str) -> TenantBlobs:
        """The handle of one tenant. Raises `CallerError` for what can be no tenant's id."""
        return AzureTenantBlobs(self, checked.tenant(tenant))

    async def upgrade(self, owner: str = "") -> list[str]:
        """The container is there; what was done. It is closed as it was found."""
        found_open = self._container is not None
        if not found_open:
            await self._connect()
        try:
            with azure_told(self.account):
                try:
                    await self.container.create_container()
                except ResourceExistsError as error:
                    if getattr(error, "error_code", "") != "ContainerAlreadyExists":
                        raise
                    return []
            return [f"made the container {self.account.container!r} of {self.account.name!r}"]
        finally:
            if not found_open:
                await self.close()

    async def state(self) -> str:
        """Which container it is, and who holds to what is kept. Raises `StoreError` where it cannot be reached."""
        with azure_told(self.account):
            found = await self.container.get_container_properties()
        self.immutable = bool(found.immutable_storage_with_versioning_enabled)
        holds = "the account holds to what is kept" if self.immutable else "Emma holds to what is kept, not the account"
        return f"{self.account} answers; {holds}"

    async def _connect(self) -> None:
        self._held = AsyncExitStack()
        entry = credential(self.account, self._held)
        retries = ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=self.account.retries)
        trusted: dict[str, Any] = {"connection_verify": self.account.ca} if self.account.ca else {}
        service = BlobServiceClient(
            self.account.url,
            credential=entry,
            retry_policy=retries,
            connection_timeout=5,
            read_timeout=60,
            max_single_put_size=_PIECE,
            max_block_size=_PIECE,
            **trusted,
        )
        self._held.push_async_callback(service.close)
        self._container = service.get_container_client(self.account.container)


class AzureTenantBlobs:
    """One tenant's content by hash."""

    def __init__(self, blobs: AzureBlobs, tenant: str) -> None:
        self.tenant = tenant
        self._blobs = blobs

    async def put(self, data: bytes, *, kind: BlobKind, name: str = "", days: int | None = None) -> BlobRef:
        """The content is durable under its hash, its bytes mended where they were damaged."""
        policy = self._blobs.policies[checked.kind(kind)]
        now = self._blobs.clock()
        new = await asyncio.to_thread(blob_policy.ref, data, kind, name, days, policy, now)
        md5 = await asyncio.to_thread(lambda: hashlib.md5(data, usedforsecurity=False).digest())
        with azure_told(self._blobs.account):
            for _ in range(_TRIES):
                held = await self._properties(new.kind, new.sha256)
                try:
                    if held is None or not _same(held, md5, new.size):
                        kept = _merged(_ref(held), new) if held else new
                        await self._upload(kept, data, md5, policy, over=held)
                        return kept
                    return await self._prolong(_ref(held), new, held)
                except HttpResponseError as error:
                    if getattr(error, "error_code", "") not in _AMID:
                        raise
        raise StoreError(f"Blob {new.sha256[:12]!r} of kind {kind!r} keeps changing under this write; put it again")

    async def get(self, kind: BlobKind, sha256: str) -> bytes | None:
        """The content, its hash checked, or None. Raises `StoreError` where it is not what its hash says."""
        blob = self._blobs.container.get_blob_client(self._path(kind, sha256))
        with azure_told(self._blobs.account):
            try:
                data = await (await blob.download_blob(max_concurrency=4)).readall()
            except ResourceNotFoundError as error:
                if getattr(error, "error_code", "") == "ContainerNotFound":
                    raise
                return None
        return await asyncio.to_thread(blob_policy.intact, data, kind, sha256)

    async def list(self, kind: BlobKind, *, after: str = "", limit: int = 1000) -> list[BlobRef]:
        """Up to `limit` of that kind in the order of their hashes, after the hash `after`."""
        found: list[BlobRef] = []
        with azure_told(self._blobs.account):
            async for properties in self._listed(checked.kind(kind), after):
                if len(found) >= limit:
                    break
                found.append(_ref(properties))
        return found

    async def delete(self, kind: BlobKind, sha256: str) -> bool:
        """Gone; whether it was there. Raises `Conflict` while it is to be kept."""
        path = self._path(kind, sha256)
        with azure_told(self._blobs.account):
            for _ in range(_TRIES):
                held = await self._properties(kind, sha256)
                if held is None:
                    return False
                blob_policy.hold(_ref(held), self._blobs.clock())
                try:
                    await self._blobs.container.delete_blob(path, **_unchanged(held))
                    return True
                except ResourceNotFoundError:
                    return False
                except ResourceModifiedError:  # somebody put it again: it may be kept for longer now
                    continue
        raise StoreError(f"Blob {sha256[:12]!r} of kind {kind!r} keeps changing under this delete; try again")

    async def census(self) -> Mapping[str, int]:
        """How many pieces are held of this tenant, by kind."""
        counted: dict[str, int] = {kind: 0 for kind in checked.KINDS}
        with azure_told(self._blobs.account):
            for kind in checked.KINDS:
                async for _ in self._listed(kind):
                    counted[kind] += 1
        return counted

    async def purge(self) -> None:
        """Nothing is held of this tenant. Raises `Conflict` naming what is to be kept; then all is still there."""
        now, found = self._blobs.clock(), []
        with azure_told(self._blobs.account):
            for kind in checked.KINDS:
                async for properties in self._listed(kind):
                    blob_policy.hold(_ref(properties), now)
                    found.append((kind, _ref(properties).sha256))
        for start in range(0, len(found), _AT_ONCE):
            await asyncio.gather(*(self.delete(*each) for each in found[start : start + _AT_ONCE]))

    def _path(self, kind: BlobKind, sha256: str) -> str:
        return f"{self.tenant}/{checked.kind(kind)}/{checked.sha256(sha256)}"

    async def _properties(self, kind: BlobKind, sha256: str) -> BlobProperties | None:
        try:
            return await self._blobs.container.get_blob_client(self._path(kind, sha256)).get_blob_properties()
        except ResourceNotFoundError as error:
            if getattr(error, "error_code", "") == "ContainerNotFound":
                raise
            return None

    async def _upload(
        self, kept: BlobRef, data: bytes, md5: bytes, policy: Policy, *, over: BlobProperties | None
    ) -> None:
        """Written once: only where nothing is there, or over the damaged one that was seen."""
        more: dict[str, Any] = {"overwrite": True, **_unchanged(over)} if over else {"overwrite": False}
        if kept.keep_until and self._blobs.immutable:
            more["immutability_policy"] = ImmutabilityPolicy(expiry_time=kept.keep_until, policy_mode="Locked")
        await self._blobs.container.get_blob_client(self._path(kept.kind, kept.sha256)).upload_blob(
            io.BytesIO(data),
            length=len(data),
            max_concurrency=4,
            metadata=_metadata(kept),
            content_settings=ContentSettings(content_type="application/octet-stream", content_md5=bytearray(md5)),
            standard_blob_tier=StandardBlobTier(policy.tier.capitalize()),
            **more,
        )

    async def _prolong(self, old: BlobRef, new: BlobRef, held: BlobProperties) -> BlobRef:
        """What is there already, kept for as long as was ever promised."""
        kept = _merged(old, new)
        if kept == old:
            return old
        blob = self._blobs.container.get_blob_client(self._path(kept.kind, kept.sha256))
        if self._blobs.immutable and kept.keep_until:
            await blob.set_immutability_policy(ImmutabilityPolicy(expiry_time=kept.keep_until, policy_mode="Locked"))
        else:
            await blob.set_blob_metadata(_metadata(kept), **_unchanged(held))
        return kept

    async def _listed(self, kind: BlobKind, after: str = "") -> AsyncIterator[BlobProperties]:
        """The tenant's blobs of a kind by hash, those after `after`: the service may start there, and need not."""
        prefix = f"{self.tenant}/{kind}/"
        include = ["metadata", "immutabilitypolicy"] if self._blobs.immutable else ["metadata"]
        more: dict[str, Any] = {"start_from": prefix + after} if after else {}
        async for properties in self._blobs.container.list_blobs(name_starts_with=prefix, include=include, **more):
            if properties.name > prefix + after:
                yield properties


def _metadata(kept: BlobRef) -> dict[str, str]:
    """What is known of a blob besides its bytes, as headers can carry it."""
    said = {"name": quote(kept.name)} if kept.name else {}
    return {**said, "keepuntil": kept.keep_until.isoformat()} if kept.keep_until else said


def _ref(found: BlobProperties) -> BlobRef:
    """What is known of a blob. Raises `StoreError` where its metadata cannot be read."""
    _, kind, sha256 = cast(tuple[str, BlobKind, str], found.name.split("/"))
    said = {name.lower(): value for name, value in (found.metadata or {}).items()}
    try:
        ends = [datetime.fromisoformat(said["keepuntil"])] if said.get("keepuntil") else []
        policy = found.immutability_policy
        if policy is not None and policy.expiry_time is not None:
            ends.append(policy.expiry_time.astimezone(UTC))
        name = unquote(said.get("name") or "")
        return BlobRef(kind=kind, sha256=sha256, size=found.size, name=name, keep_until=max(ends, default=None))
    except ValueError as error:
        raise StoreError(f"Blob {sha256[:12]!r} of kind {kind!r}: its metadata is damaged; restore it") from error


def _merged(old: BlobRef, new: BlobRef) -> BlobRef:
    ends = [each.keep_until for each in (old, new) if each.keep_until]
    return new.model_copy(update={"name": old.name or new.name, "keep_until": max(ends, default=None)})


def _same(held: BlobProperties, md5: bytes, size: int) -> bool:
    there = held.content_settings.content_md5
    return bool(held.size == size and (there is None or bytes(there) == md5))


def _unchanged(held: BlobProperties) -> dict[str, Any]:
    return {"etag": held.etag, "match_condition": MatchConditions.IfNotModified}
