"""Proves that a store's tenants with the same ids never meet: Hypothesis tries every verb against a model."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from emma_core import audit
from emma_core.errors import Conflict
from emma_core.nouns import Document, Head, TrailLine
from emma_core.ports import Store
from emma_core.testing.samples import sealing

_WHO = st.integers(0, 2)
_IDS = st.sampled_from(["x", "xx", "é/'"])
_KINDS = st.sampled_from(["k", "kk"])
_GROUPS = st.sampled_from(["", "c", "cc"])
_MATCHES = st.sampled_from([None, "", "own", "neighbour's"])
_NUMBERS = itertools.count()


def prove_apart(new_store: Callable[[], Store], *, examples: int = 40, steps: int = 40, shrink: bool = True) -> None:
    """Nothing of a tenant was found by another in any verb; where it was, what raises shows the steps there.

    `shrink`: the shortest such steps are looked for.
    """
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    with asyncio.Runner() as loop:
        opened = new_store()
        loop.run(opened.open())

        class OverThisStore(TwoTenants):
            store = opened
            runner = loop

        run_state_machine_as_test(
            OverThisStore,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                phases=phases,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
        loop.run(opened.close())


class TwoTenants(RuleBasedStateMachine):
    """Three tenants, each a prefix of the next, use the same ids; each must see what a model of it alone holds."""

    store: ClassVar[Store]
    runner: ClassVar[asyncio.Runner]

    def __init__(self) -> None:
        super().__init__()
        name = f"a{next(_NUMBERS)}-"  # of their own for each example, so that one store serves them all
        self.handles = [self.store.for_tenant(tenant) for tenant in (name, name + "a", name + "a-a")]
        self.documents: list[dict[tuple[str, str], Document]] = [{}, {}, {}]
        self.lines: list[list[TrailLine]] = [[], [], []]

    @rule(who=_WHO, kind=_KINDS, id=_IDS, group=_GROUPS, match=_MATCHES)
    def put(self, who: int, kind: str, id: str, group: str, match: str | None) -> None:
        """Stored where the etag is this tenant's own, else refused."""
        if_match = self._etag(who, kind, id, match)
        document = self._document(who, kind, id, group)
        if self._holds(who, kind, id, if_match):
            self.documents[who][kind, id] = self.runner.run(self.handles[who].put(document, if_match=if_match))
        else:
            self._conflicts(self.handles[who].put(document, if_match=if_match), self._state(who, kind, id, if_match))

    @rule(who=_WHO, kind=_KINDS, id=_IDS, match=_MATCHES)
    def delete(self, who: int, kind: str, id: str, match: str | None) -> None:
        """Gone for this tenant alone."""
        if_match = self._etag(who, kind, id, match)
        if self._holds(who, kind, id, if_match):
            self.runner.run(self.handles[who].delete(kind, id, if_match=if_match))
            self.documents[who].pop((kind, id), None)
        else:
            self._conflicts(self.handles[who].delete(kind, id, if_match=if_match), self._state(who, kind, id, if_match))

    @precondition(lambda self: any(self.documents))
    @rule(who=_WHO, data=st.data())
    def delete_what_somebody_has(self, who: int, data: st.DataObject) -> None:
        """Gone for this tenant alone, though others may have it too."""
        there = sorted({key for documents in self.documents for key in documents})
        kind, id = data.draw(st.sampled_from(there))
        self.runner.run(self.handles[who].delete(kind, id))
        self.documents[who].pop((kind, id), None)

    @rule(who=_WHO, kind=_KINDS, id=_IDS, gone=_IDS, match=_MATCHES, turn=_IDS, conversation=_GROUPS)
    def append(self, who: int, kind: str, id: str, gone: str, match: str | None, turn: str, conversation: str) -> None:
        """A line with a document put and another deleted, all of it or nothing."""
        handle, if_match = self.handles[who], self._etag(who, kind, id, match)
        seal = sealing(handle.tenant, turn=turn, conversation=conversation)
        sealed: list[TrailLine] = []
        document = self._document(who, kind, id, conversation)

        def seal_and_note(head: Head | None) -> TrailLine:
            sealed.append(seal(head))
            return sealed[-1]

        asked = handle.append(seal_and_note, puts=[(document, if_match)], deletes=[("k", gone)])
        there = ("k", gone) in self.documents[who] or (kind, id) == ("k", gone)
        if not (there and self._holds(who, kind, id, if_match)):
            self._conflicts(asked)
            return
        self.runner.run(asked)
        self.lines[who].append(sealed[-1])
        put = self.runner.run(handle.get(kind, id))
        if put is not None:
            assert put.body == document.body
            self.documents[who][kind, id] = put
        self.documents[who].pop(("k", gone), None)

    @rule(who=_WHO, turn=_IDS, conversation=_GROUPS)
    def import_one(self, who: int, turn: str, conversation: str) -> None:
        """A line sealed elsewhere stands at the end of this tenant's trail."""
        handle = self.handles[who]
        line = sealing(handle.tenant, turn=turn, conversation=conversation)(self.runner.run(handle.head()))
        assert self.runner.run(handle.import_lines([line])).seq == len(self.lines[who]) + 1
        self.lines[who].append(line)

    @rule(who=_WHO, sure=st.integers(0, 3))
    def purge(self, who: int, sure: int) -> None:
        """Nothing is left of this tenant, and nothing is gone of another; not too often, so that there is something."""
        if sure < 3:
            return
        self.runner.run(self.handles[who].purge())
        self.documents[who], self.lines[who] = {}, []

    @rule()
    def count(self) -> None:
        """Each tenant's own kinds, and how many documents and lines it has."""
        for handle, documents, lines in zip(self.handles, self.documents, self.lines, strict=True):
            assert self.runner.run(handle.kinds()) == sorted({kind for kind, _ in documents})
            held = self.runner.run(handle.census())
            assert (held["documents"], held["lines"]) == (len(documents), len(lines))

    @rule(who=_WHO, kind=_KINDS, group=_GROUPS, after=st.sampled_from(["", "a", "x"]), limit=st.integers(0, 4))
    def query(self, who: int, kind: str, group: str, after: str, limit: int) -> None:
        """The tenant's own, in order."""
        own = sorted(self.documents[who].values(), key=lambda document: document.id)
        own = [document for document in own if document.kind == kind and document.id > after]
        of_group = [document for document in own if document.group == group]
        handle = self.handles[who]
        assert self.runner.run(handle.query(kind, after=after, limit=limit)) == own[:limit]
        assert self.runner.run(handle.query(kind, group=group, after=after, limit=limit)) == of_group[:limit]

    @rule(who=_WHO, turn=_IDS, conversation=_GROUPS, newest_first=st.booleans())
    def find(self, who: int, turn: str, conversation: str, newest_first: bool) -> None:
        """The tenant's own lines of a turn and of a conversation."""
        handle, step = self.handles[who], -1 if newest_first else 1
        by_turn = [line for line in self.lines[who] if line.turn == turn][::step]
        by_conversation = [line for line in self.lines[who] if line.conversation == conversation][::step]
        assert self.runner.run(handle.lines(turn=turn, newest_first=newest_first)) == by_turn
        assert self.runner.run(handle.lines(conversation=conversation, newest_first=newest_first)) == by_conversation

    @rule(kind=_KINDS, id=_IDS)
    def get(self, kind: str, id: str) -> None:
        """Each tenant's own, or None."""
        for handle, documents in zip(self.handles, self.documents, strict=True):
            assert self.runner.run(handle.get(kind, id)) == documents.get((kind, id))

    @invariant()
    def each_sees_its_own_trail_only(self) -> None:
        """Lines and head are those of this tenant."""
        for handle, lines in zip(self.handles, self.lines, strict=True):
            head = self.runner.run(handle.head())
            assert (head.seq if head else 0) == len(lines)
            assert self.runner.run(handle.lines()) == lines
            assert head is None or head.hash == lines[-1].hash

    def teardown(self) -> None:
        """At the end each has its own documents, all of them, and a trail that holds."""
        for handle, documents, lines in zip(self.handles, self.documents, self.lines, strict=True):
            for kind in ("k", "kk"):
                own = sorted((key[1], document.etag) for key, document in documents.items() if key[0] == kind)
                assert [(each.id, each.etag) for each in self.runner.run(handle.query(kind))] == own
            checked = self.runner.run(audit.verify_trail(handle))
            assert (checked.ok, checked.lines) == (True, len(lines))

    def _document(self, who: int, kind: str, id: str, group: str) -> Document:
        return Document(kind=kind, id=id, group=group, body={"of": self.handles[who].tenant, "n": next(_NUMBERS)})

    def _etag(self, who: int, kind: str, id: str, match: str | None) -> str | None:
        """The etag meant; a neighbour's is one that this tenant's document never has."""
        if match not in ("own", "neighbour's"):
            return match
        held = self.documents[who if match == "own" else (who + 1) % 3].get((kind, id))
        return held.etag if held else "no such etag"

    def _holds(self, who: int, kind: str, id: str, if_match: str | None) -> bool:
        held = self.documents[who].get((kind, id))
        return if_match is None or if_match == (held.etag if held else "")

    def _state(self, who: int, kind: str, id: str, if_match: str | None) -> str:
        """What a conflict says of this tenant's own document; whether another has one of that name shows in nothing."""
        if (kind, id) not in self.documents[who]:
            return "does not exist"
        return "has changed" if if_match else "exists"

    def _conflicts(self, asked: object, words: str = "") -> None:
        try:
            self.runner.run(asked)  # type: ignore[arg-type]
        except Conflict as error:
            assert words in str(error), f"a conflict told of another's document: {error}"
            return
        raise AssertionError("a write went through that should have conflicted")
