"""Holds the opening of a house to its order: secrets first, each closed in reverse, each even where another fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from emma_core import Emma, OperatorError, Settings, StoreError, hookimpl, opening, packs
from emma_core.backends.memory_cache import MemoryCache
from emma_core.backends.sqlite import SqliteStore, open_store


class Watched:
    """A pack whose cache and store say when they are opened and closed, and raise where they are told to."""

    def __init__(self, *fails: str) -> None:
        self.fails = fails
        self.seen: list[str] = []
        self.addresses: list[str] = []

    @hookimpl
    def register_backends(self) -> Mapping[str, Mapping[str, Callable[..., Any]]]:
        return {"cache": {"watched": self.cache}, "store": {"watched": self.store}}

    def cache(self, address: str) -> MemoryCache:
        return self.made("cache", MemoryCache(), address)

    def store(self, address: str) -> Any:
        return self.made("store", open_store("sqlite:///" + address.partition(":")[2]), address)

    def made(self, name: str, one: Any, address: str) -> Any:
        self.addresses.append(address)
        kind = type(one)

        class Said(kind):  # type: ignore[misc, valid-type]
            async def open(said, **more: Any) -> None:
                self.say(f"open {name}")
                await kind.open(said, **more)

            async def close(said) -> None:
                await kind.close(said)
                self.say(f"close {name}")

        one.__class__ = Said
        return one

    def say(self, what: str) -> None:
        self.seen.append(what)
        if what in self.fails:
            raise StoreError(f"it was told to fail: {what}")


def chosen(tmp_path: Path, **more: str) -> Settings:
    given = {"store": f"watched:{tmp_path}/emma.db", "database": f"sqlite:///{tmp_path}/emma.db", "cache": "watched:"}
    return Settings(**{**given, **more})


async def test_what_is_opened_is_closed_in_reverse(tmp_path: Path) -> None:
    watched = Watched()

    async with Emma.open(chosen(tmp_path), plugins={"watched": watched}):
        pass

    assert watched.seen == ["open cache", "open store", "close store", "close cache"]


@pytest.mark.parametrize("fails", ["open store", "close store"])
async def test_each_is_closed_even_where_another_fails(tmp_path: Path, fails: str) -> None:
    watched = Watched(fails)

    with pytest.raises(StoreError, match=fails):
        async with Emma.open(chosen(tmp_path), plugins={"watched": watched}):
            pass

    assert watched.seen == ["open cache", "open store", "close store", "close cache"]


async def test_a_secret_in_an_address_is_read_before_the_address_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHE_KEY", "a/b c@d")
    watched = Watched()

    async with Emma.open(
        chosen(tmp_path, cache="watched://user:{secret:cache-key}@host"), plugins={"watched": watched}
    ) as emma:
        shown = emma._house.settings.cache

    assert "watched://user:a%2Fb%20c%40d@host" in watched.addresses
    assert shown == "watched://user:{secret:cache-key}@host"


async def test_an_address_that_is_a_secret_and_nothing_else_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMMAS_CACHE", "watched://user:p%40ss@host/0")
    watched = Watched()

    async with Emma.open(chosen(tmp_path, cache="{secret:EMMAS_CACHE}"), plugins={"watched": watched}):
        pass

    assert "watched://user:p%40ss@host/0" in watched.addresses


@pytest.mark.parametrize(
    ("setting", "address", "words"),
    [
        ("store", "sqlite:///{secret:nobody}", "Secret 'nobody': no variable NOBODY in the environment or in .env"),
        ("blobs", "file:{secret:../x}", "Secret '../x': no secret is called so"),
        ("secrets", "env:{secret:x}", "EMMA_SECRETS: 'env:{secret:x}' names a secret"),
        ("secrets", "env:nowhere.env", "Secrets of 'nowhere.env' cannot be read: No such file"),
        ("secrets", "vault:", "No secrets answers to 'vault:'"),
    ],
)
async def test_a_secret_that_cannot_be_read_opens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, address: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    watched = Watched()

    with pytest.raises(OperatorError) as raised:
        async with Emma.open(chosen(tmp_path, **{setting: address}), plugins={"watched": watched}):
            pass

    assert words in str(raised.value)
    assert watched.seen == []


async def test_secrets_are_read_from_a_file_where_the_environment_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("FROM_FILE='pa$$word # 1'\nFROM_BOTH=of-the-file\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FROM_BOTH", "of-the-environment")

    async with opening.resolved(Settings(store="sqlite:///x.db"), packs.find()) as (secrets, _):
        assert await secrets.read("from.file") == "pa$$word # 1"
        assert await secrets.read("FROM-BOTH") == "of-the-environment"


async def test_a_house_has_its_secrets_blobs_and_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(store="sqlite:///emma.db")

    async with opening.opened(settings, packs.find(), clock=lambda: datetime.now(UTC)) as house:
        put = await house.blobs.for_tenant("acme").put(b"words", kind="attachment")
        await house.cache.for_tenant("acme").put("k", b"v", seconds=60)

        assert await house.blobs.for_tenant("acme").get("attachment", put.sha256) == b"words"
        assert await house.cache.for_tenant("acme").get("k") == b"v"
        assert isinstance(house.store.inner, SqliteStore)
