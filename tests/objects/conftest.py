"""Brings blobs, caches and secrets under their contracts, and finds out what a contract says of a broken one."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from services import ValkeyServer
from services.key_vault_fake import KeyVaultFake, certify

# before the contracts are imported, so that their assertions say what they compared
for module in ("blobs_contract", "cache_contract", "secrets_contract"):
    pytest.register_assert_rewrite(f"emma_core.testing.{module}")

Faults = Callable[..., Awaitable[list[str]]]


@pytest.fixture
def faults() -> Faults:
    """Which tests of a contract fail over a backend, each over a new one; `named`: the argument that it is."""

    async def found(
        contract: ModuleType, named: str, make: Callable[[], Any], *, only: Sequence[str] = ("",), **more: Any
    ) -> list[str]:
        failed = []
        for name, test in vars(contract).items():
            parts = inspect.signature(test).parameters if name.startswith("test_") else {}
            if named not in parts or not any(part in name for part in only):
                continue
            for given in cases(test):
                also = {each: value for each, value in more.items() if each in parts}
                try:
                    async with opened(make) as one:
                        await test(**{named: one}, **given, **also)
                except (Exception, pytest.fail.Exception):
                    failed.append(name)
                    break
        return failed

    return found


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A server for one test alone, which may kill it."""
    server = ValkeyServer()
    yield server
    server.forget()


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyVaultFake]:
    """A vault, and an environment in which this process has the identity that may read it."""
    fake = KeyVaultFake()
    for name, value in fake.environment.items():
        monkeypatch.setenv(name, value)
    yield fake
    fake.forget()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for this machine that vouches for itself, and its key."""
    return certify(tmp_path_factory.mktemp("certificate"))


def opened(make: Callable[[], Any]) -> AbstractAsyncContextManager[Any]:
    @asynccontextmanager
    async def open_() -> AsyncIterator[Any]:
        one = make()
        await one.open()
        try:
            yield one
        finally:
            await one.close()

    return open_()


def cases(test: Any) -> list[dict[str, Any]]:
    """The arguments of each case of a parametrized test."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    columns = [[{mark.args[0]: value} for value in mark.args[1]] for mark in marks]
    return [{key: value for one in row for key, value in one.items()} for row in itertools.product(*columns)]
