"""Holds what was said against the rules on answers: masks what they point at, and stops what that does not mend."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from pydantic import JsonValue

from emma_core import shapes
from emma_core.nouns import Finding
from emma_core.ports import Guard

REMOVED = "[removed]"


class Stopped(Exception):
    """What was said may not leave; the text says by which rule, or why."""

    def __init__(self, why: str, findings: Sequence[Finding]) -> None:
        super().__init__(why)
        self.findings = tuple(findings)


def release(text: str, guard: Guard, *, strict: bool) -> tuple[str, tuple[Finding, ...]]:
    """The words that may leave, and what the rules said of them. Raises `Stopped`.

    Strict: a failed warning that masking does not mend counts as an error.
    """
    findings = guard("answer", {"text": text})
    masked = _mask(text, findings)
    if masked != text:
        left = guard("answer", {"text": masked})
        # what hid inside forbidden words may only now stand together
        joined = guard("answer", {"text": masked.replace(REMOVED, "")})
        if hidden := next((finding for finding in joined if finding.outcome == "failed" and finding.spans), None):
            raise Stopped(f"{hidden.rule}: {hidden.message}", findings)
    else:
        left = findings
    if stopper := next((finding for finding in left if _stops(finding, strict)), None):
        raise Stopped(f"{stopper.rule}: {stopper.message}", findings)
    return masked, findings


def release_data(
    data: JsonValue, schema: dict[str, JsonValue], guard: Guard, *, strict: bool
) -> tuple[JsonValue, tuple[Finding, ...]]:
    """The structured answer that may leave: each of its texts is held against the rules, and then the whole of it.

    Raises `Stopped`, also where masking would change a key or leave the schema.
    """
    findings: list[Finding] = []

    def masked(text: str) -> str:
        kept, said = release(text, guard, strict=strict)
        findings.extend(finding for finding in said if finding.outcome == "failed")
        return kept

    released = _texts(data, masked)
    if _keys_of(released) != _keys_of(data):
        raise Stopped("a key of the structured answer may not leave", findings)
    _, whole = release(json.dumps(released, ensure_ascii=False), guard, strict=strict)
    if misfit := shapes.flaw(released, schema):
        raise Stopped(f"masked, it does not fit: {misfit}", findings)
    return released, (*(finding.model_copy(update={"spans": None}) for finding in findings), *whole)


def _texts(data: JsonValue, change: Callable[[str], str]) -> JsonValue:
    if isinstance(data, str):
        return change(data)
    if isinstance(data, list):
        return [_texts(value, change) for value in data]
    if isinstance(data, dict):
        return {change(key): _texts(value, change) for key, value in data.items()}
    return data


def _keys_of(data: JsonValue) -> list[str]:
    if isinstance(data, list):
        return [key for value in data for key in _keys_of(value)]
    if isinstance(data, dict):
        return [*data, *(key for value in data.values() for key in _keys_of(value))]
    return []


def _stops(finding: Finding, strict: bool) -> bool:
    """Undetermined stops too: an answer leaves only past the rules that guard it."""
    weighs = finding.severity == "error" or (strict and finding.severity == "warning")
    return finding.outcome in ("broken", "undetermined") or (finding.outcome == "failed" and weighs)


def _mask(text: str, findings: Sequence[Finding]) -> str:
    spans = sorted(
        (span.start, span.end)
        for finding in findings
        if finding.outcome == "failed"
        for span in finding.spans or ()
        if span.field == "text"
    )
    masked, at = [], 0
    for start, end in spans:
        if start >= at:
            masked += [text[at:start], REMOVED]
        at = max(at, end)
    return "".join([*masked, text[at:]])
