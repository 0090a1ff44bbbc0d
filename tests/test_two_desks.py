"""Looks, in every order of steps, for anything of one tenant at the desk of another."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from contextlib import AsyncExitStack
from datetime import date
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from emma_core import CallerError, Emma, Settings

TENANTS = ("a", "aa")
CONVERSATIONS = st.sampled_from(["c", "cc"])
OFFICER = ("mortgage.senior_underwriter",)


class TwoDesks(RuleBasedStateMachine):
    """Two tenants with prefix names take turns in conversations of the same names; each says its own word only."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.folder = tempfile.TemporaryDirectory()
        self.said: dict[str, list[str]] = {tenant: [] for tenant in TENANTS}
        self.given: dict[tuple[str, str], bool] = {}
        self.turns = dict.fromkeys(TENANTS, 0)
        self.emma: Emma = self.run(self.open())

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    async def open(self) -> Emma:
        chosen = Settings(store=f"sqlite:///{self.folder.name}/emma.db", model="offline:")
        emma = await self.stack.enter_async_context(Emma.open(chosen))
        for tenant in TENANTS:
            await emma.create_tenant(tenant)
        return emma

    def note(self, tenant: str, *said: Any) -> None:
        self.said[tenant] += [json.dumps(each.plain()) for each in said]

    @rule(tenant=st.sampled_from(TENANTS), conversation=CONVERSATIONS, known=st.booleans())
    def ask(self, tenant: str, conversation: str, known: bool) -> None:
        words = f"word_of_{tenant}_only: may we lend?"
        facts = {"dti": 0.47, "reserves_months": 3} if known else {}
        turn = self.run(
            self.emma.tenant(tenant).ask(
                "loan_officer", words, facts=facts, conversation=conversation, subject=f"person_of_{tenant}_only"
            )
        )
        self.note(tenant, turn)
        self.turns[tenant] += 1
        self.given[tenant, conversation] = known or self.given.get((tenant, conversation), False)
        assert (turn.verdict == "needs_facts") == (not self.given[tenant, conversation])

    @rule(tenant=st.sampled_from(TENANTS), label=st.sampled_from(["stable", None]))
    def publish(self, tenant: str, label: str | None) -> None:
        """The agent under the same name at both, with words of this one's own."""
        shipped = self.emma.packs.blueprints()["loan_officer"]
        own = shipped.model_copy(update={"instructions": f"words_of_{tenant}_only", "tests": ()})
        versions = self.emma.tenant(tenant).versions
        published = self.run(versions.publish(own, label=label))
        assert published.version == 1
        self.note(tenant, published, *self.run(versions.labels()))

    @rule(tenant=st.sampled_from(TENANTS))
    def use_is_counted(self, tenant: str) -> None:
        """What is counted is what this one asked."""
        used = self.run(self.emma.tenancy.usage(tenant, since=date(2020, 1, 1), until=date(2199, 1, 1)))
        assert sum(each.amount for each in used if each.counter == "turns") == self.turns[tenant]

    @rule(tenant=st.sampled_from(TENANTS), data=st.data())
    def decide_on_anything(self, tenant: str, data: st.DataObject) -> None:
        """Any override's id of either tenant, tried at this one's desk."""
        known = [each for other in TENANTS for each in self.run(self.emma.tenant(other).overrides())]
        if not known:
            return
        override = data.draw(st.sampled_from(sorted(known, key=lambda each: each.id)))
        own = {each.id for each in self.run(self.emma.tenant(tenant).overrides())}
        desk = self.emma.tenant(tenant, user=f"boss_of_{tenant}_only", roles=OFFICER)
        reasons = {"reason": f"reason_of_{tenant}_only", "compensating_factors": "x"}
        with contextlib.suppress(CallerError):  # decided already, or not this tenant's
            self.note(tenant, self.run(desk.decide(override.id, "granted", reasons=reasons)))
            assert override.id in own

    @invariant()
    def nothing_of_the_other_is_seen(self) -> None:
        for tenant, other in (TENANTS, TENANTS[::-1]):
            desk = self.emma.tenant(tenant)
            trail = self.run(desk.trail())
            seen = [*self.said[tenant], *(json.dumps(each.plain()) for each in self.run(desk.overrides()))]
            seen += [json.dumps(each.plain()) for each in self.run(desk.versions.all())]
            seen += [line.line + (line.payload.body if line.payload else "") for line in self.run(trail.lines())]
            assert f"_of_{other}_only" not in "".join(seen)

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.loop.close()
        self.folder.cleanup()


TestTwoDesks = TwoDesks.TestCase
TestTwoDesks.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
