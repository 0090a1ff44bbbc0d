"""Holds replays to judging recorded turns as they were judged, and to saying what differs and why."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from emma_core import Desk, Emma, NotFound, Settings, content_of
from emma_core.audit import Replayed

FACTS = {
    "amount": {"type": "number", "title": "Amount", "question": "How much?"},
    "country": {"type": "text", "title": "Country", "question": "Where to?"},
}
SOURCE = {"kind": "policy", "citation": "House rules, 1", "read_on": "2026-01-01"}
TEMPLATE = """---
id: acme.larger_order
title: Larger order
granted_by: [acme.manager]
requires: [reason]
expires: P30D
four_eyes: true
---
{{ finding.message }}
"""
AMOUNT, COUNTRY = "acme.house.amount_max", "acme.house.country_served"


def rule(name: str, require: str, *, passing: dict[str, Any], failing: dict[str, Any], **more: Any) -> dict[str, Any]:
    said = {"id": f"acme.house.{name}", "title": f"Rule {name}", "text": f"Words of {name}.", "applies_to": ["ask"]}
    return {
        **said,
        "require": require,
        "severity": "error",
        "message": f"{name} does not hold.",
        "source": SOURCE,
        "examples": {"pass": [passing], "fail": [failing]},
        **more,
    }


def amount_max(limit: int = 500, **more: Any) -> dict[str, Any]:
    return rule(
        "amount_max",
        f"amount <= {limit}",
        passing={"amount": limit},
        failing={"amount": limit + 1},
        message=f"The amount is {{amount}}; the limit is {limit}.",
        override_template="acme.larger_order",
        **more,
    )


def country_served(**more: Any) -> dict[str, Any]:
    require = "in_table(country, 'served')"
    return rule("country_served", require, passing={"country": "LU"}, failing={"country": "XX"}, **more)


class Acme:
    """A pack of data, written anew where a test changes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rules = [amount_max(), country_served()]
        self.facts: dict[str, Any] = dict(FACTS)
        self.served = ["LU", "BE"]
        self.agent: dict[str, Any] = {"rules": {"use": ["acme/*"]}}

    def plugin(self) -> object:
        for part in ("rules", "override-templates", "tables", "blueprints"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        index = {"rulesets": ["rules/house.json"], "facts": {"acme.order": self.facts}, "roles": {"acme.manager": "M"}}
        (self.folder / "validation-rules.json").write_text(json.dumps(index))
        ruleset = {"ruleset": "acme/house", "edition": "2026", "facts": "acme.order", "rules": self.rules}
        (self.folder / "rules" / "house.json").write_text(json.dumps(ruleset))
        (self.folder / "override-templates" / "larger_order.md").write_text(TEMPLATE)
        (self.folder / "tables" / "served.txt").write_text("\n".join(["# House list, 2026-01-01", *self.served]))
        agent = {"id": "orders", "title": "Orders", "instructions": "Be brief.", **self.agent}
        (self.folder / "blueprints" / "orders.yaml").write_text(json.dumps(agent))
        return type(
            "Plugin", (), {"register_content": staticmethod(content_of(str(self.folder), checkout="content"))}
        )()

    @asynccontextmanager
    async def desk(self, **more: Any) -> AsyncIterator[Desk]:
        chosen = Settings(store=f"sqlite:///{self.folder.parent}/emma.db", model="offline:")
        async with Emma.open(chosen, plugins={"acme": self.plugin()}, **more) as emma:
            assert emma.packs.by_name["acme"].problem is None, emma.packs.by_name["acme"].problem
            yield emma.tenant("default", user="ana")

    async def ask(self, *amounts: int, country: str = "LU", **more: Any) -> None:
        async with self.desk() as desk:
            for amount in amounts:
                facts = {"amount": amount, "country": country}
                await desk.ask("orders", "May I order?", facts=facts, conversation=f"c-{amount}", **more)

    async def replayed(self) -> list[Replayed]:
        async with self.desk() as desk:
            return [each async for each in desk.replays.all()]


@pytest.fixture
def acme(tmp_path: Path) -> Acme:
    return Acme(tmp_path / "content")


async def test_what_nothing_changed_is_the_same_to_the_hash(acme: Acme) -> None:
    await acme.ask(400, 700)
    await acme.ask(400, country="XX")

    found = await acme.replayed()

    assert [(each.result, each.exact, each.verdict) for each in found] == [
        ("same", True, "clear"),
        ("same", True, "needs_override"),
        ("same", True, "blocked"),
    ]
    assert not any(each.differences or each.notes for each in found)


async def test_of_a_changed_limit_exactly_the_affected_turns_differ_and_say_why(acme: Acme) -> None:
    await acme.ask(400, 450, 460, 700)
    acme.rules[0] = amount_max(450)

    found = await acme.replayed()

    assert [each.result for each in found] == ["same", "same", "differs", "same"]
    [difference] = found[2].differences
    assert (difference.was, difference.now) == ("passed", "failed, override suggested")
    assert (found[2].verdict, found[2].verdict_now) == ("clear", "needs_override")
    assert difference.said_now == "The amount is 460; the limit is 450."
    assert difference.values == {"amount": 460}
    assert difference.predicate == "amount <= 450"
    assert difference.hash_then and difference.hash_now and difference.hash_then != difference.hash_now
    assert difference.hash_then[:12] in difference.why[0] and "not in use here" in difference.why[0]
    assert all("pack 'acme'" in each.notes[0] and not each.exact for each in found)


async def test_a_rule_that_is_gone_or_new_is_said(acme: Acme) -> None:
    await acme.ask(400)
    acme.rules = [country_served(), rule("small", "amount > 450", passing={"amount": 500}, failing={"amount": 1})]

    [found] = await acme.replayed()

    said = {each.rule: (each.was, each.now, each.why[0]) for each in found.differences}
    assert said[AMOUNT][:2] == ("passed", None) and "no rule of this id" in said[AMOUNT][2]
    assert said["acme.house.small"] == (None, "failed", "the rule is new")


async def test_a_table_that_changed_under_the_same_rule_is_said(acme: Acme) -> None:
    await acme.ask(400, country="BE")
    acme.served = ["LU"]

    [found] = await acme.replayed()

    [difference] = found.differences
    assert (difference.rule, difference.was, difference.now) == (COUNTRY, "passed", "failed")
    assert difference.hash_then == difference.hash_now
    assert "a table that it reads changed" in difference.why[0]


async def test_a_severity_a_weight_and_a_date_that_changed_are_said(acme: Acme) -> None:
    acme.rules[1] = country_served(severity="warning")
    await acme.ask(700, country="XX")
    acme.rules = [amount_max(mandatory=False), country_served()]
    [weighed] = await acme.replayed()
    acme.rules = [amount_max(effective={"from": "2099-01-01"}), country_served(severity="warning")]
    [dated] = await acme.replayed()

    why = {each.rule: " ".join(each.why) for each in weighed.differences}
    assert "was mandatory, and is advisory" in why[AMOUNT]
    assert "its severity was warning, and is error" in why[COUNTRY]
    assert (weighed.verdict, weighed.verdict_now) == ("needs_override", "blocked")
    [gone] = dated.differences
    assert gone.now is None and gone.why[0].startswith("in force 2099-01-01")


async def test_a_guard_that_changed_is_said_in_both_directions(acme: Acme) -> None:
    await acme.ask(700)
    acme.rules[0] = amount_max(when="country = 'BE'")
    acme.rules[0]["examples"] = {
        "pass": [{"amount": 1, "country": "BE"}],
        "fail": [{"amount": 501, "country": "BE"}],
    }
    [guarded] = await acme.replayed()
    await acme.ask(700)
    acme.rules[0] = amount_max()
    again = await acme.replayed()

    [difference] = guarded.differences
    assert difference.now is None and "guard does not hold" in difference.why[0]
    assert again[0].result == "same"
    [difference] = again[1].differences
    assert difference.was is None and "its guard did not hold" in difference.why[0]


async def test_a_grant_carries_over_to_the_same_rule_and_to_no_other(acme: Acme) -> None:
    await acme.ask(700)
    async with acme.desk() as desk:
        [override] = await desk.overrides()
    async with Emma.open(
        Settings(store=f"sqlite:///{acme.folder.parent}/emma.db"), plugins={"acme": acme.plugin()}
    ) as emma:
        boss = emma.tenant("default", user="bo", roles=["acme.manager"])
        await boss.decide(override.id, "granted", reasons={"reason": "fine"})
    await acme.ask(700)
    same = await acme.replayed()
    acme.rules[0] = amount_max(600)
    other = await acme.replayed()

    assert [(each.result, each.verdict) for each in same] == [("same", "needs_override"), ("same", "clear")]
    assert [each.result for each in other] == ["same", "differs"]
    [difference] = other[1].differences
    assert (difference.was, difference.now) == ("failed, override granted by bo", "failed, override suggested")
    assert "does not carry over" in difference.why[-1]


async def test_a_blueprint_that_changed_is_said_and_one_that_is_gone_is_no_guess(acme: Acme) -> None:
    await acme.ask(700)
    acme.agent = {"rules": {"use": ["acme/*"], "on_warning": "block"}}
    acme.rules[1] = country_served(severity="warning")
    [read_now] = await acme.replayed()
    acme.agent = {"rules": {"use": ["acme/*"]}, "packs": {"acme": ">=7"}}
    [refused] = await acme.replayed()

    assert "read as it stands now" in read_now.notes[-1]
    assert refused.result == "unknown"
    assert refused.reason and "'>=7' is needed" in refused.reason


async def test_a_blueprint_of_a_folder_that_changed_alone_is_named_with_both_hashes(acme: Acme, tmp_path: Path) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()
    agent = {"id": "own", "title": "Own", "instructions": "Be brief.", "rules": {"use": ["acme/*"]}}
    (folder / "own.yaml").write_text(json.dumps(agent))
    chosen = Settings(store=f"sqlite:///{tmp_path}/emma.db", model="offline:", blueprints=folder)
    async with Emma.open(chosen, plugins={"acme": acme.plugin()}) as emma:
        desk = emma.tenant("default")
        turn = await desk.ask("own", "May I?", facts={"amount": 1, "country": "LU"})
        (folder / "own.yaml").write_text(json.dumps({**agent, "instructions": "Be long."}))
        changed = await desk.replays.turn(turn.id)
        (folder / "own.yaml").unlink()
        emma_again = emma.tenant("default")
        gone = await emma_again.replays.turn(turn.id)

    assert (changed.result, changed.exact) == ("same", False)
    assert "blueprint 'own' changed" in changed.notes[0] and turn.blueprint_hash[:12] in changed.notes[0]
    assert gone.result == "unknown" and gone.reason and "No blueprint 'own'" in gone.reason


async def test_a_published_version_is_replayed_as_it_was_though_its_label_moved_on(acme: Acme) -> None:
    async with acme.desk() as desk:
        first = await desk.blueprint("orders")
        await desk.versions.publish(first, label="stable")
        await desk.ask("orders", "May I?", facts={"amount": 700, "country": "LU"})
        await desk.versions.publish(first.model_copy(update={"title": "Other"}), label="stable")
        before = [each async for each in desk.replays.all()]
    acme.rules[0] = amount_max(600)
    after = await acme.replayed()

    assert [(each.result, each.exact) for each in before] == [("same", True)]
    assert after[0].result == "same" and len(after[0].notes) == 1, "its blueprint is known by its version"


async def test_a_fact_that_no_rule_reads_any_more_or_that_no_longer_fits_is_said(acme: Acme) -> None:
    await acme.ask(700)
    acme.rules = [amount_max()]
    acme.facts = {"amount": FACTS["amount"]}
    [lost] = await acme.replayed()
    acme.facts = {**FACTS, "country": {**FACTS["country"], "values": ["FR"]}}
    [unfit] = await acme.replayed()

    assert "fact 'acme.order.country' was known then" in lost.notes[-1]
    assert unfit.result == "unknown" and unfit.reason and "country" in unfit.reason


async def test_a_payload_that_is_gone_or_was_changed_is_never_judged(acme: Acme, tmp_path: Path) -> None:
    await acme.ask(400, 410, 420)
    with closing(sqlite3.connect(tmp_path / "emma.db")) as connection, connection:
        connection.execute("DELETE FROM payloads WHERE seq = 1")
        connection.execute("UPDATE payloads SET body = substr(body, 1, 40) || lower(substr(body, 41)) WHERE seq = 3")

    gone, changed, whole = await acme.replayed()

    assert gone.result == changed.result == "unknown" and whole.result == "same"
    assert gone.reason and "no payload" in gone.reason
    assert changed.reason and "not the one that was committed to" in changed.reason


async def test_a_replay_writes_nothing_and_knows_its_own_tenants_turns_only(acme: Acme) -> None:
    async with acme.desk() as desk:
        turn = await desk.ask("orders", "May I?", facts={"amount": 1, "country": "LU"}, as_of=date(2026, 3, 1))
    async with acme.desk() as desk:  # opened anew: what the turn left to be written is written
        trail = await desk.trail()
        before = (await trail.census(), await trail.head())
        found = await desk.replays.turn(turn.id)
        after = (await trail.census(), await trail.head())
        with pytest.raises(NotFound, match="No turn 't-nope'"):
            await desk.replays.turn("t-nope")

    assert found.result == "same" and before == after
    async with Emma.open(
        Settings(store=f"sqlite:///{acme.folder.parent}/emma.db"), plugins={"acme": acme.plugin()}
    ) as emma:
        await emma.create_tenant("other")
        with pytest.raises(NotFound, match="No turn"):
            await emma.tenant("other").replays.turn(turn.id)


async def test_turns_since_a_day_are_replayed_alone(acme: Acme) -> None:
    await acme.ask(400)
    async with acme.desk() as desk:
        today = date.fromisoformat((await (await desk.trail()).lines())[0].at[:10])
        assert len([each async for each in desk.replays.all(since=today)]) == 1
        assert [each async for each in desk.replays.all(since=today.replace(year=today.year + 1))] == []


async def test_every_ask_that_shipped_agents_are_tested_with_comes_out_the_same(opened: Any) -> None:
    async with opened() as emma:
        desk = emma.tenant("default")
        for blueprint in emma.packs.blueprints().values():
            for number, test in enumerate(blueprint.tests):
                conversation = f"{blueprint.id}-{number // 3}"  # some of them in one conversation: facts are remembered
                more = {"facts": test.facts, "as_of": test.as_of, "conversation": conversation}
                await desk.ask(blueprint.id, test.ask, **more)
        found = [each async for each in desk.replays.all()]

    assert len(found) >= 10 and len({each.verdict for each in found}) >= 4
    assert [each for each in found if each.result != "same" or not each.exact] == []
