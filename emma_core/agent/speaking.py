"""Lets a model speak within its limits, and holds what it said against the rules before a word leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from emma_core.nouns import Answer, Blueprint, Citation, Finding, Message, Piece, Prompt, ToolCall, Usage
from emma_core.ports import Guard, Model

REMOVED = "[removed]"
_CITED = re.compile(r"\[([0-9]{1,3})\]")


@dataclass(frozen=True)
class Spoken:
    """What came of letting the model speak: an answer that may leave, or why there is none."""

    answer: Answer | None = None
    stopped: str | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class _Draft:
    text: str
    data: Any = None
    calls: tuple[ToolCall, ...] = ()
    abstained: bool = False


async def speak(model: Model, prompt: Prompt, blueprint: Blueprint, guard: Guard) -> Spoken:
    """The guarded answer, or the reason it was stopped; the model is told a flaw once and may mend it.

    Raises `ModelError` where the model does not answer.
    """
    used = Usage()
    told = False
    for _ in range(blueprint.limits.model_calls):
        draft, spent = await _draft(model, prompt)
        used = Usage(
            input_tokens=used.input_tokens + spent.input_tokens, output_tokens=used.output_tokens + spent.output_tokens
        )
        tokens = used.input_tokens + used.output_tokens
        if tokens > blueprint.limits.tokens:
            return Spoken(stopped=f"limits.tokens: {tokens} tokens were used; {blueprint.limits.tokens} is the most")
        if blueprint.limits.usd is not None and tokens * (model.usd_per_token or 0.0) > blueprint.limits.usd:
            return Spoken(stopped=f"limits.usd: more than {blueprint.limits.usd} USD was spent")
        if draft.calls:
            prompt = _refuse_calls(prompt, draft)
            continue
        draft, flaw = _shaped(draft, prompt)
        flaw = flaw or _citation_flaw(draft, prompt, blueprint)
        if not flaw:
            return _released(draft, prompt, model, guard, used, strict=blueprint.rules.on_warning == "block")
        if told:
            return Spoken(stopped=f"answer: {flaw}")
        told = True
        prompt = _again(prompt, [Message(role="assistant", text=draft.text), Message(role="user", text=flaw)])
    return Spoken(stopped=f"limits.model_calls: {blueprint.limits.model_calls} calls did not come to an answer")


async def _draft(model: Model, prompt: Prompt) -> tuple[_Draft, Usage]:
    pieces: list[Piece] = [piece async for piece in model.reply(prompt)]
    draft = _Draft(
        text="".join(piece.text for piece in pieces),
        data=next((piece.data for piece in pieces if piece.data is not None), None),
        calls=tuple(piece.tool_call for piece in pieces if piece.tool_call),
        abstained=any(piece.abstained for piece in pieces),
    )
    return draft, next((piece.usage for piece in reversed(pieces) if piece.usage), Usage())


def _refuse_calls(prompt: Prompt, draft: _Draft) -> Prompt:
    """The model asked for tools that its blueprint does not have: it is told so, call by call."""
    said = [Message(role="assistant", text=draft.text, tool_calls=draft.calls)]
    said += [
        Message(role="tool", text=f"There is no tool {call.name!r}; answer without it.", tool_call_id=call.id)
        for call in draft.calls
    ]
    return _again(prompt, said)


def _again(prompt: Prompt, said: Sequence[Message]) -> Prompt:
    return prompt.model_copy(update={"messages": (*prompt.messages, *said)})


def _shaped(draft: _Draft, prompt: Prompt) -> tuple[_Draft, str]:
    """The draft with its structured answer, or what is wrong with that."""
    if prompt.answer_schema is None:
        return draft, "" if draft.text.strip() else "The answer is empty; write one."
    import jsonschema

    try:
        data = draft.data if draft.data is not None else json.loads(draft.text)
        jsonschema.validate(data, prompt.answer_schema)
    except (json.JSONDecodeError, jsonschema.ValidationError) as error:
        return draft, f"The answer does not fit its JSON Schema: {getattr(error, 'message', error)}"
    return replace(draft, data=data, text=json.dumps(data, ensure_ascii=False)), ""


def _citation_flaw(draft: _Draft, prompt: Prompt, blueprint: Blueprint) -> str:
    known = {ground.cite.n for ground in prompt.briefing.grounds}
    cited = {int(n) for n in _CITED.findall(draft.text)}
    if strays := sorted(cited - known):
        return f"The answer cites [{strays[0]}], which is no source; the sources are {sorted(known)}."
    required = blueprint.retrieval.cite == "required" and known and not draft.abstained and draft.data is None
    return f"The answer cites no source; cite by number, such as [{min(known)}]." if required and not cited else ""


def _released(draft: _Draft, prompt: Prompt, model: Model, guard: Guard, used: Usage, *, strict: bool) -> Spoken:
    """The answer past its rules: what they point at is masked, and what masking does not mend is stopped."""
    findings = guard("answer", {"text": draft.text})
    masked = _mask(draft.text, findings)
    left = guard("answer", {"text": masked}) if masked != draft.text else findings
    if stopper := next((finding for finding in left if _stops(finding, strict)), None):
        return Spoken(stopped=f"answer: {stopper.rule}: {stopper.message}", findings=findings)
    data = draft.data
    if data is not None and masked != draft.text:
        try:
            data = json.loads(masked)
        except json.JSONDecodeError:
            return Spoken(stopped="answer: it could not be masked and stay JSON", findings=findings)
    cited = {int(n) for n in _CITED.findall(masked)}
    citations: tuple[Citation, ...] = tuple(ground.cite for ground in prompt.briefing.grounds if ground.cite.n in cited)
    answer = Answer(
        text=masked,
        data=data,
        citations=citations,
        findings=findings,
        mended=masked != draft.text,
        model=model.name,
        abstained=draft.abstained,
        usage=used,
    )
    return Spoken(answer=answer, findings=findings)


def _stops(finding: Finding, strict: bool) -> bool:
    """Undetermined stops too: an answer leaves only past the rules that guard it. Strict: warnings count as errors."""
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
