"""Opens what a house stands on, each at its address, and closes it in reverse, each even where another fails."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from urllib.parse import quote

from emma_core import redaction, subjects
from emma_core.errors import OperatorError
from emma_core.packs import Packs
from emma_core.ports import Model, Secrets
from emma_core.runtime import House
from emma_core.settings import Settings

_NAMED = re.compile(r"\{secret:([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}")


@asynccontextmanager
async def opened(chosen: Settings, found: Packs, *, clock: Callable[[], datetime]) -> AsyncIterator[House]:
    """The house, opened: secrets first, then what they open. Raises `OperatorError` where something cannot be."""
    async with AsyncExitStack() as stack:
        secrets, read = await stack.enter_async_context(resolved(chosen, found))
        house = House(
            settings=chosen,
            packs=found,
            secrets=secrets,
            blobs=found.backend("blobs", read.blobs),
            cache=found.backend("cache", read.cache),
            store=subjects.SubjectStore(found.backend("store", read.store), _masters(read), clock),
            registry=found.backend("registry", read.registry),
            index=found.backend("index", read.index),
            jobs=found.backend("jobs", read.jobs_at),
            clock=clock,
            signing_key=read.signing_key,
            models=_model(chosen, read, found),
        )
        stack.push_async_callback(house.blobs.close)
        await house.blobs.open()
        stack.push_async_callback(house.cache.close)
        await house.cache.open()
        stack.push_async_callback(house.store.close)
        await house.store.open(overflow=house.blobs)
        stack.push_async_callback(house.registry.close)
        await house.registry.open(replica=read.database_replica, owner=read.database_owner)
        stack.push_async_callback(house.index.close)
        stack.push_async_callback(house.jobs.close)  # it connects when a job is first asked for
        yield house


@asynccontextmanager
async def resolved(chosen: Settings, found: Packs) -> AsyncIterator[tuple[Secrets, Settings]]:
    """The secrets, open, and the settings with each `{secret:name}` of an address read, and masked from now on.

    Raises `OperatorError` where the place of secrets cannot be opened, or a secret cannot be read.
    """
    redaction.guard_logs()
    redaction.learn_environment()
    addresses = {name: value for name, value in chosen if isinstance(value, str)}
    for address in addresses.values():
        redaction.learn_address(address)
    if _NAMED.search(chosen.secrets):
        raise OperatorError(
            f"EMMA_SECRETS: {chosen.secrets!r} names a secret, and is where they are read; write it out"
        )
    secrets = Masked(found.backend("secrets", chosen.secrets))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(secrets.close)
        await secrets.open()
        read = {name: await _filled(address, secrets) for name, address in addresses.items() if _NAMED.search(address)}
        for address in read.values():
            redaction.learn_address(address)
        yield secrets, chosen.model_copy(update=read)


class Masked:
    """Secrets, each of which is masked from the moment it is read."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    async def open(self) -> None:
        """Ready. Raises `OperatorError` where it cannot be."""
        await self._secrets.open()

    async def close(self) -> None:
        """Nothing is held."""
        await self._secrets.close()

    async def read(self, name: str) -> str:
        """The secret of that name. Raises `OperatorError` where there is none, or it may not be read."""
        if not _NAME.fullmatch(name):
            raise OperatorError(f"Secret {name!r:.100}: no secret is called so; use letters, digits, '-', '_' and '.'")
        secret = await self._secrets.read(name)
        redaction.learn(secret)
        return secret

    async def state(self) -> str:
        """How they stand. Raises `OperatorError` where none can be read."""
        return await self._secrets.state()


async def _filled(address: str, secrets: Secrets) -> str:
    """The address with its secrets: one that is a secret and nothing else as it is, else each as a part of a URL."""
    names: Iterable[str] = set(_NAMED.findall(address))
    values = {name: await secrets.read(name) for name in names}
    if whole := _NAMED.fullmatch(address):
        return values[whole[1]]
    return _NAMED.sub(lambda named: quote(values[named[1]], safe=""), address)


def _masters(read: Settings) -> subjects.Masters:
    """The keys over the keys of persons, masked from now on."""
    for each in read.master_key.split(","):
        redaction.learn(each)
    return subjects.masters(read.master_key)


def _model(chosen: Settings, read: Settings, found: Packs) -> dict[str, Model]:
    """The model whose address holds a secret, known by the address as it was given; any other is made when needed."""
    if read.model == chosen.model:
        return {}
    model: Model = found.backend("model", read.model)
    if model.name == read.model:
        model.name = chosen.model  # a trail says the name, and never what opens it
    return {chosen.model: model}
