"""Writes on a tenant's trail: a turn, judged before a word is spoken, then its one end; and a check, at its end."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from emma_core.audit.sealing import sealing
from emma_core.errors import Conflict, StoreError
from emma_core.nouns import Answer, Document, Finding, Report, Sealed, TrailKind, Turn
from emma_core.ports import Seal, TenantStore

OPEN = "open_turn"
"""The kind of the document that stands while a judged turn has no end; whoever ends the turn deletes it, once."""
GRACE = timedelta(seconds=30)
"""How long past its own limit a turn is left alone before another process ends it."""
_LOG = logging.getLogger("emma")


class TurnRecord:
    """One turn's place on the trail; it is judged once and ends once, whoever ends it."""

    def __init__(
        self,
        store: TenantStore,
        *,
        turn: str,
        caller: str,
        conversation: str,
        subject: str,
        clock: Callable[[], datetime],
        judged: bool = False,
    ) -> None:
        self.store = store
        self.clock = clock
        self._turn, self._caller, self._conversation, self._subject = turn, caller, conversation, subject
        self._open = judged

    async def judge(self, turn: Turn, puts: Sequence[Document], *, model: str, seconds: int) -> Sealed:
        """The verdict is on paper, together with `puts`, none of which may exist yet. Raises `Conflict` otherwise."""
        outcome = {
            "verdict": turn.verdict,
            "blueprint": turn.blueprint,
            "blueprint_hash": turn.blueprint_hash,
            "packs": [stamp.plain() for stamp in turn.packs],
            "as_of": turn.ask.as_of.isoformat(),
            "model": model,
            "findings": [_outcome(finding) for finding in turn.findings],
        }
        payload = turn.plain()
        kept = ("ask", "facts", "retrieved", "left_out", "passages", "findings", "needs", "overrides")
        deadline = self.clock() + timedelta(seconds=seconds) + GRACE
        standing = Document(
            kind=OPEN,
            id=self._turn,
            body={"deadline": deadline.isoformat(), "caller": self._caller},
            group=self._conversation,
            subject=self._subject,
        )
        seal = self._seal("judged", outcome, {name: payload[name] for name in kept})
        return await _surely(self._judged(seal, [(standing, ""), *((document, "") for document in puts)]))

    async def answer(self, answer: Answer) -> Sealed:
        """The answer is on paper. Raises `StoreError` where another process has ended the turn meanwhile."""
        outcome: dict[str, Any] = {
            "model": answer.model,
            "mended": answer.mended,
            "abstained": answer.abstained,
            "findings": [_outcome(finding) for finding in answer.findings],
        }
        if answer.cached:  # absent otherwise, so that the line of words newly said is what it always was
            outcome["cached"] = True
        return await _surely(self._end("answered", outcome, {"answer": answer.plain()}))

    async def stop(self, reason: str, findings: Sequence[Finding] = ()) -> Sealed | None:
        """The turn's end is on paper, unless it was never judged or has ended already.

        The line holds what kind of reason it was (up to its first colon); the whole of it lies in the payload.
        """
        if not self._open:
            return None
        outcome = {"reason": reason.partition(":")[0], "findings": [_outcome(finding) for finding in findings]}
        payload = {"reason": reason, "findings": [finding.plain() for finding in findings]}
        return await _surely(self._end("stopped", outcome, payload))

    async def _judged(self, seal: Seal, puts: Sequence[tuple[Document, str | None]]) -> Sealed:
        sealed = await self.store.append(seal, puts=puts)
        self._open = True
        return sealed

    async def _end(self, kind: TrailKind, outcome: dict[str, Any], payload: dict[str, Any]) -> Sealed:
        try:
            sealed = await self.store.append(self._seal(kind, outcome, payload), deletes=[(OPEN, self._turn)])
        except Conflict as error:
            raise StoreError(
                f"Turn {self._turn!r} was ended by another process; `emma audit show` tells how"
            ) from error
        self._open = False
        return sealed

    def _seal(self, kind: TrailKind, outcome: dict[str, Any], payload: dict[str, Any]) -> Seal:
        return sealing(
            tenant=self.store.tenant,
            kind=kind,
            caller=self._caller,
            outcome=outcome,
            payload=payload,
            subject=self._subject,
            turn=self._turn,
            conversation=self._conversation,
            now=self.clock(),
            salt=secrets.token_bytes(32),
        )


async def _surely(work: Coroutine[Any, Any, Sealed]) -> Sealed:
    """What the work came to; it is done before a cancellation goes on, so that whoever ends the turn knows of it."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:  # the task holds it, and result() raises it
            break
    if cancelled is not None:
        raise cancelled
    return task.result()


async def recover(store: TenantStore, clock: Callable[[], datetime], *, early: bool = False) -> int:
    """How many turns without an end, whose time was over, were ended as stopped; with `early` those too whose time was
    not: after a restore no process is left that could end them."""
    ended = 0
    for left in await store.query(OPEN, limit=10_000):
        if not early and datetime.fromisoformat(str(left.body.get("deadline", ""))) >= clock():
            continue
        judged = next((line for line in await store.lines(turn=left.id) if line.kind == "judged"), None)
        if judged is None or judged.payload is None:
            await store.delete(OPEN, left.id)
            continue
        record = TurnRecord(
            store,
            turn=left.id,
            caller=json.loads(judged.line)["caller"],
            conversation=judged.conversation or "",
            subject=judged.payload.subject,
            clock=clock,
            judged=True,
        )
        try:
            await record.stop("recovered: its process ended before it did")
            ended += 1
        except StoreError as error:  # another process was faster at the same recovery
            _LOG.info("%s", error)
    return ended


async def record_check(
    store: TenantStore,
    report: Report,
    puts: Sequence[Document] = (),
    *,
    hashes: Mapping[str, str],
    clock: Callable[[], datetime],
) -> Sealed:
    """The check is on paper: hashes of the file and the rules, what came of it, the root over its findings, and the
    roots over what it suggests to lift; together with `puts`.

    `hashes`: by rule set with its edition, the hash of its rules. The file's name lies in the payload.
    """
    seal = sealing(
        tenant=store.tenant,
        kind="checked",
        caller=report.caller,
        outcome=_checked(report, hashes),
        payload={
            "file": report.file,
            "checked_at": report.checked_at.isoformat(),
            "overrides": [each.plain() for each in report.overrides],
        },
        subject=report.id,
        conversation=report.id,
        now=clock(),
        salt=secrets.token_bytes(32),
    )
    return await store.append(seal, puts=[(document, None) for document in puts])


def _checked(report: Report, hashes: Mapping[str, str]) -> dict[str, Any]:
    """What the sealed line says of a check."""
    outcome: dict[str, Any] = {
        "check": report.id,
        "verdict": report.verdict,
        "partial": report.partial,
        "file_hash": report.file_hash,
        "records": report.records,
        "rulesets": [{"ruleset": name, "hash": hashes[name]} for name in report.rulesets],
        "packs": [stamp.plain() for stamp in report.packs],
        "as_of": report.as_of.isoformat(),
        "engine": report.engine,
        "found": report.found,
        "root": report.root,
        "counts": [
            {
                "rule": each.rule,
                "failed": each.failed,
                "undetermined": each.undetermined,
                "broken": each.broken,
                **({"lifted": each.lifted} if each.liftable else {}),
            }
            for each in report.counts
        ],
    }
    if report.overrides:
        names = ("rule", "rule_hash", "template", "count", "root")
        outcome["overrides"] = [{name: getattr(each, name) for name in names} for each in report.overrides]
    return outcome


def _outcome(finding: Finding) -> dict[str, Any]:
    """What a sealed line says of a finding: no value, no word of a person."""
    said: dict[str, Any] = {"rule": finding.rule, "rule_hash": finding.rule_hash, "outcome": finding.outcome}
    return {**said, "override": finding.override.state} if finding.override else said
