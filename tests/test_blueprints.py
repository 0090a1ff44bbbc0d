"""Runs the tests that blueprints bring of themselves, and holds a folder of your own to its promises."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from emma_core import BlueprintError, Emma, NotFound, packs
from emma_core.nouns import BlueprintTest

Open = Callable[..., AbstractAsyncContextManager[Emma]]
OWN = [
    pytest.param(id, test, id=f"{id}-{number}")
    for id, blueprint in packs.find().blueprints().items()
    for number, test in enumerate(blueprint.tests)
]


@pytest.mark.parametrize(("id", "test"), OWN)
async def test_a_shipped_blueprint_holds_its_own_tests(opened: Open, id: str, test: BlueprintTest) -> None:
    async with opened() as emma:
        turn = await emma.tenant("default").ask(id, test.ask, facts=test.facts, as_of=test.as_of)

    expect = test.expect
    failed = tuple(finding.rule for finding in turn.findings if finding.outcome == "failed")
    cited = [cite.citation for cite in turn.answer.citations] if turn.answer else []
    assert expect.verdict in (None, turn.verdict)
    assert expect.failed is None or set(expect.failed) == set(failed)
    assert expect.needs is None or set(expect.needs) <= {need.fact.rpartition(".")[2] for need in turn.needs} | {
        need.fact for need in turn.needs
    }
    assert all(any(cite in said for said in cited) for cite in expect.cites or ())


async def test_a_blueprint_of_your_own_that_does_not_read_harms_no_other(opened: Open, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "mine.yaml").write_text("id: [")
    async with opened(blueprints=folder) as emma:
        desk = emma.tenant("default")
        assert (await desk.ask("loan_officer", "Is 41% debt-to-income fine?")).verdict == "clear"
        with pytest.raises(BlueprintError, match="mine"):
            await desk.ask("mine", "Hello")
        with pytest.raises(NotFound, match="did you mean 'mine'"):
            await desk.ask("mines", "Hello")
        with pytest.raises(NotFound):
            await desk.ask("../own/mine", "Hello")
