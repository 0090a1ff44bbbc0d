"""Backs up a real PostgreSQL as it goes on, brings it back as of a moment, and drills its loss at the command line."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from services import Addresses, PostgresServer
from services.emma_databases import migrated

from emma_core import CallerError, EmmaError, StoreError, audit, backups
from emma_core.cli import main
from emma_core.opening import opened

from .conftest import Installation, found, grow, now

ROLE = "emma_backup"


@pytest.fixture
def database(durable_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Addresses]:
    """A database with Emma's tables, on a server whose programs are on PATH."""
    programs = Path(durable_postgres.program("postgres")).parent
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    if not durable_postgres.execute(f"SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}'"):
        durable_postgres.execute(f"CREATE ROLE {ROLE} LOGIN REPLICATION", f"GRANT pg_read_all_stats TO {ROLE}")
    addresses = durable_postgres.database(prepare=migrated)
    yield addresses
    durable_postgres.drop(addresses)


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder that belongs to whom PostgreSQL may run as."""
    folder = Path(tempfile.mkdtemp(prefix="emma-test-"))
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def here(database: Addresses, ground: Path) -> Installation:
    """An installation in that database."""
    role = database.app.replace("emma_app", ROLE)
    more = {"store": database.app, "database": database.app, "database_backup": role, "jobs": database.app}
    return Installation(ground / "here", more)


async def lines(done: backups.Done) -> int:
    """How many lines the restored trail has, verified on the server that was restored."""
    async with opened(done.settings, found(), clock=now) as house:
        verified = await audit.verify_trail(house.store.for_tenant("default"))
        assert verified.ok, verified.reason
        return verified.lines


async def test_a_postgresql_comes_back_as_of_a_moment_and_at_its_last(
    here: Installation, ground: Path, durable_postgres: PostgresServer
) -> None:
    target = ground / "backup"
    async with here.house() as house:
        await grow(house, 3)
        async with here.taking(target, house) as taking:
            await grow(house, 2)
            durable_postgres.execute("SELECT pg_switch_wal()")  # another file, in the folder under its new name
            assert await taking.step()
            await asyncio.sleep(0.02)
            moment = now()
            await asyncio.sleep(0.02)
            await grow(house, 4)
            await taking.step()
            await asyncio.sleep(0.02)
            await taking.step()

    for to, count in ((moment, 5), (None, 9)):
        into = ground / f"at-{count}"
        order = backups.Order(target, to, now, into=into, running=True)
        done = await backups.restore(here.settings, found(), order)
        try:
            assert done.report.ok and {each.tenant for each in done.report.tenants} == {"default"}
            assert await lines(done) == count
        finally:
            await done.lose()
        assert not into.exists()


async def test_what_is_wrong_with_a_backup_of_a_postgresql_is_said(here: Installation, ground: Path) -> None:
    target = ground / "backup"
    async with here.house() as house:
        await grow(house, 1)
        async with here.taking(target, house) as taking:
            await grow(house, 2)
            await taking.step()
            with pytest.raises(EmmaError, match="is kept by another process"):
                await here.back_up(target)
        async with here.taking(target, house) as taking:  # gone on from
            await grow(house, 1)
            await taking.step()

    with pytest.raises(CallerError, match="--into: a PostgreSQL is restored into a folder of its own"):
        await here.restore(target)
    with pytest.raises(CallerError, match="after the last moment"):
        await here.restore(target, now(), into=ground / "into")
    piece = sorted((target / "store" / "log").iterdir())[-1]
    piece.write_bytes(piece.read_bytes()[:100] + b"\xff" * (piece.stat().st_size - 100))
    with pytest.raises(EmmaError, match=r"is damaged or lacks a piece|did not start"):
        await here.restore(target, into=ground / "into")
    relation = next(path for path in sorted((target / "store" / "base" / "base").rglob("*")) if path.is_file())
    relation.write_bytes(b"\0" * 8192)
    with pytest.raises(CallerError, match="is not as it was made: pg_verifybackup"):
        await here.restore(target, into=ground / "into")
    assert not (ground / "into").exists()
    begun = target / "store" / "begun.json"
    begun.write_text(json.dumps({**json.loads(begun.read_text()), "system": "1"}))
    with pytest.raises(CallerError, match="is of another server"):
        await here.back_up(target)


async def test_a_role_that_may_not_replicate_and_missing_programs_are_one_error(
    here: Installation, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError, match="name in EMMA_DATABASE_BACKUP a role that may replicate"):
        await Installation(here.folder, {**here.more, "database_backup": ""}).back_up(ground / "backup")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EmmaError, match="program 'pg_receivewal' is not found; install"):
        await here.back_up(ground / "backup")
    assert not list(ground.glob("backup*"))


@pytest.mark.parametrize("seconds", ["1", pytest.param("60", marks=pytest.mark.prove)])
def test_the_drill_on_postgresql(
    here: Installation,
    ground: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    proof: Callable[..., None],
    seconds: str,
) -> None:
    for name, value in here.more.items():
        monkeypatch.setenv(f"EMMA_{name.upper()}", value)
    monkeypatch.setenv("EMMA_BLOBS", f"file:{ground}/blobs")
    monkeypatch.chdir(ground)

    within = ("5", "60") if seconds != "1" else ("30", "240")  # beside other tests, which take the processor from it
    limits = ["--rpo", within[0], "--rto", within[1], "--seconds", seconds, "--every", "0.5"]
    code = main(["drill", *limits, "--scratch", str(ground), "--format", "json"])
    said = capsys.readouterr()

    assert code == 0, said
    done = json.loads(said.out)
    assert done["ok"] and done["acknowledged"] > 0
    assert not list(ground.glob("emma-drill-*"))
    if seconds != "1":
        proof(
            f"postgresql: {done['acknowledged']} turns acknowledged in {seconds} s, then everything killed and the disk"
            f" lost: {done['lost']} turns lost, RPO {done['rpo']:.1f} s (limit 5), RTO {done['rto']:.1f} s (limit 60);"
            " every trail verifies"
        )
