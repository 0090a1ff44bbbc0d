"""Lets a person decide on what a check suggested: one finding, or all of a rule, in one act and one sealed line."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Literal

from emma_core import audit, canonical, overrides
from emma_core.checks import dockets
from emma_core.checks.dockets import KEPT, Entry
from emma_core.checks.lifting import Act, conversation, decided
from emma_core.errors import CallerError, Conflict, NotFound, TrailError
from emma_core.nouns import Caller, Decision, Docket, Document, Report, Sealed
from emma_core.ports import TenantStore

KIND = "check"
"""The kind of the document that names a check whose findings may be decided; the check itself is on the trail."""
LOCK = "decisions"
"""The kind of the document that lets two people not decide on findings of one rule set at the same moment."""
_SHORTEST = 6


@dataclass(frozen=True)
class Order:
    """What is to be decided: findings of a check, by their rules or by the start of one override's id."""

    decision: Literal["granted", "refused"]
    reasons: Mapping[str, str]
    report: str | None = None
    """The id of a check, or how it starts; None: the newest that suggested it."""
    rules: tuple[str, ...] = ()
    """Patterns of rule ids, or of their last parts."""
    override: str | None = None


@dataclass(frozen=True)
class _Checked:
    """A check as the trail says it."""

    caller: str
    hash: str
    dockets: tuple[Docket, ...]


def document(report: Report) -> Document:
    """What names the check until its findings can be decided no more."""
    expires = report.checked_at + KEPT
    body: dict[str, Any] = {"file": report.file, "at": report.checked_at.isoformat()}
    return Document(kind=KIND, id=report.id, body=body, subject=report.id, expires_at=expires.timestamp())


async def waiting(store: TenantStore, now: datetime) -> list[Docket]:
    """What checks suggested and how much of it was decided since, the newest first; of what several suggested alike,
    the newest only."""
    found: list[Docket] = []
    seen: set[tuple[str, str]] = set()
    acts: dict[str, dict[str, Act]] = {}
    for report in await _reports(store):
        for docket in (await _checked(store, report)).dockets:
            if (docket.rule_hash, docket.root) in seen:
                continue
            seen.add((docket.rule_hash, docket.root))
            if docket.ruleset not in acts:
                acts[docket.ruleset] = await decided(store, (docket.ruleset,), now)
            try:
                held = await dockets.entries(store, docket)
            except NotFound:  # kept no more: it can be decided no more
                continue
            found.append(_as_decided(docket, [act for id, _, _ in held if (act := acts[docket.ruleset].get(id))]))
    return found


def _as_decided(docket: Docket, acts: Sequence[Act]) -> Docket:
    states = [act.state for act in acts]
    said = {
        "granted": states.count("granted"),
        "refused": states.count("refused"),
        "decided_by": tuple(sorted({act.decision.decided_by for act in acts if act.state != "expired"})),
    }
    return docket.model_copy(update=said)


async def decide(store: TenantStore, caller: Caller, order: Order, now: datetime) -> Decision:
    """The act, sealed on one line with the ids it decides. What somebody has decided already is left as it is.

    Raises `NotFound`, `CallerError`, `Forbidden` or `Conflict`; then nothing was written.
    """
    checked, chosen = await _choose(store, order)
    first = next(iter(chosen))
    if strays := [each.rule for each in chosen if (each.ruleset, each.template) != (first.ruleset, first.template)]:
        raise CallerError(f"{first.rule!r} and {strays[0]!r} are lifted by other terms; decide one after the other")
    lock = await store.get(LOCK, first.ruleset)
    acts = await decided(store, (first.ruleset,), now)
    open_ = {docket: [each for each in held if not _settled(acts.get(each[0]))] for docket, held in chosen.items()}
    name = f"Check {first.report!r}"
    if not any(open_.values()):
        act = next(acts[id] for held in chosen.values() for id, _, _ in held)
        raise Conflict(f"{name}: all of it was {act.state} by {act.decision.decided_by!r} already")
    askers = await _askers(store, open_) if first.four_eyes else set()
    terms = overrides.authorise(
        name, first, order.decision, caller=caller, askers=askers, reasons=order.reasons, now=now
    )
    made = Decision(
        report=first.report,
        file=first.file,
        ruleset=first.ruleset,
        template=first.template,
        title=first.title,
        decision=order.decision,
        rules={docket.rule: len(held) for docket, held in open_.items() if held},
        **terms,
    )
    await _seal(store, made, checked, open_, lock, now)
    return made


async def _seal(
    store: TenantStore,
    made: Decision,
    checked: _Checked,
    chosen: Mapping[Docket, Sequence[Entry]],
    lock: Document | None,
    now: datetime,
) -> Sealed:
    held = {docket: each for docket, each in chosen.items() if each}
    seal = audit.sealing(
        tenant=store.tenant,
        kind="decided",
        caller=made.decided_by,
        outcome=_outcome(made, checked, held),
        payload={
            "decision": made.plain(),
            "words": {docket.rule: docket.words for docket in held},
            "findings": {docket.rule: each for docket, each in held.items()},
        },
        subject=made.report,
        conversation=conversation(made.ruleset),
        now=now,
        salt=secrets.token_bytes(32),
    )
    held_by = Document(kind=LOCK, id=made.ruleset, body={"last": made.decided_at})
    try:
        return await store.append(seal, puts=[(held_by, lock.etag if lock else "")])
    except Conflict as error:
        raise Conflict(
            f"Findings under {made.ruleset!r} were decided by somebody else at this moment; see them, and try again"
        ) from error


def _outcome(made: Decision, checked: _Checked, held: Mapping[Docket, Sequence[Entry]]) -> dict[str, Any]:
    """What the sealed line says of an act."""
    return {
        "check": made.report,
        "checked": checked.hash,
        "ruleset": made.ruleset,
        "decision": made.decision,
        "template": made.template,
        "role": made.decided_as,
        "rules": [
            {"rule": docket.rule, "rule_hash": docket.rule_hash, "count": len(each), "root": _root(each)}
            for docket, each in held.items()
        ],
    }


async def _choose(store: TenantStore, order: Order) -> tuple[_Checked, dict[Docket, list[Entry]]]:
    """The check, and by docket the entries that are meant."""
    if not order.rules and order.override is None:
        raise CallerError("Nothing is named to decide; name an override's id, or a check and its rules")
    if order.override is not None and len(order.override) < _SHORTEST:
        raise CallerError(f"No one override is {order.override!r}: name at least {_SHORTEST} characters of its id")
    reports = await _reports(store)
    named = [each for each in reports if order.report is None or each.startswith(order.report)]
    if order.report is not None and len(named) != 1:
        said = "several checks start so" if named else "`emma overrides list` shows those that suggested something"
        raise NotFound(f"No one check is {order.report!r}: {said}")
    for report in named:
        checked = await _checked(store, report)
        fitting = [each for each in checked.dockets if not order.rules or _fits(each.rule, order.rules)]
        chosen = {docket: await dockets.entries(store, docket) for docket in fitting}
        if order.override is not None:
            chosen = _only(chosen, order.override)
        if chosen:
            return checked, chosen
    raise NotFound(await _nothing(store, order, named))


async def _nothing(store: TenantStore, order: Order, reports: Sequence[str]) -> str:
    """Why nothing was found to decide."""
    if order.override is not None:
        return f"No one override is {order.override!r}: 0 overrides start so; `emma overrides list` shows them"
    there = [each.rule for each in (await _checked(store, reports[0])).dockets] if reports else []
    where = f"Check {reports[0]!r}" if reports else "No check"
    return f"{where} suggested no override of {', '.join(order.rules)!r}; there are {there}"


def _only(chosen: Mapping[Docket, list[Entry]], prefix: str) -> dict[Docket, list[Entry]]:
    """The one entry whose id starts so."""
    found = [(docket, each) for docket, held in chosen.items() for each in held if each[0].startswith(prefix)]
    if len({each[0] for _, each in found}) > 1:
        raise CallerError(f"No one override is {prefix!r}: several start so; name more of its id")
    return {docket: [each] for docket, each in found[:1]}


def _fits(rule: str, patterns: Sequence[str]) -> bool:
    last = rule.rpartition(".")[2]
    return any(fnmatchcase(rule, each) or fnmatchcase(last, each.lower()) for each in patterns)


async def _reports(store: TenantStore) -> list[str]:
    """The checks that suggested something, the newest first."""
    found: list[Document] = []
    while page := await store.query(KIND, after=found[-1].id if found else "", limit=500):
        found += page
    found.sort(key=lambda each: str(each.body["at"]), reverse=True)
    return [each.id for each in found]


async def _checked(store: TenantStore, report: str) -> _Checked:
    """The check as it was sealed; its document only says that there is one. Raises `TrailError` for a changed line."""
    lines = [line for line in await store.lines(conversation=report) if line.kind == "checked"]
    for line in audit.as_sealed(lines, tenant=store.tenant):
        said = audit.read(line)
        if said.outcome.get("check") != report:
            continue
        sealed: Any = said.outcome.get("overrides", ())
        roots = [each["root"] for each in sealed]
        # an erased payload leaves nothing that could be decided
        kept = json.loads(line.payload.body).get("overrides", ()) if line.payload else ()
        found = tuple(Docket.model_validate_json(canonical.text(each)) for each in kept)
        return _Checked(said.caller, line.hash, tuple(each for each in found if each.root in roots))
    raise TrailError(f"No check {report!r} is on this trail, though a document names it; run: emma audit verify")


async def _askers(store: TenantStore, chosen: Mapping[Docket, Sequence[Entry]]) -> set[str]:
    """Everybody whose check has suggested one of these."""
    wanted = {docket.rule_hash: {id for id, _, _ in held} for docket, held in chosen.items()}
    askers: set[str] = set()
    for report in await _reports(store):
        checked = await _checked(store, report)
        for docket in checked.dockets:
            held = wanted.get(docket.rule_hash)
            if not held or checked.caller in askers:
                continue
            if docket in chosen or await _asked(store, docket, held):
                askers.add(checked.caller)
    return askers


async def _asked(store: TenantStore, docket: Docket, wanted: set[str]) -> bool:
    """Whether the docket holds one of these; one that is kept no more may have, so it did."""
    try:
        return any(id in wanted for id, _, _ in await dockets.entries(store, docket))
    except NotFound:
        return True


def _settled(act: Act | None) -> bool:
    return act is not None and act.state != "expired"


def _root(held: Sequence[Entry]) -> str:
    tree = audit.MerkleTree()
    for entry in held:
        tree.add(canonical.text(entry).encode())
    return tree.root()
