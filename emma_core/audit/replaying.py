"""Compares a turn as it was judged with the same turn judged again: what comes out otherwise, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import JsonValue

from emma_core import canonical, rules
from emma_core.audit.reading import read
from emma_core.errors import TrailError
from emma_core.nouns import Ask, Finding, LeftOut, Noun, PackStamp, TrailLine

_SAME_RULE = ("outcome", "severity", "values", "missing", "basis", "as_of")
"""What two findings of the very same rule must share; of another rule its outcome and severity."""


class Difference(Noun):
    """One finding that comes out otherwise."""

    rule: str
    title: str = ""
    was: str | None = None
    """Its outcome as sealed, with how its override stood; None where there was no finding."""
    now: str | None = None
    said_then: str | None = None
    """What the finding said, in words."""
    said_now: str | None = None
    hash_then: str | None = None
    """The rule's."""
    hash_now: str | None = None
    predicate_then: str | None = None
    """The rule as it stood then, where it is known."""
    predicate: str | None = None
    """The rule as it stands now."""
    values: dict[str, JsonValue] = {}
    """What is compared now, else what was then."""
    why: tuple[str, ...]


class Replayed(Noun):
    """A recorded turn, judged again."""

    turn: str
    seq: int
    """Of its `judged` line."""
    at: str
    conversation: str | None = None
    blueprint: str = ""
    result: Literal["same", "differs", "unknown"]
    """`unknown`: it cannot be judged again here, and `reason` says why."""
    exact: bool = False
    """True where the blueprint, its packs and every rule are to the hash what they were."""
    verdict: str | None = None
    """As sealed."""
    verdict_now: str | None = None
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    """What is not as it was then, whether it changed a finding or not."""
    reason: str | None = None


@dataclass(frozen=True)
class Judgement:
    """A turn as its `judged` line and what lies beside it say it."""

    line: TrailLine
    verdict: str
    blueprint: str
    hash: str
    packs: tuple[PackStamp, ...]
    ask: Ask
    facts: tuple[dict[str, Any], ...]
    findings: Mapping[str, dict[str, Any]]
    """By rule, in full."""
    shown: Mapping[str, bool]
    """By rule that was held against the facts, whether it was mandatory."""
    left_out: Mapping[str, str]
    """By rule that was not, why."""


@dataclass(frozen=True)
class Again:
    """What comes of the recorded facts now."""

    hash: str
    packs: tuple[PackStamp, ...]
    findings: tuple[Finding, ...]
    verdict: str
    rules: Mapping[str, rules.CompiledRule]
    """Those that the blueprint uses."""
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def judgement(line: TrailLine) -> Judgement:
    """What a `judged` line says. Raises `TrailError` where its payload is gone or says no turn."""
    event = read(line)
    if line.payload is None:
        raise TrailError(f"Line {line.seq} has no payload beside it: the words and facts of the turn are gone")
    try:
        body, said = json.loads(line.payload.body), event.outcome
        return Judgement(
            line=line,
            verdict=str(said["verdict"]),
            blueprint=str(said["blueprint"]),
            hash=str(said["blueprint_hash"]),
            packs=tuple(PackStamp.model_validate(each) for each in _list(said["packs"])),
            ask=Ask.model_validate_json(canonical.text(body["ask"])),
            facts=tuple(body["facts"]),
            findings={each["rule"]: each for each in body["findings"]},
            shown={each["rule"]: each["mandatory"] for each in body["retrieved"]},
            left_out={each["rule"]: each["why"] for each in body["left_out"]},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise TrailError(f"Line {line.seq} says no turn that can be judged again; run: emma audit verify") from error


def compare(then: Judgement, now: Again) -> Replayed:
    """The turn with every finding that comes out otherwise, and why."""
    found = {each.rule: each for each in now.findings}
    names = dict.fromkeys((*then.findings, *found))
    differences = tuple(filter(None, (_difference(name, then, now, found.get(name)) for name in names)))
    same = not differences and then.verdict == now.verdict
    return Replayed(
        **_place(then.line),
        blueprint=then.blueprint,
        result="same" if same else "differs",
        exact=now.hash == then.hash,
        verdict=then.verdict,
        verdict_now=now.verdict,
        differences=differences,
        notes=(*_pack_notes(then, now), *now.notes),
    )


def unknown(line: TrailLine, reason: str) -> Replayed:
    """The turn that cannot be judged again, and why; of its line only what the trail's index says."""
    return Replayed(**_place(line), result="unknown", reason=reason)


def _place(line: TrailLine) -> dict[str, Any]:
    return {"turn": line.turn or "", "seq": line.seq, "at": line.at, "conversation": line.conversation}


def _list(said: JsonValue) -> list[JsonValue]:
    if not isinstance(said, list):
        raise TypeError("not a list")
    return said


def _difference(name: str, then: Judgement, now: Again, found: Finding | None) -> Difference | None:
    was, rule = then.findings.get(name), now.rules.get(name)
    fresh: dict[str, Any] | None = json.loads(canonical.text(found.plain())) if found else None
    why = tuple(_why(name, was, fresh, then, now))
    if not why:
        return None
    return Difference(
        rule=name,
        title=rule.rule.title if rule else "",
        was=_outcome(was),
        now=_outcome(fresh),
        said_then=was["message"] if was else None,
        said_now=fresh["message"] if fresh else None,
        hash_then=was["rule_hash"] if was else None,
        hash_now=rule.hash if rule else None,
        predicate=predicate(rule) if rule else None,
        values=(fresh or was or {}).get("values", {}),
        why=why,
    )


def predicate(rule: rules.CompiledRule) -> str:
    """The rule's condition in its author's words."""
    said = rule.rule.require or f"unique ({', '.join(rule.rule.unique or ())})"
    return f"{said}, when {rule.rule.when}" if rule.rule.when else said


def _why(
    name: str, was: Mapping[str, Any] | None, fresh: Mapping[str, Any] | None, then: Judgement, now: Again
) -> Iterator[str]:
    """Every reason why the finding is another one; none where it is the same."""
    if was is None and fresh is not None:
        yield from _why_new(name, then)
    elif fresh is None and was is not None:
        yield from _why_gone(name, was, now)
    elif was is not None and fresh is not None:
        mandatory = then.shown.get(name), now.rules[name].rule.mandatory
        weighs = fresh["outcome"] != "passed" and mandatory[0] is not None and mandatory[0] != mandatory[1]
        if weighs:
            yield f"it {'is mandatory, and was' if mandatory[1] else 'was mandatory, and is'} advisory"
        if was["rule_hash"] != fresh["rule_hash"]:
            if weighs or _differ(was, fresh, ("outcome", "severity")) or _state(was) != _state(fresh):
                yield from _why_other(was, fresh)
        elif _differ(was, fresh, _SAME_RULE) or _state(was) != _state(fresh):
            yield _why_same(was, fresh, then, now)


def _differ(was: Mapping[str, Any], fresh: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    return any(was.get(name) != fresh.get(name) for name in names)


def _why_new(name: str, then: Judgement) -> Iterator[str]:
    if name in then.shown:
        yield "it was held then too, and its guard did not hold for these facts"
    elif name in then.left_out:
        yield f"it was left out then: {then.left_out[name]}"
    else:
        yield "the rule is new"


def _why_gone(name: str, was: Mapping[str, Any], now: Again) -> Iterator[str]:
    rule = now.rules.get(name)
    if rule is None:
        yield f"no rule of this id is in use here now; hash {was['rule_hash'][:12]} is not installed"
    elif left := next((each.why for each in now.left_out if each.rule == name), None):
        yield left
    elif "ask" not in rule.rule.applies_to:
        yield f"it applies to {', '.join(rule.rule.applies_to)} now, and to no ask"
    else:
        yield f"its guard does not hold for these facts now: {rule.rule.when}"
        if rule.hash != was["rule_hash"]:
            yield _other(was["rule_hash"], rule.hash)


def _why_other(was: Mapping[str, Any], fresh: Mapping[str, Any]) -> Iterator[str]:
    yield _other(was["rule_hash"], fresh["rule_hash"])
    if was["edition"] != fresh["edition"]:
        yield f"edition {was['edition']} was read then, and {fresh['edition']} is now"
    if _differ(was, fresh, ("severity",)):
        yield f"its severity was {was['severity']}, and is {fresh['severity']}"
    if _state(was) == "granted":
        yield "the grant is bound to the rule as it stood then, and does not carry over"


def _why_same(was: Mapping[str, Any], fresh: Mapping[str, Any], then: Judgement, now: Again) -> str:
    if _differ(was, fresh, ("as_of",)):
        return f"it was read as of {was['as_of']}, and is as of {fresh['as_of']}"
    if then.packs != now.packs:
        return "the rule is the same, and its pack is not: a function that it calls or a table that it reads changed"
    return "neither the rule nor its pack changed: what Emma itself does with it did"


def _other(was: str, now: str) -> str:
    return f"the rule is another one: hash {was[:12]} then, which is not in use here, and {now[:12]} now"


def _outcome(finding: Mapping[str, Any] | None) -> str | None:
    if finding is None:
        return None
    state = _state(finding)
    by = finding["override"].get("granted_by") if state in ("granted", "refused") else None
    return f"{finding['outcome']}{f', override {state}' if state else ''}{f' by {by}' if by else ''}"


def _state(finding: Mapping[str, Any]) -> str | None:
    override = finding.get("override")
    return str(override["state"]) if override else None


def _pack_notes(then: Judgement, now: Again) -> Iterator[str]:
    """What packs are not as they were, one sentence each."""
    here = {each.name: each for each in now.packs}
    for was in then.packs:
        stamp = here.pop(was.name, None)
        if stamp is None:
            yield f"pack {was.name!r} was {was.version} ({was.hash[:12]}), and is not in use"
        elif stamp != was:
            said = f"{was.version} ({was.hash[:12]}), and is {stamp.version} ({stamp.hash[:12]})"
            yield f"pack {was.name!r} was {said}; the one it was judged with is not installed"
    for stamp in here.values():
        yield f"pack {stamp.name!r} {stamp.version} was not in use then"
