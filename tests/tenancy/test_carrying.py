"""Takes tenants out and brings them in: all of it arrives, what is not whole is refused, what stops can be repeated."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from emma_core import CallerError, Conflict, Emma, StoreError, TrailError, audit
from emma_core.nouns import Setting
from emma_core.tenancy import Manifest, importing

from .furnishing import QUESTION, Clock, furnish, sizes

Open = Callable[..., AbstractAsyncContextManager[Emma]]


async def test_an_export_says_what_it_holds_and_verifies_by_itself(house: Open, tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with house() as emma:
        await furnish(emma, "acme")
        steps: list[str] = []
        manifest = await emma.tenancy.export("acme", out, watch=lambda what, done, of: steps.append(what))

    assert manifest.counts["trail"] == {"lines": 6, "payloads": 6}
    assert manifest.counts["registry"]["member"] == 1 and manifest.counts["registry"]["usage"] >= 5
    assert manifest.counts["blobs"] == {"artifact": 1, "attachment": 1}
    assert {"blueprint", "blueprint_label", "override", "näte/🏠", "short"} <= set(manifest.counts["documents"])
    assert json.loads((out / "manifest.json").read_text())["tenant"]["title"] == "acme & Söhne"
    read = audit.read_export(out / "trail.jsonl")
    assert audit.verify(read.lines(), tenant="acme", head=read.head).ok
    assert set(steps) == {"documents", "lines", "content"}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert (out.stat().st_mode & 0o077) == 0


async def test_what_is_brought_is_what_was_taken_and_goes_on_there(house: Open, tmp_path: Path) -> None:
    async with house("there") as there:
        await furnish(there, "acme")
        taken = await there.tenancy.export("acme", tmp_path / "one")
    async with house("here") as here:
        brought = await here.tenancy.arrive(tmp_path / "one")
        again = await here.tenancy.export("acme", tmp_path / "two")
        desk = here.tenant("acme")
        turn = await desk.ask(
            "loan_officer", QUESTION, subject="person of acme", conversation=(await desk.overrides())[0].conversation
        )
        verified = await audit.verify_trail(await desk.trail())
        overview = await here.tenancy.show("acme")

    assert brought == taken
    assert (sizes(again), again.head, again.counts, again.tenant.title, again.counted) == (
        sizes(taken),
        taken.head,
        taken.counts,
        taken.tenant.title,
        taken.counted,
    )
    assert verified.ok and verified.lines == 8
    assert turn.overrides[0].state == "granted"
    assert overview.tenant.state == "active" and overview.tenant.region == "westeurope"
    assert overview.usage["turns"] == 2


async def test_nothing_of_another_tenant_is_in_an_export(house: Open, tmp_path: Path) -> None:
    async with house() as emma:
        for id in ("a", "aa"):
            await furnish(emma, id)
        await emma.tenancy.export("a", tmp_path / "out")
        overview = await emma.tenancy.show("aa")

    said = b"".join(path.read_bytes() for path in sorted((tmp_path / "out").rglob("*")) if path.is_file()).decode()
    assert "person of a" in said and "Only of a." in said
    for words in ("person of aa", "Only of aa", "content of aa", "Ana of aa", '"tenant":"aa"', '"aa"'):
        assert words not in said
    assert overview.usage["turns"] == 1


async def test_a_folder_that_is_there_is_not_written_over(house: Open, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    async with house() as emma:
        with pytest.raises(CallerError, match=r"'.*/out' is there already"):
            await emma.tenancy.export("default", tmp_path / "out")
        with pytest.raises(Exception, match="nowhere"):
            await emma.tenancy.export("default", tmp_path / "nowhere" / "out")

    assert list((tmp_path / "out").iterdir()) == []


def json_of(out: Path) -> Manifest:
    return Manifest.model_validate_json((out / "manifest.json").read_text())


def cut(out: Path) -> None:
    path = out / "documents.jsonl"
    path.write_bytes(path.read_bytes()[:-30])


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edited(out: Path) -> None:
        text = (out / name).read_text()
        assert old in text
        (out / name).write_text(text.replace(old, new, 1))

    return edited


def edit_with_its_hash(name: str, old: str, new: str) -> Callable[[Path], None]:
    """The file, and the manifest so that its hash fits."""

    def edited(out: Path) -> None:
        edit(name, old, new)(out)
        from emma_core.tenancy import files

        manifest = json.loads((out / "manifest.json").read_text())
        manifest["files"] = [files.listed(out / each["name"]).plain() for each in manifest["files"]]
        (out / "manifest.json").write_text(json.dumps(manifest))

    return edited


def other_content(out: Path) -> None:
    path = next(path for path in (out / "blobs" / "attachment").iterdir())
    path.write_bytes(path.read_bytes() + b".")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(cut, "documents.jsonl' is not what its manifest says", id="cut off"),
        pytest.param(edit("documents.jsonl", "granted", "refused"), "documents.jsonl' is not what", id="edited"),
        pytest.param(edit("registry.jsonl", "gold", "lead"), "registry.jsonl' is not what", id="a row edited"),
        pytest.param(edit("manifest.json", '"v": 1', '"v": 2'), "v=2, unknown here.*newer Emma", id="another version"),
        pytest.param(edit("manifest.json", '"lines": 6', '"lines": 5'), "count of lines", id="another count"),
        pytest.param(edit("manifest.json", '"override": 1', '"override": 2'), "its counts", id="a document too few"),
        pytest.param(edit("manifest.json", '"emma-tenant"', '"emma-trail"'), "no manifest", id="another format"),
        pytest.param(lambda out: (out / "manifest.json").write_text("{"), "cut off or no JSON", id="half a manifest"),
        pytest.param(lambda out: (out / "manifest.json").unlink(), "holds no manifest.json", id="no manifest"),
        pytest.param(lambda out: (out / "trail.jsonl").unlink(), "trail.jsonl' is missing", id="no trail"),
        pytest.param(lambda out: shutil.rmtree(out), "holds no manifest.json", id="no folder"),
        pytest.param(lambda out: shutil.rmtree(out / "blobs"), "is missing or changed", id="no content"),
        pytest.param(other_content, "is missing or changed", id="other content"),
        pytest.param(
            edit_with_its_hash("trail.jsonl", "47%", "41%"), "does not verify: line", id="words and hash edited"
        ),
        pytest.param(
            edit_with_its_hash("documents.jsonl", '"group"', '"troop"'), "line 1 is no Document", id="a strange key"
        ),
        pytest.param(
            edit_with_its_hash("registry.jsonl", '"noun":"member"', '"noun":"x"'), "is a 'x'", id="a strange row"
        ),
    ],
)
async def test_an_export_that_is_not_whole_is_refused_before_anything_is_written(
    house: Open, own: Path, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(own)

    async with house("here") as here:
        with pytest.raises(CallerError, match=words):
            await here.tenancy.arrive(own)

        assert [each.id for each in await here.tenants()] == ["default"]
        assert not any(sum(place.values()) for place in (await here.tenancy.show("default")).holds.values())


async def test_a_tenant_with_data_of_its_own_is_not_imported_over(house: Open, taken: Path) -> None:
    async with house() as emma:
        await emma.tenancy.create("acme")
        await emma.tenant("acme").ask("loan_officer", QUESTION)
        await emma._errands.finish()
        before = (await emma.tenancy.show("acme")).holds
        with pytest.raises(Conflict, match="'acme' has data here already"):
            await emma.tenancy.arrive(taken)
        assert (await emma.tenancy.show("acme")).holds == before
        await emma.tenancy.offboard("acme")
        with pytest.raises(Conflict, match="'acme'"):
            await emma.tenancy.arrive(taken)


async def test_an_import_that_stopped_midway_leaves_nobody_in_and_is_repeated(
    house: Open, taken: Path, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit("manifest.json", '"title": "acme', '"title": "Other')(own)
    async with house("here") as here:
        for step in ("_lines", "_registry", "_blobs", "_compare"):

            async def stops(*_: object, **__: object) -> None:
                raise KeyboardInterrupt

            with monkeypatch.context() as cut_short:
                cut_short.setattr(importing, step, stops)
                with pytest.raises(KeyboardInterrupt):
                    await here.tenancy.arrive(taken)
            assert (await here.tenancy.show("acme")).tenant.state == "suspended"
            with pytest.raises(Conflict, match="an import of another export is not done"):
                await here.tenancy.arrive(own)
        await here.tenancy.arrive(taken)
        again = await here.tenancy.export("acme", tmp_path / "two")

        assert (sizes(again), again.tenant.state) == (sizes(json_of(taken)), "active")


async def test_what_arrived_otherwise_is_told_and_the_tenant_stays_suspended(
    house: Open, taken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importing._blobs

    async def and_more(holdings, folder, manifest, *rest):  # type: ignore[no-untyped-def]
        await real(holdings, folder, manifest, *rest)
        store = holdings.store.for_tenant("acme")
        [kept] = await store.query("override")
        await store.put(kept.model_copy(update={"body": {**kept.body, "decided_by": "eve"}}))

    async with house("here") as here:
        with monkeypatch.context() as spoilt:
            spoilt.setattr(importing, "_blobs", and_more)
            with pytest.raises(StoreError, match=r"document '.*' of kind 'override' did not arrive"):
                await here.tenancy.arrive(taken)
        assert (await here.tenancy.show("acme")).tenant.state == "suspended"
        await here.tenancy.arrive(taken)
        assert (await here.tenancy.show("acme")).tenant.state == "active"
        assert await here._house.registry.for_tenant("acme").one(Setting, importing.MARK) is None


async def test_what_expired_on_the_way_is_not_missed(house: Open, tmp_path: Path, clock: Clock) -> None:
    async with house("there") as there:
        await furnish(there, "acme")
        store = there._house.store.for_tenant("acme")
        short = await store.get("short", "one")
        assert short is not None
        import time

        await store.put(short.model_copy(update={"expires_at": time.time() + 2}))
        await there.tenancy.export("acme", tmp_path / "one")
    time.sleep(2)
    async with house("here") as here:
        await here.tenancy.arrive(tmp_path / "one")
        assert await here._house.store.for_tenant("acme").query("short") == []


async def test_a_suspended_tenant_arrives_suspended_and_an_empty_one_empty(house: Open, tmp_path: Path) -> None:
    async with house("there") as there:
        await there.tenancy.create("bare")
        await there.tenancy.suspend("bare")
        await there.tenancy.export("bare", tmp_path / "bare")
        await there.tenancy.export("default", tmp_path / "default")
    async with house("here") as here:
        await here.tenancy.arrive(tmp_path / "bare")
        await here.tenancy.arrive(tmp_path / "default")
        assert {each.id: each.state for each in await here.tenants()} == {"bare": "suspended", "default": "active"}


async def test_a_tenant_that_is_written_to_all_the_while_is_not_taken_half(
    house: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emma_core.tenancy import exporting

    async with house() as emma:
        await furnish(emma, "acme")
        real, times = exporting._registry, []

        async def meanwhile(*given):  # type: ignore[no-untyped-def]
            times.append(1)
            if len(times) < until:
                await emma.tenant("acme").ask("loan_officer", QUESTION)
            return await real(*given)

        monkeypatch.setattr(exporting, "_registry", meanwhile)
        until = 9
        with pytest.raises(Conflict, match="'acme' is written to all the while; run: emma tenants suspend acme"):
            await emma.tenancy.export("acme", tmp_path / "out")
        assert not (tmp_path / "out").exists()
        times.clear()
        until = 2
        manifest = await emma.tenancy.export("acme", tmp_path / "out")
        assert manifest.head == await emma._house.store.for_tenant("acme").head()


async def test_a_trail_that_does_not_hold_is_not_taken_out_as_if_it_did(house: Open, tmp_path: Path) -> None:
    import sqlite3

    async with house() as emma:
        await furnish(emma, "acme")
        with sqlite3.connect(tmp_path / "here" / "emma.db") as spoilt:
            spoilt.execute(
                "UPDATE payloads SET body = substr(body, 1, 40) || lower(substr(body, 41)) WHERE tenant = 'acme'"
            )
        spoilt.close()
        with pytest.raises(TrailError, match=r"'acme' does not hold: line .*emma audit export"):
            await emma.tenancy.export("acme", tmp_path / "out")
        assert not (tmp_path / "out").exists()
