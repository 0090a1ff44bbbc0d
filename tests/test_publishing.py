"""Holds publishing to its contract: versions that never change, labels that move, all of it on the trail."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date
from pathlib import Path

import pytest

from emma_core import (
    AuthorError,
    BlueprintError,
    CallerError,
    Desk,
    Emma,
    NotFound,
    PackError,
    StoreError,
    TrailError,
    audit,
    blueprints,
)
from emma_core.nouns import Blueprint, BlueprintTest, Expectation
from emma_core.ports import TenantStore

Open = Callable[..., AbstractAsyncContextManager[Emma]]
QUESTION = "Can we approve this at 47% debt-to-income on a conventional loan?"


def saying(emma: Emma, words: str) -> Blueprint:
    """The shipped agent with other instructions and no tests, so that it is published at once."""
    shipped = emma.packs.blueprints()["loan_officer"]
    return shipped.model_copy(update={"instructions": words, "tests": ()})


async def outcomes(desk: Desk) -> list[dict[str, object]]:
    """What the trail's `published` lines say."""
    lines = await (await desk.trail()).lines(limit=1_000)
    return [audit.read(line).outcome for line in lines if line.kind == "published"]


async def test_a_version_is_numbered_sealed_and_asked_by_number_label_and_hash(opened: Open) -> None:
    async with opened() as emma:
        desk = emma.tenant("default", user="ana")
        first = await desk.versions.publish(emma.packs.blueprints()["loan_officer"])
        second = await desk.versions.publish(saying(emma, "Be brief."), label="stable")
        turns = {
            address: await desk.ask(address, QUESTION)
            for address in ("loan_officer@1", f"loan_officer@sha256:{second.hash[:12]}", "loan_officer@stable")
        }
        bare = await desk.ask("loan_officer", QUESTION)
        said = await outcomes(desk)
        verified = await audit.verify_trail(await desk.trail())

    assert [first.version, second.version, first.published_by] == [1, 2, "ana"]
    assert turns["loan_officer@1"].blueprint_hash == first.hash
    assert {turns[address].blueprint_hash for address in list(turns)[1:]} == {second.hash} == {bare.blueprint_hash}
    assert {turn.blueprint for turn in turns.values()} == {"loan_officer"}
    assert [(each["action"], each["version"], each["hash"]) for each in said] == [
        ("published", 1, first.hash),
        ("published", 2, second.hash),
        ("labelled", 2, second.hash),
    ]
    assert verified.ok


async def test_an_id_alone_is_the_shipped_agent_until_the_label_stable_stands(opened: Open) -> None:
    async with opened() as emma:
        desk = emma.tenant("default")
        shipped = await desk.ask("loan_officer", QUESTION)
        published = await desk.versions.publish(saying(emma, "Be brief."))
        before = await desk.ask("loan_officer", QUESTION)
        await desk.versions.label("loan_officer@1", "stable")
        after = await desk.ask("loan_officer", QUESTION)
        unnamed = saying(emma, "Be kind.").model_copy(update={"id": "my_agent"})
        await desk.versions.publish(unnamed)
        with pytest.raises(NotFound, match="emma blueprints label my_agent@1 stable"):
            await desk.ask("my_agent", QUESTION)

    assert shipped.blueprint_hash == before.blueprint_hash != published.hash
    assert after.blueprint_hash == published.hash


async def test_the_same_content_is_the_same_version_whoever_publishes_it_and_how_often(opened: Open) -> None:
    async with opened() as emma:
        desks = [emma.tenant("default", user=f"user_{number}") for number in range(8)]
        agents = [saying(emma, words) for words in ("one", "two", "three")]
        done = await asyncio.gather(*(desk.versions.publish(agent) for desk in desks for agent in agents))
        every = await desks[0].versions.all()
        said = await outcomes(desks[0])

    assert {(each.blueprint.instructions, each.version) for each in done} == {
        (each.blueprint.instructions, each.version) for each in every
    }
    assert sorted(each.version for each in every) == [1, 2, 3]
    assert {(each["version"], each["hash"]) for each in said} == {(each.version, each.hash) for each in every}


async def test_a_label_moves_and_moves_back_as_often_as_it_moved(opened: Open) -> None:
    async with opened() as emma:
        versions = emma.tenant("default").versions
        for words in ("one", "two", "three"):
            await versions.publish(saying(emma, words), label="stable")
        await versions.label("loan_officer@3", "stable")  # it stands there already
        await versions.label("loan_officer@stable", "beta")
        back = [(await versions.rollback("loan_officer")).version for _ in range(2)]
        with pytest.raises(CallerError, match=r"'loan_officer@stable' has nothing to go back to.*version 1"):
            await versions.rollback("loan_officer@stable")
        with pytest.raises(CallerError, match="nothing to go back to"):
            await versions.rollback("loan_officer@beta")
        labels = {each.label: each.version for each in await versions.labels()}
        said = [each for each in await outcomes(emma.tenant("default")) if each["action"] != "published"]

    assert back == [2, 1]
    assert labels == {"stable": 1, "beta": 3}
    assert [(each["action"], each["label"], each["version"]) for each in said] == [
        ("labelled", "stable", 1),
        ("labelled", "stable", 2),
        ("labelled", "stable", 3),
        ("labelled", "beta", 3),
        ("rolled_back", "stable", 2),
        ("rolled_back", "stable", 1),
    ]


async def test_the_tenth_version_comes_after_the_ninth(opened: Open) -> None:
    async with opened() as emma:
        versions = emma.tenant("default").versions
        numbers = [(await versions.publish(saying(emma, f"{number}"))).version for number in range(12)]

        assert numbers == list(range(1, 13)) == [each.version for each in await versions.all()]


class Cut(Exception):
    """The process ends here."""


async def test_what_a_crash_left_between_document_and_line_is_finished_by_publishing_again(opened: Open) -> None:
    async with opened() as emma:
        desk = emma.tenant("default")
        store = await desk.trail()
        for cut in ("append", "mark"):
            agent = saying(emma, f"cut at {cut}")
            with pytest.raises(Cut):
                await publish_until(cut, store, agent, emma)
            [left] = [each for each in await desk.versions.all() if each.blueprint == agent]
            assert left.line is None
            with pytest.raises(NotFound, match="publish the same blueprint again"):
                await desk.ask(left.address, QUESTION)
            healed = await desk.versions.publish(agent)
            assert (healed.version, healed.published_by) == (left.version, "ana")
            assert (await desk.ask(left.address, QUESTION)).blueprint_hash == healed.hash
        assert (await audit.verify_trail(store)).ok


async def publish_until(cut: str, store: TenantStore, agent: Blueprint, emma: Emma) -> None:
    """Publishes as ana, and ends at `append` before the line is written, at `mark` right after it was."""
    desk = emma.tenant("default", user="ana")
    real, sealing = store.append, desk.versions._sealing
    prepared = blueprints.prepare(agent, emma.packs, as_of=date.today())

    async def append(seal, **more):  # type: ignore[no-untyped-def]
        if cut == "mark":
            await real(seal, **more)
        raise Cut

    store.append = append  # type: ignore[method-assign]
    try:
        now = emma._house.clock()
        await blueprints.publish(store, prepared, as_of=date.today(), by="ana", now=now, sealing=sealing)
    finally:
        del store.append


async def test_a_version_runs_with_the_packs_it_was_published_with_and_no_others(opened: Open) -> None:
    async with opened() as emma:
        desk = emma.tenant("default")
        await desk.versions.publish(saying(emma, "Be brief."), label="stable")
        pack = emma.packs.by_name["mortgage"]
        newer = dataclasses.replace(pack, version="1.0.99", hash="0" * 64)
        packs = dataclasses.replace(emma.packs, by_name={**emma.packs.by_name, "mortgage": newer})
        later = Emma(dataclasses.replace(emma._house, packs=packs)).tenant("default")

        with pytest.raises(
            PackError, match=r"'loan_officer@1': pack 'mortgage' is 1.0.99 \(000000000000\) here.*again"
        ):
            await later.ask("loan_officer", QUESTION)
        again = await later.versions.publish(saying(emma, "Be brief."), label="stable")

        assert again.version == 2
        assert (await later.ask("loan_officer", QUESTION)).blueprint_hash == again.hash


async def test_a_version_that_was_changed_where_it_lies_is_not_asked(opened: Open) -> None:
    async with opened() as emma:
        desk = emma.tenant("default")
        published = await desk.versions.publish(saying(emma, "Be brief."), label="stable")
        other = await desk.versions.publish(saying(emma, "Be kind."))
        store = await desk.trail()
        kept = await store.get("blueprint", published.address)
        label = await store.get("blueprint_label", "loan_officer@stable")
        assert kept is not None and label is not None

        looser = json.loads(json.dumps(kept.body).replace("Be brief.", "Approve."))
        await store.put(kept.model_copy(update={"body": looser}))
        with pytest.raises(StoreError, match=r"'loan_officer@1'.*not what was published"):
            await desk.ask("loan_officer@1", QUESTION)

        hash = blueprints.prepare(saying(emma, "Approve."), emma.packs, as_of=published.as_of).hash
        await store.put(kept.model_copy(update={"body": {**looser, "hash": hash}}))
        with pytest.raises(TrailError, match="'loan_officer@1': line 1"):
            await desk.ask("loan_officer@1", QUESTION)

        await store.put(label.model_copy(update={"body": {**label.body, "version": other.version}}))
        with pytest.raises(TrailError, match="'loan_officer@stable': line 2"):
            await desk.ask("loan_officer", QUESTION)


async def test_a_blueprint_whose_own_test_fails_is_not_published(opened: Open) -> None:
    async with opened() as emma:
        desk = emma.tenant("default")
        shipped = emma.packs.blueprints()["loan_officer"]
        wrong = BlueprintTest(ask=QUESTION, expect=Expectation(verdict="clear", cites=("nowhere",)))
        unasked = BlueprintTest(ask="Hello", facts={"dtii": 1}, expect=Expectation(verdict="clear"))
        for test, words in ((wrong, "verdict: 'clear' was expected.*'nowhere'"), (unasked, "did you mean 'dti'")):
            with pytest.raises(BlueprintError, match=f"tests: {len(shipped.tests) + 1}: .*{words}"):
                await desk.versions.publish(shipped.model_copy(update={"tests": (*shipped.tests, test)}))

        assert await desk.versions.all() == []
        assert await (await desk.trail()).lines() == []


async def test_a_blueprint_that_may_not_run_is_not_published(opened: Open) -> None:
    async with opened() as emma:
        desk = emma.tenant("default")
        agent = saying(emma, "Be brief.")
        for change in ({"packs": {"nope": ">=1"}}, {"tools": ("nope",)}, {"packs": {"mortgage": ">=99"}}):
            with pytest.raises(AuthorError, match=r"nope|99"):
                await desk.versions.publish(agent.model_copy(update=change), label="stable")

        assert await desk.versions.all() == []


@pytest.mark.parametrize("label", ["3", "", "Stable", "a b", "é", "sha256:00", "x" * 41])
async def test_a_label_is_a_small_word_and_no_number(opened: Open, label: str) -> None:
    async with opened() as emma:
        versions = emma.tenant("default").versions
        with pytest.raises(CallerError, match="Label"):
            await versions.publish(saying(emma, "Be brief."), label=label)
        assert await versions.all() == []


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("loan_officer@0", "names no version"),
        ("loan_officer@", "names no version"),
        ("loan_officer@1@2", "names no version"),
        ("loan_officer@sha256:12", "names no version"),
        ("loan_officer@7", r"there are \['1', 'stable'\]"),
        ("loan_officer@stabel", "did you mean loan_officer@stable"),
        (f"loan_officer@sha256:{'0' * 64}", "No version"),
        ("nope@1", "No blueprint 'nope' is published here"),
        ("../x@1", "No blueprint '../x' is published here"),
        (f"{'x' * 300}@1", "No blueprint"),
        ("🏠@stable", "No blueprint '🏠'"),
    ],
)
async def test_an_address_that_leads_nowhere_says_what_there_is(opened: Open, address: str, words: str) -> None:
    async with opened() as emma:
        desk = emma.tenant("default")
        await desk.versions.publish(saying(emma, "Be brief."), label="stable")
        with pytest.raises(CallerError, match=words):
            await desk.ask(address, QUESTION)


async def test_nothing_published_by_one_tenant_shows_at_another(opened: Open) -> None:
    async with opened() as emma:
        for tenant in ("a", "aa"):
            await emma.create_tenant(tenant)
        ours, theirs = emma.tenant("a"), emma.tenant("aa")
        await ours.versions.publish(saying(emma, "Only ours."), label="stable")
        mine = saying(emma, "Only ours.").model_copy(update={"id": "only_ours"})
        await ours.versions.publish(mine, label="stable")
        shipped = await theirs.ask("loan_officer", QUESTION)
        said = []
        for address in ("only_ours", "only_ours@1", "only_ours@stable", "never_was", "never_was@1", "never_was@stable"):
            with pytest.raises(NotFound) as refused:
                await theirs.ask(address, QUESTION)
            said.append(str(refused.value).replace("only_ours", "…").replace("never_was", "…"))
        assert said[:3] == said[3:], "what another tenant has is refused in the words of what nobody has"
        assert await theirs.versions.all() == [] == await theirs.versions.labels()
        assert shipped.blueprint_hash == (await emma.tenant("default").ask("loan_officer", QUESTION)).blueprint_hash
        assert (await theirs.versions.publish(saying(emma, "Theirs."))).version == 1


async def test_what_differs_between_two_versions_is_told_key_by_key(opened: Open) -> None:
    async with opened() as emma:
        versions = emma.tenant("default").versions
        one = await versions.publish(saying(emma, "Be brief."))
        fewer = one.blueprint.rules.model_copy(update={"use": ("mortgage/lender_policy",)})
        two = await versions.publish(one.blueprint.model_copy(update={"rules": fewer, "title": "Other"}))

    said = {each.where: (each.was, each.now) for each in blueprints.compare(one, two)}
    assert said["title"] == ("Loan officer's assistant", "Other")
    assert said["rules.use"][1] == ["mortgage/lender_policy"]
    assert said["pack global"][1] is None
    assert said["rule mortgage.qualified_mortgage.dti_43"][1] is None
    assert blueprints.compare(one, one) == []


async def test_a_blueprint_of_your_own_folder_is_published_and_outlives_its_file(opened: Open, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    file = folder / "mine.yaml"
    file.write_text(
        "id: mine\ntitle: Mine\ninstructions: Help.\nrules: {use: [mortgage/lender_policy]}\nlimits: {usd: 0.1}\n"
        "answer: {schema: {type: object, properties: {a: {default: null, enum: [null, 1.5]}}}}\n"
    )
    async with opened(blueprints=folder) as emma:
        desk = emma.tenant("default")
        mine = await desk.blueprint("mine")
        published = await desk.versions.publish(mine, label="stable")
        file.unlink()

        assert await desk.blueprint("mine") == mine == published.blueprint
