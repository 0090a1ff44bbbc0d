"""Holds the answer cache to giving again only what was said to the very same prompt of the same tenant."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from services import ValkeyServer

from emma_core import Emma, Settings, Turn, audit, hookimpl
from emma_core.backends.memory_cache import MemoryCache
from emma_core.cli.turns import answer as shown
from emma_core.nouns import Usage
from emma_core.testing import Calls, Says, ScriptedModel, ScriptedPack

ASK = ("loan_officer", "Can we approve this at 47% debt-to-income on a conventional loan?")
COST = Usage(input_tokens=700, output_tokens=50)
Open = Callable[..., AbstractAsyncContextManager[Emma]]


class Clocked:
    """A pack whose cache goes by a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cache = MemoryCache(clock=lambda: self.now)

    @hookimpl
    def register_backends(self) -> Mapping[str, Mapping[str, Callable[..., Any]]]:
        return {"cache": {"clocked": lambda address: self.cache}}


@pytest.fixture
def clocked() -> Clocked:
    return Clocked()


@pytest.fixture
def house(tmp_path: Path, clocked: Clocked) -> Open:
    @asynccontextmanager
    async def open_(model: ScriptedModel, **more: Any) -> AsyncIterator[Emma]:
        given = {"store": f"sqlite:///{tmp_path}/emma.db", "model": "scripted:", "cache": "clocked:"}
        plugins = {"scripted": ScriptedPack(model), "clocked": clocked}
        async with Emma.open(Settings(**{**given, "answer_cache_seconds": 60, **more}), plugins=plugins) as emma:
            yield emma

    return open_


def costly(*steps: Any, **more: Any) -> ScriptedModel:
    """A scripted model whose tokens cost something, so that its answers are worth keeping."""
    model = ScriptedModel(*steps, **more)
    model.usd_per_token = 0.000001
    return model


def words(turn: Turn) -> tuple[str, bool]:
    assert turn.answer is not None, turn.stopped
    return turn.answer.text, bool(turn.answer.cached)


async def test_the_same_ask_is_answered_again_for_nothing_and_the_trail_says_so(house: Open) -> None:
    model = costly(Says("It may be lifted [1].", usage=COST))
    async with house(model) as emma:
        desk = emma.tenant("default")
        first, second = await desk.ask(*ASK), await desk.ask(*ASK)
        trail = await desk.trail()
        ends = [json.loads(line.line)["outcome"] for line in await trail.lines() if line.kind == "answered"]

        assert words(first) == ("It may be lifted [1].", False)
        assert words(second) == ("It may be lifted [1].", True)
        assert (await audit.verify_trail(trail)).ok
    assert first.answer is not None and second.answer is not None
    assert (first.answer.usage, second.answer.usage) == (COST, Usage())
    assert second.answer.citations == first.answer.citations
    assert [("said to the same question before" in shown(turn).plain) for turn in (first, second)] == [False, True]
    assert [end.pop("cached", None) for end in ends] == [None, True]
    assert ends[0] == ends[1]
    assert len(model.prompts) == 1


async def test_findings_are_settled_anew_and_belong_to_their_own_conversation(house: Open) -> None:
    async with house(costly(Says("It may be lifted [1]."))) as emma:
        desk = emma.tenant("default")
        first, second = await desk.ask(*ASK), await desk.ask(*ASK)

    assert words(second)[1]
    assert [each.id for each in first.overrides] != [each.id for each in second.overrides]
    assert all(each.conversation == second.ask.conversation for each in second.overrides)
    assert [each.outcome for each in first.findings] == [each.outcome for each in second.findings]
    assert [each.kind for each in second.trail] == ["judged", "answered"]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((("loan_officer", ASK[1].replace("47", "46")), {}), id="words"),
        pytest.param((ASK, {"facts": {"dti": 0.46}}), id="facts"),
        pytest.param((ASK, {"facts": {"dti": 0.471}}), id="a value that the message rounds"),
    ],
)
async def test_another_ask_is_another_prompt(house: Open, other: tuple[tuple[str, str], dict[str, Any]]) -> None:
    async with house(costly(Says("One [1]."), Says("Two [1]."))) as emma:
        desk = emma.tenant("default")
        await desk.ask(*ASK)

        assert words(await desk.ask(*other[0], **other[1])) == ("Two [1].", False)


async def test_the_talk_so_far_is_part_of_the_prompt(house: Open) -> None:
    async with house(costly(Says("One [1]."), Says("Two [1]."))) as emma:
        desk = emma.tenant("default")
        await desk.ask(*ASK, conversation="c")

        assert words(await desk.ask(*ASK, conversation="c")) == ("Two [1].", False)


async def test_no_tenant_is_given_what_was_said_to_another(house: Open) -> None:
    async with house(costly(Says("One [1]."), Says("Two [1]."))) as emma:
        await emma.create_tenant("d")
        await emma.tenant("default").ask(*ASK)

        assert words(await emma.tenant("d").ask(*ASK)) == ("Two [1].", False)
        assert words(await emma.tenant("d").ask(*ASK)) == ("Two [1].", True)
        assert words(await emma.tenant("default").ask(*ASK)) == ("One [1].", True)


async def test_no_installation_is_given_what_was_said_in_another_that_shares_its_cache(
    house: Open, tmp_path: Path
) -> None:
    async with house(costly(Says("One [1]."))) as emma:
        await emma.tenant("default").ask(*ASK)
        async with house(costly(Says("Two [1].")), store=f"sqlite:///{tmp_path}/other.db") as other:
            assert words(await other.tenant("default").ask(*ASK)) == ("Two [1].", False)


async def test_nothing_is_given_again_past_its_time_or_where_no_time_was_set(house: Open, clocked: Clocked) -> None:
    async with house(costly(Says("One [1]."), Says("Two [1]."))) as emma:
        desk = emma.tenant("default")
        await desk.ask(*ASK)
        clocked.now += 61

        assert words(await desk.ask(*ASK)) == ("Two [1].", False)
    async with house(costly(Says("Three [1]."), Says("Four [1].")), answer_cache_seconds=0) as emma:
        desk = emma.tenant("default")
        await desk.ask(*ASK)

        assert words(await desk.ask(*ASK)) == ("Four [1].", False)


async def test_a_talk_with_tool_calls_is_never_given_again(house: Open) -> None:
    model = costly(Calls("mortgage.payment"), Says("One [1]."), again=True)
    async with house(model) as emma:
        desk = emma.tenant("default")
        await desk.ask(*ASK)

        assert words(await desk.ask(*ASK)) == ("One [1].", False)
    assert len(model.prompts) == 4


async def test_an_answer_that_was_stopped_is_not_kept(house: Open) -> None:
    async with house(costly(Says("No source [99]."), Says("None [98]."), Says("One [1]."))) as emma:
        desk = emma.tenant("default")
        assert (await desk.ask(*ASK)).stopped

        assert words(await desk.ask(*ASK)) == ("One [1].", False)


def altered(cache: MemoryCache, **change: Any) -> None:
    """Everything that is kept says something else, as if somebody had reached into the cache."""
    for shelf in cache._shelves.values():
        for key, (until, value) in shelf.items():
            shelf[key] = (until, json.dumps({**json.loads(value), **change}).encode())


async def test_what_is_given_again_is_held_against_the_rules_on_answers_again(house: Open, clocked: Clocked) -> None:
    async with house(costly(Says("One [1]."))) as emma:
        desk = emma.tenant("default")
        await desk.ask(*ASK)
        altered(clocked.cache, text="The number 219-09-9999 is on file [1].")
        turn = await desk.ask(*ASK)

    assert words(turn) == ("The number [removed] is on file [1].", True)
    assert turn.answer is not None and turn.answer.mended


@pytest.mark.parametrize(
    "change",
    [
        {"text": "See [99]."},
        {"text": ""},
        {"text": 7},
        {"tenant": "d"},
        {"key": "answer:other"},
        {"calls": [{"name": "mortgage.payment"}]},
        {"abstained": "yes"},
        {"unknown": True},
    ],
    ids=str,
)
async def test_what_does_not_fit_in_the_cache_is_a_miss(house: Open, clocked: Clocked, change: dict[str, Any]) -> None:
    async with house(costly(Says("One [1]."), Says("Two [1]."))) as emma:
        desk = emma.tenant("default")
        await desk.ask(*ASK)
        altered(clocked.cache, **change)

        assert words(await desk.ask(*ASK)) == ("Two [1].", False)


async def test_what_was_masked_once_lies_nowhere_unmasked(house: Open, clocked: Clocked) -> None:
    async with house(costly(Says("The number 219-09-9999 is on file [1]."))) as emma:
        desk = emma.tenant("default")
        first, second = await desk.ask(*ASK), await desk.ask(*ASK)

        assert b"219" not in b"".join(value for shelf in clocked.cache._shelves.values() for _, value in shelf.values())
    assert words(first)[0] == words(second)[0] == "The number [removed] is on file [1]."
    assert second.answer is not None and second.answer.mended and second.answer.cached


async def test_a_responder_that_costs_nothing_is_asked_each_time(house: Open) -> None:
    async with house(ScriptedModel(Says("One [1]."), Says("Two [1]."))) as emma:
        desk = emma.tenant("default")
        await desk.ask(*ASK)

        assert words(await desk.ask(*ASK)) == ("Two [1].", False)


async def test_turns_go_on_when_the_cache_is_killed_amid_them(house: Open, own_valkey: ValkeyServer) -> None:
    asks = [("loan_officer", f"Can we approve this at {dti}% debt-to-income?") for dti in (41, 47, 50)] * 4

    async def turns(cache: str, kill_at: int) -> list[Turn]:
        model = costly(Says("It is [1].", usage=COST), again=True)
        async with house(model, cache=cache) as emma:
            desk, found = emma.tenant("default"), []
            for number, ask in enumerate(asks):
                if number == kill_at:
                    own_valkey.kill9()
                found.append(await desk.ask(*ask))
            assert (await audit.verify_trail(await desk.trail())).ok
        return found

    alone = await turns("memory:", kill_at=-1)
    killed = await turns(f"{own_valkey.address}?patience=10", kill_at=5)

    assert [words(turn)[1] for turn in killed] == [False] * 3 + [True] * 2 + [False] * 7
    assert [words(turn)[0] for turn in killed] == [words(turn)[0] for turn in alone]
    told = [[(each.rule, each.outcome, each.values) for each in turn.findings] for turn in killed]
    assert told == [[(each.rule, each.outcome, each.values) for each in turn.findings] for turn in alone]
    assert [turn.verdict for turn in killed] == [turn.verdict for turn in alone]


@pytest.mark.prove
def test_the_tests_of_turns_pass_with_their_cache_killed_amid_them(proof: Callable[[str], None]) -> None:
    root = Path(__file__).parents[2]
    names = ("runtime", "agent", "overrides", "cli/test_ask")
    # these script a second answer to the same question, which is what a cache saves
    anew = "not a_caller_who_leaves and not sent_back_once_and_then_stopped and not must_fit_its_schema"
    files = [f"tests/{name if '/' in name else f'test_{name}'}.py" for name in names]
    paths = os.pathsep.join(map(str, (root / "tests" / "objects", root / "tests")))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "killed_cache", "-k", anew, *files]
    done = subprocess.run(
        command, cwd=root, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout[-5000:]
    killed = re.search(r"killed after (\d+) tests: .*'keyspace_hits': (\d+), 'keyspace_misses': (\d+)", done.stdout)
    passed = re.search(r"(\d+) passed", done.stdout)
    assert killed is not None and passed is not None and int(killed[3]) > 0, done.stdout[-2000:]
    proof(
        f"{passed[1]} tests of turns over a cache on Redis, killed -9 after {killed[1]} of them: all passed;"
        f" until then it was asked for {int(killed[2]) + int(killed[3])} answers, and had {killed[2]}"
    )
