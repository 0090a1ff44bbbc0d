"""Drills a loss: on a scratch copy turns are taken, all is killed, its disk is lost, and it is brought back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from emma_core import packs, settings
from emma_core.backups.manifest import MANIFEST
from emma_core.backups.restoring import Done, Order, restore
from emma_core.backups.taking import taking
from emma_core.errors import OperatorError
from emma_core.house import Emma
from emma_core.nouns import Noun
from emma_core.opening import opened, resolved

PATIENCE = 120.0
"""Seconds within which a process of the drill has begun."""
BLUEPRINT = """\
id: drill
title: A turn of a drill
packs: {}
model: "offline:"
instructions: Say what was asked.
rules: {use: ["global/*"]}
"""
_EMMA = "import sys; from emma_core.cli import main; sys.exit(main())"
_SAID = (
    "store",
    "database",
    "database_owner",
    "database_backup",
    "blobs",
    "jobs",
    "index",
    "cache",
    "tenant",
    "blueprints",
    "master_key",
    "signing_key",
)
"""The settings that the processes of a drill are told."""
_TURNS = "from emma_core.backups import turns; turns.main()"


class Drilled(Noun):
    """What a drill came to."""

    acknowledged: int
    """How many turns were handed to their caller before everything was killed."""
    lost: int
    """How many of them are not on the restored trail."""
    rpo: float
    """Seconds between the last turn that was brought back, as it was acknowledged, and the kill."""
    rto: float
    """Seconds from the kill to the first turn answered afterwards."""
    rpo_limit: float
    rto_limit: float
    fault: str | None = None
    """Why a restored trail does not hold; None where all do."""

    @property
    def ok(self) -> bool:
        """Whether all holds, within the limits."""
        return self.fault is None and self.rpo <= self.rpo_limit and self.rto <= self.rto_limit


@dataclass(frozen=True)
class Plan:
    """How a drill is to go."""

    scratch: Path
    """A folder for everything that it makes, all of it gone afterwards."""
    seconds: float
    """How long turns are taken before the kill."""
    every: float
    """How often the backup looks for changes."""
    rpo: float
    rto: float
    clock: Callable[[], datetime]
    watch: Callable[[str], None] = lambda what: None
    """Told what is done now."""


async def drill(chosen: settings.Settings, plan: Plan) -> Drilled:
    """What came of the drill; the living store was read, and nothing of it changed.

    Raises `OperatorError` where the drill cannot be held.
    """
    blueprints = plan.scratch / "blueprints"
    blueprints.mkdir()
    (blueprints / "drill.yaml").write_text(BLUEPRINT, encoding="utf-8")
    plan.watch("copying the installation")
    copy = await _copied(chosen, plan, plan.scratch / "copy")
    try:
        ground = await _prepared(copy.settings, blueprints)
        turns, killed = await _killed(ground, plan)
    finally:
        await copy.lose()
    plan.watch("restoring")
    order = Order(plan.scratch / "backup", None, plan.clock, into=plan.scratch / "restored", running=True)
    back = await restore(ground, packs.find(), order)
    try:
        kept = await _kept(back.settings, set(turns))
        rto = time.monotonic() - killed
    finally:
        await back.lose()
    faults = [f"tenant {each.tenant!r}: {each.fault}" for each in back.report.tenants if each.fault]
    last = max((turns[turn] for turn in kept), default=min(turns.values()))
    return Drilled(
        acknowledged=len(turns),
        lost=len(turns) - len(kept),
        rpo=round(max(0.0, killed - last), 3),
        rto=round(rto, 3),
        rpo_limit=plan.rpo,
        rto_limit=plan.rto,
        fault="; ".join(faults) or None,
    )


async def _copied(chosen: settings.Settings, plan: Plan, into: Path) -> Done:
    """A copy of the installation as it is now."""
    found = packs.find()
    first = plan.scratch / "first"
    async with (
        resolved(chosen, found) as (_, read),
        opened(chosen, found, clock=plan.clock) as house,
        taking(house, read, first, named=False),
    ):
        pass
    done = await restore(chosen, found, Order(first, None, plan.clock, into=into, running=True))
    if faults := [each for each in done.report.tenants if each.fault]:
        await done.lose()
        raise OperatorError(
            f"Tenant {faults[0].tenant!r} does not hold before the drill: {faults[0].fault}; run: emma audit verify"
        )
    shutil.rmtree(first)
    return done


async def _prepared(copy: settings.Settings, blueprints: Path) -> settings.Settings:
    """The settings under which turns of a tenant of the drill's own are taken in the copy."""
    tenant = f"drill-{secrets.token_hex(4)}"
    own = {
        "blueprints": blueprints,
        "cache": "memory:",
        "tenant": tenant,
        "signing_key": f"file:{blueprints}/signing.key",
    }
    ground = copy.model_copy(update=own)
    async with Emma.open(ground, recover=False) as emma:
        await emma.create_tenant(tenant, "A drill")
    return ground


async def _killed(ground: settings.Settings, plan: Plan) -> tuple[dict[str, float], float]:
    """By turn, when it was acknowledged, and when everything was killed."""
    variables = {f"EMMA_{name.upper()}": str(getattr(ground, name)) for name in _SAID}
    environment = {**os.environ, **variables}
    backup = plan.scratch / "backup"
    turns: dict[str, float] = {}
    plan.watch("backing up as it goes on")
    following = (_EMMA, "backup", str(backup), "--follow", "--every", str(plan.every))
    async with _process(environment, *following) as follower:
        await _until(lambda: (backup / MANIFEST).exists(), follower, "the backup")
        plan.watch("taking turns")
        async with _process(environment, _TURNS) as writer:
            reading = asyncio.create_task(_hear(writer, turns))
            try:
                await _until(lambda: bool(turns), writer, "the turns")
                await asyncio.sleep(plan.seconds)
                plan.watch("killing")
                _kill(writer)
                _kill(follower)
                killed = time.monotonic()
                await reading
            finally:
                reading.cancel()
    return turns, killed


@asynccontextmanager
async def _process(environment: dict[str, str], *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of Python that is gone afterwards."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", *arguments),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        _kill(process)
        await process.communicate()  # until its pipes are closed too


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


async def _hear(process: asyncio.subprocess.Process, turns: dict[str, float]) -> None:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        turns[line.decode().strip()] = time.monotonic()


async def _until(ready: Callable[[], bool], process: asyncio.subprocess.Process, what: str) -> None:
    until = time.monotonic() + PATIENCE
    while not ready():
        if process.returncode is not None or time.monotonic() > until:
            assert process.stderr is not None
            said = " ".join((await process.stderr.read()).decode(errors="replace").split())[-500:]
            raise OperatorError(f"The drill could not be held: {what} did not begin ({said or 'nothing was said'})")
        await asyncio.sleep(0.02)


async def _kept(back: settings.Settings, turns: set[str]) -> set[str]:
    """Which of the turns are on the restored trail, answered; and one more can be taken."""
    async with Emma.open(back, recover=False) as emma:
        desk = emma.tenant(back.tenant)
        trail, found, after = await desk.trail(), set(), 0
        while page := await trail.lines(after=after):
            found |= {line.turn for line in page if line.turn in turns and line.kind == "answered"}
            after = page[-1].seq
        await desk.ask("drill", "Does it go on?")
    return {turn for turn in found if turn}
