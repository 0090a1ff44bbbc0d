"""Holds a restore to the state of its moment, to agreement of trail and records, and to refusing what would lose."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from emma_core import CallerError, Conflict, Emma, EmmaError, audit, backups
from emma_core.backends import copied_steps
from emma_core.backends.sqlite_copier import open_copier
from emma_core.nouns import Document, Erasure

from .conftest import Installation, grow, now


async def test_any_moment_since_the_first_can_be_restored(
    installation: Callable[..., Installation], tmp_path: Path
) -> None:
    here, target = installation(), tmp_path / "backup"
    moments = []
    async with here.house() as house:
        await grow(house, 2)
        async with here.taking(target, house) as taking:
            for number in range(12):
                await grow(house, 3)
                moments.append((now(), 2 + 3 * (number + 1)))
                await asyncio.sleep(0.002)
                if number % 4 == 3:
                    assert await taking.step()
            assert not await taking.step()

    for moment, lines in moments:
        there = installation(f"at-{lines}")
        restored = await there.restore(target, moment)
        assert restored.ok
        assert await there.holds() == (lines, lines)
    there = installation("last")
    assert (await there.restore(target)).tenants[0].lines == 38
    assert not list((tmp_path / "last").glob("*restored*"))


async def test_turns_without_an_end_are_ended_and_documents_of_no_turn_are_gone(
    installation: Callable[..., Installation], tmp_path: Path
) -> None:
    here, target = installation(), tmp_path / "backup"
    async with Emma.open(here.settings) as emma:
        async for event in emma.tenant("default").stream("loan_officer", "Is 47% debt-to-income fine?"):
            if event.step == "judged":
                store = emma._house.store.for_tenant("default")
                body = (await store.query("override"))[0].body
                stray = {"kind": "override", "group": "c-of-no-turn", "subject": "s"}
                await store.put(Document(id="f" * 64, body={**body, "id": "f" * 64}, **stray))
                await store.put(Document(kind="turn_telemetry", id="t-of-no-turn", body={}))
                await here.back_up(target)

    there = installation("there")
    [default] = (await there.restore(target)).tenants

    assert (default.ended, default.strays, default.lines, default.fault) == (1, 2, 2, None)
    async with there.house() as house:
        store = house.store.for_tenant("default")
        assert [line.kind for line in await store.lines()] == ["judged", "stopped"]
        assert len(await store.query("override")) == 1
        assert await store.query("open_turn") == await store.query("turn_telemetry") == []


async def test_what_would_lose_lines_is_refused_by_tenant_unless_told(
    installation: Callable[..., Installation], tmp_path: Path
) -> None:
    here, target = installation(), tmp_path / "backup"
    async with Emma.open(here.settings) as emma:
        await emma.create_tenant("acme")
    await here.append(3)
    await here.back_up(target)
    await here.append(2)
    await here.append(4, "acme")

    with pytest.raises(Conflict, match=r"lost: 4 of tenant 'acme', 2 of tenant 'default'; say --over-newer"):
        await here.restore(target)
    assert await here.holds() == (5, 5)
    restored = await here.restore(target, over_newer=True)

    assert {each.tenant: each.lost for each in restored.tenants} == {"acme": 4, "default": 2}
    assert await here.holds() == (3, 3)
    await here.append(3)  # as many again, and others
    await here.back_up(tmp_path / "other")
    await here.restore(target, over_newer=True)
    await here.append(3)
    with pytest.raises(Conflict, match="6 of tenant 'default'"):
        await here.restore(tmp_path / "other")


async def test_a_restore_over_a_store_that_is_open_or_damaged_or_anothers_is_refused(
    installation: Callable[..., Installation], tmp_path: Path
) -> None:
    here, target = installation(), tmp_path / "backup"
    await here.append(2)
    await here.back_up(target)

    async with here.house():
        with pytest.raises(Conflict, match="is open in another process; end that first"):
            await here.restore(target)

    other = installation("other")
    await other.append(1)
    with pytest.raises(CallerError, match="is a backup of another installation"):
        await other.restore(target, over_newer=True)
    with pytest.raises(CallerError, match="is a backup of another installation"):
        await other.back_up(target)
    assert await other.holds() == (1, 1)

    new = installation("new")
    async with new.house():
        pass  # opened once, and nothing done in it
    assert (await new.restore(target)).ok
    assert await new.holds() == (2, 2)

    path = tmp_path / "here" / "emma.db"
    path.write_bytes(b"\xff" * 20_000)
    with pytest.raises(Conflict, match=r"nobody can say what would be lost .*; say --over-newer"):
        await here.restore(target)
    assert (await here.restore(target, over_newer=True)).ok
    assert await here.holds() == (2, 2)


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ("store/base.db", r"base\.db' was cut off or changed"),
        ("store/00000001.step", r"00000001\.step' was cut off or changed"),
        ("store/latest.json", r"latest\.json' is missing or damaged"),
        ("store/begun.json", r"base\.db' cannot be read as it was made"),
        ("blobs/00000001.step", r"00000001\.step' was cut off or changed"),
        ("manifest.json", "no whole manifest"),
        ("ledger.json", r"ledger\.json' is missing or damaged"),
    ],
)
@pytest.mark.parametrize("how", ["cut", "gone", "changed"])
async def test_a_backup_that_is_not_as_it_was_made_is_refused_by_name(
    kept: Path, installation: Callable[..., Installation], tmp_path: Path, spoilt: str, words: str, how: str
) -> None:
    path, there = kept / spoilt, installation("there")
    whole = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        half = len(whole) // 2
        path.write_bytes(whole[:half] if how == "cut" else whole[:half] + b"\0\0\0" + whole[half + 3 :])

    with pytest.raises(CallerError, match=words if how != "gone" else "missing|no whole|cannot be read"):
        await there.restore(kept)

    assert not (tmp_path / "there" / "emma.db").exists()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup with a step of each kind."""
    folder = tmp_path_factory.mktemp("made")
    here, target = Installation(folder / "here"), folder / "backup"

    async def make() -> None:
        async with here.house() as house:
            await grow(house, 2)
            await house.blobs.for_tenant("default").put(b"a report", kind="artifact", name="report.txt")
            async with here.taking(target, house) as taking:
                await grow(house, 2)
                await taking.step()

    asyncio.run(make())
    return target


@pytest.fixture
def kept(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(made, tmp_path / "backup"))


async def test_a_changed_manifest_and_changed_content_are_noticed(
    kept: Path, installation: Callable[..., Installation], tmp_path: Path
) -> None:
    [content] = [path for path in kept.glob("blobs/content/*/*") if path.read_bytes() == b"a report"]
    content.write_bytes(b"another!")
    with pytest.raises(CallerError, match=f"{content.name}' is missing or was changed"):
        await installation("there").restore(kept)
    content.write_bytes(b"a report")

    manifest = kept / "manifest.json"
    said = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**said, "made_at": "2020-01-01T00:00:00Z"}))
    with pytest.raises(CallerError, match="was changed after it was made"):
        await installation("there").restore(kept)
    for other in ('{"format": "emma-tenant"}', "[]"):
        manifest.write_text(other)
        with pytest.raises(CallerError, match="is no backup"):
            await installation("there").restore(kept)
    manifest.write_text(json.dumps({**said, "v": 9}))
    with pytest.raises(CallerError, match="with a newer Emma"):
        await installation("there").restore(kept)


async def test_a_forged_backup_writes_nothing_elsewhere(
    kept: Path, installation: Callable[..., Installation], tmp_path: Path
) -> None:
    latest = copied_steps.read_latest(kept / "blobs")
    known = hashlib.sha256(b"a report").hexdigest()
    for name in ("../../out.txt", f"{tmp_path}/out.txt", "a/../../out.txt", ""):
        shutil.copytree(kept, tmp_path / "forged")
        said = json.dumps({name: known})
        copied_steps.write_step(tmp_path / "forged" / "blobs", latest, now(), said, b"")
        with pytest.raises(CallerError, match="which lies in no folder of blobs"):
            await installation("there").restore(tmp_path / "forged")
        shutil.rmtree(tmp_path / "forged")
    assert not list(tmp_path.rglob("out.txt"))

    latest = copied_steps.read_latest(kept / "store")
    copied_steps.write_step(kept / "store", latest, now(), '{"commits": [{"size": 1}]}', b"")
    with pytest.raises(CallerError, match="holds a step that is none"):
        await installation("there").restore(kept)
    assert not (tmp_path / "there" / "emma.db").exists()


async def test_moments_that_the_backup_does_not_know_are_refused(
    kept: Path, installation: Callable[..., Installation]
) -> None:
    there = installation("there")
    for moment, words in ((now() - timedelta(days=1), "before the first"), (now(), "after the last")):
        with pytest.raises(CallerError, match=f"--to: .* is {words} moment .*; it tells of .*Z to .*Z"):
            await there.restore(kept, moment)
    with pytest.raises(CallerError, match=r"holds .* and the addresses configured are"):
        await Installation(there.folder, {"blobs": "azure-blob://127.0.0.1:1/a/b?key=a2V5&tls=off"}).restore(kept)


async def test_content_and_a_registry_apart_come_back_with_the_store(
    installation: Callable[..., Installation], tmp_path: Path
) -> None:
    target = tmp_path / "backup"
    here = installation(database=f"sqlite:///{tmp_path}/here/registry.db")
    async with here.house() as house, here.taking(target, house) as taking:
        blobs = house.blobs.for_tenant("default")
        first = await blobs.put(b"first", kind="attachment", name="first.txt")
        await grow(house, 1)
        await taking.step()
        await asyncio.sleep(0.01)
        moment = now()
        await asyncio.sleep(0.01)
        await taking.step()
        await blobs.put(b"second", kind="attachment")
        await grow(house, 1)
        await taking.step()
        await blobs.put(b"third", kind="attachment")
        await taking.step()

    then = Installation(tmp_path / "then", {"database": f"sqlite:///{tmp_path}/then/registry.db"})
    assert (await then.restore(target, moment)).ok
    assert await then.holds() == (1, 1)
    async with then.house() as house:
        refs = await house.blobs.for_tenant("default").list("attachment")
        assert first in refs and len(refs) == 2  # with what came next, which a document may have named already
    last = Installation(tmp_path / "last", {"database": f"sqlite:///{tmp_path}/last/registry.db"})
    await last.restore(target)
    async with last.house() as house:
        assert len(await house.blobs.for_tenant("default").list("attachment")) == 3
        assert await house.blobs.for_tenant("default").get("attachment", first.sha256) == b"first"


async def test_a_tenant_that_was_destroyed_after_the_moment_is_destroyed_again(
    installation: Callable[..., Installation], tmp_path: Path
) -> None:
    here, target = installation(retain_offboarded_days=0), tmp_path / "backup"
    async with Emma.open(here.settings) as emma:
        await emma.create_tenant("acme")
        await grow(emma._house, 2, "acme")
    await here.back_up(target)
    async with Emma.open(here.settings) as emma:
        await emma.tenancy.offboard("acme")
        [proof] = (await emma.tenancy.retain(dry_run=False)).proofs

    restored = await here.restore(target)
    assert [each.tenant for each in restored.tenants] == ["default"]
    await here.back_up(target)
    assert "acme" in json.loads((target / "ledger.json").read_text())["erasures"]

    there = installation("there")  # the living store is lost; the ledger in the backup knows
    moment = json.loads((target / "store" / "begun.json").read_text())["at"]

    restored = await there.restore(target, datetime.fromisoformat(moment))
    assert [each.tenant for each in restored.tenants] == ["default"]
    async with there.house() as house:
        assert not any((await house.store.for_tenant("acme").census()).values())
        rows = await house.registry.for_tenant("acme").all(Erasure)
        assert proof.hash in {row.subject_hash for row in rows}


async def test_a_person_who_was_forgotten_stays_so_in_whatever_is_restored(
    installation: Callable[..., Installation], tmp_path: Path
) -> None:
    here, target, canary = installation(), tmp_path / "backup", "Rumpelstilzchen"
    async with Emma.open(here.settings) as emma:
        await emma.tenant("default").ask("loan_officer", f"Is 47% fine for {canary}?", subject="p-1")
        await emma.tenant("default").ask("loan_officer", "And 41%?", subject="p-2")
    await here.back_up(target)
    before = now()
    await here.back_up(target)
    async with Emma.open(here.settings) as emma:
        await emma.subjects.erase("default", "p-1")

    [over] = (await here.restore(target, over_newer=True)).tenants  # the ledger of the store that is there
    assert (over.forgotten, over.fault) == (1, None)
    assert canary not in await words(here)

    await here.back_up(target)
    there = installation("there")  # that store is lost, and the backup's ledger knows
    [back] = (await there.restore(target, before)).tenants
    assert (back.forgotten, back.fault) == (1, None)
    assert canary not in await words(there)
    assert "41%" in await words(there)


async def words(installation: Installation) -> str:
    """All that lies readable on its trail and in its documents."""
    async with installation.house() as house:
        store = house.store.for_tenant("default")
        assert (await audit.verify_trail(store)).head is not None
        said = [line.payload.body for line in await store.lines() if line.payload]
        for kind in await store.kinds():
            said += [str(document.body) for document in await store.query(kind, limit=1000)]
        return " ".join(said)


async def test_a_backup_that_cannot_be_written_is_one_error_and_leaves_nothing(
    installation: Callable[..., Installation], tmp_path: Path
) -> None:
    here = installation()
    await here.append(2)
    (tmp_path / "file").write_text("x")

    with pytest.raises(EmmaError, match="cannot be written"):
        await here.back_up(tmp_path / "file" / "backup")
    with pytest.raises(CallerError, match="is no whole backup"):
        await here.back_up(tmp_path / "file")
    (tmp_path / "b.part").mkdir()
    with pytest.raises(CallerError, match=r"b\.part' is there: a backup that was not finished"):
        await here.back_up(tmp_path / "b")
    async with here.house() as house, here.taking(tmp_path / "one", house):
        with pytest.raises(Conflict, match="is kept by another process"):
            await here.back_up(tmp_path / "one")
    with pytest.raises(EmmaError, match="no backup is made of 'cosmos:"):
        async with here.house() as house:
            read = here.settings.model_copy(update={"store": "cosmos://x", "database": here.settings.store})
            async with backups.taking(house, read, tmp_path / "two"):
                pass


async def test_a_file_that_keeps_no_log_is_followed_too(tmp_path: Path) -> None:

    path, folder = tmp_path / "jobs.db", tmp_path / "copy"
    folder.mkdir()
    copier = open_copier(f"sqlite:///{path}")
    begun = await copier.begin(folder)  # it is made when it is first needed
    assert not await copier.step(folder)
    with closing(sqlite3.connect(path, isolation_level=None)) as writing:
        writing.execute("CREATE TABLE t (n)")
        assert await copier.step(folder)
        writing.execute("INSERT INTO t VALUES (1)")
        assert await copier.step(folder)
        assert not await copier.step(folder)
    await copier.close()

    back = open_copier(f"sqlite:///{tmp_path}/back.db")
    await back.build(folder, begun, None, None)
    await back.put(running=False)
    with closing(sqlite3.connect(tmp_path / "back.db")) as built:
        assert built.execute("SELECT n FROM t").fetchall() == [(1,)]
