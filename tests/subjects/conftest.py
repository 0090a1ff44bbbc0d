"""Gives the tests of persons a house whose every store lies in one folder, and a person who said something to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from emma_core import Emma, Settings
from emma_core.testing import ScriptedPack

Open = Callable[..., AbstractAsyncContextManager[Emma]]
QUESTION = "Can we approve this at 47% debt-to-income on a conventional loan?"
OFFICER = ("mortgage.senior_underwriter",)
PERSON, OTHER = "canary-person-7f3a", "somebody-else-11"
CANARY = "canary-words-9d41"


@pytest.fixture
def house(tmp_path: Path) -> Open:
    """Opens a house whose every store lies in a folder of that name."""

    @asynccontextmanager
    async def open_(name: str = "here", *, model: Any = None, **more: Any) -> AsyncIterator[Emma]:
        folder = tmp_path / name
        addresses = {"store": f"sqlite:///{folder}/emma.db", "blobs": f"file:{folder}/blobs"}
        clock = {"clock": more.pop("clock")} if "clock" in more else {}
        plugins = {"scripted": ScriptedPack(model)} if model else None
        chosen = Settings(**{**addresses, "model": "scripted:" if model else "offline:", **more})
        async with Emma.open(chosen, plugins=plugins, **clock) as emma:
            yield emma

    return open_


async def say(emma: Emma, subject: str = PERSON, *, tenant: str = "default", canary: str = CANARY) -> Any:
    """A person's turn, and a decision on it, with the canary wherever words and facts can be; the turn."""
    desk = emma.tenant(tenant, user="ana")
    turn = await desk.ask("loan_officer", f"{QUESTION} {canary}", facts={"dti": 0.47}, subject=subject)
    await desk.ask("loan_officer", f"And now? {canary}", subject=subject, conversation=turn.ask.conversation)
    reasons = {"reason": f"strong file {canary}", "compensating_factors": f"12 months {canary}"}
    await emma.tenant(tenant, user="sam", roles=OFFICER).decide(turn.overrides[0].id, "granted", reasons=reasons)
    await emma._errands.finish()
    return turn


def holding(folder: Path, *canaries: str) -> list[str]:
    """The files under that folder that hold one of these, in whatever form that somebody might write it."""
    forms = [form for each in canaries for form in (each.encode(), each.encode().hex().encode(), each.upper().encode())]
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(form in path.read_bytes() for form in forms)
    )


async def uncovered(emma: Emma, tenant: str = "default") -> list[int]:
    """The numbers of lines whose payload cannot be read and that no `erased` line names."""
    trail = await emma.tenant(tenant).trail()
    lines = await trail.lines(limit=100_000)
    named = {
        seq
        for line in lines
        if line.kind == "erased"
        for first, last in json.loads(line.line)["outcome"]["lines"]
        for seq in range(first, last + 1)
    }
    return [line.seq for line in lines if line.payload is None and line.seq not in named]
