"""Says what any Secrets must do, as tests that each backend runs over its own.

A backend's test module brings two fixtures and takes the tests over:

    from emma_core.testing.secrets_contract import *

`new_secrets`: a function that returns unopened secrets at each call, all of one place; `hidden`: what is kept there, by
name, in which each name is one of `NAMES`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from emma_core.errors import OperatorError
from emma_core.ports import Secrets

NAMES = ("plain", "store-key", "UPPER", "with-9-digits")
VALUES = ("correct horse battery staple", "p@ss/w:rd?&=%20#$HOME ", "ключ 🔑 schlüssel", "line one\nline two")
"""What a test module's `hidden` may hold, in this order."""


@pytest.fixture
async def secrets(new_secrets: Callable[[], Secrets]) -> AsyncIterator[Secrets]:
    """Open secrets."""
    opened = new_secrets()
    await opened.open()
    yield opened
    await opened.close()


async def test_each_secret_is_read_by_its_name_character_by_character(
    secrets: Secrets, hidden: Mapping[str, str]
) -> None:
    assert {name: await secrets.read(name) for name in NAMES} == dict(hidden) == dict(zip(NAMES, VALUES, strict=True))


async def test_a_name_may_be_written_with_any_of_the_signs_that_join_words(
    secrets: Secrets, hidden: Mapping[str, str]
) -> None:
    for name in ("store-key", "store_key", "store.key"):
        assert await secrets.read(name) == hidden["store-key"]


async def test_secrets_are_read_by_many_at_once(secrets: Secrets, hidden: Mapping[str, str]) -> None:
    read = await asyncio.gather(*(secrets.read(name) for name in NAMES * 5))

    assert read == [hidden[name] for name in NAMES] * 5


async def test_a_secret_that_is_not_there_is_named_and_no_other_is(secrets: Secrets, hidden: Mapping[str, str]) -> None:
    with pytest.raises(OperatorError, match="'nobody-put-this'") as raised:
        await secrets.read("nobody-put-this")

    assert not any(value in str(raised.value) for value in hidden.values())


async def test_secrets_say_how_they_stand_and_what_they_hold_is_not_in_it(
    secrets: Secrets, hidden: Mapping[str, str]
) -> None:
    said = await secrets.state()

    assert said
    assert not any(value in said for value in hidden.values())


async def test_secrets_open_and_close_twice(new_secrets: Callable[[], Secrets], hidden: Mapping[str, str]) -> None:
    secrets = new_secrets()
    for _ in range(2):
        await secrets.open()
        assert await secrets.read("plain") == hidden["plain"]
        await secrets.close()
        await secrets.close()
