"""Lets a model speak within its limits, and holds what it said against the rules before a word leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from emma_core import shapes
from emma_core.agent import releasing
from emma_core.agent.keeping import Draft, Kept
from emma_core.nouns import Answer, Blueprint, Finding, Message, Piece, Prompt, Usage
from emma_core.ports import Guard, Model

_CITED = re.compile(r"\[ *([0-9]{1,18}) *\]")


@dataclass(frozen=True)
class Spoken:
    """What came of letting the model speak: an answer that may leave, or why there is none."""

    answer: Answer | None = None
    stopped: str | None = None
    findings: tuple[Finding, ...] = ()
    called: bool = False
    """True where the model asked for a tool on its way."""


async def speak(model: Model, prompt: Prompt, blueprint: Blueprint, guard: Guard, kept: Kept | None = None) -> Spoken:
    """The guarded answer, or the reason it was stopped; the model is told a flaw once and may mend it.

    `kept`: where words that were said to the same prompt are found; they are held against the same rules, and where
    they do not pass the model is asked. Raises `ModelError` where the model does not answer.
    """
    if kept is not None and (draft := await kept.find(prompt)) is not None:
        again = _again_said(draft, prompt, blueprint, model, guard)
        if again.answer is not None:
            return again
    spoken = await _converse(model, prompt, blueprint, guard)
    if kept is not None and spoken.answer is not None and not spoken.called:
        await kept.keep(prompt, spoken.answer)
    return spoken


async def _converse(model: Model, prompt: Prompt, blueprint: Blueprint, guard: Guard) -> Spoken:
    used = Usage()
    tokens = 0
    told = called = False
    for _ in range(blueprint.limits.model_calls):
        draft, spent = await _draft(model, prompt)
        used = Usage(
            input_tokens=used.input_tokens + spent.input_tokens, output_tokens=used.output_tokens + spent.output_tokens
        )
        tokens += spent.input_tokens + spent.output_tokens or _estimated(prompt, draft)
        if tokens > blueprint.limits.tokens:
            return Spoken(stopped=f"limits.tokens: {tokens} tokens were used; {blueprint.limits.tokens} is the most")
        if blueprint.limits.usd is not None and tokens * (model.usd_per_token or 0.0) > blueprint.limits.usd:
            return Spoken(stopped=f"limits.usd: more than {blueprint.limits.usd} USD was spent")
        if draft.calls:
            called = True
            prompt = _refuse_calls(prompt, draft)
            continue
        draft, flaw = _shaped(draft, prompt)
        flaw = flaw or _citation_flaw(draft, prompt, blueprint)
        if not flaw:
            spoken = _released(draft, prompt, model, guard, used, strict=blueprint.rules.on_warning == "block")
            return replace(spoken, called=called)
        if told:
            return Spoken(stopped=f"answer: {flaw}")
        told = True
        prompt = _again(prompt, [Message(role="assistant", text=draft.text), Message(role="user", text=flaw)])
    return Spoken(stopped=f"limits.model_calls: {blueprint.limits.model_calls} calls did not come to an answer")


def _again_said(draft: Draft, prompt: Prompt, blueprint: Blueprint, model: Model, guard: Guard) -> Spoken:
    """Words that were said before, past the rules as they are now; nothing was spent on them."""
    draft, flaw = _shaped(draft, prompt)
    if flaw or _citation_flaw(draft, prompt, blueprint):
        return Spoken()
    spoken = _released(draft, prompt, model, guard, Usage(), strict=blueprint.rules.on_warning == "block")
    if spoken.answer is None:
        return spoken
    mended = spoken.answer.mended or draft.mended
    return replace(spoken, answer=spoken.answer.model_copy(update={"cached": True, "mended": mended}))


async def _draft(model: Model, prompt: Prompt) -> tuple[Draft, Usage]:
    pieces: list[Piece] = [piece async for piece in model.reply(prompt)]
    draft = Draft(
        text="".join(piece.text for piece in pieces),
        data=next((piece.data for piece in pieces if piece.data is not None), None),
        calls=tuple(piece.tool_call for piece in pieces if piece.tool_call),
        abstained=any(piece.abstained for piece in pieces),
    )
    return draft, next((piece.usage for piece in reversed(pieces) if piece.usage), Usage())


def _estimated(prompt: Prompt, draft: Draft) -> int:
    """About how many tokens a call took where the model does not say: four characters each."""
    said = [prompt.system, *(message.text for message in prompt.messages), draft.text, str(draft.data or "")]
    return sum(map(len, said)) // 4


def _refuse_calls(prompt: Prompt, draft: Draft) -> Prompt:
    """The model asked for tools that its blueprint does not have: it is told so, call by call."""
    said = [Message(role="assistant", text=draft.text, tool_calls=draft.calls)]
    said += [
        Message(role="tool", text=f"There is no tool {call.name!r}; answer without it.", tool_call_id=call.id)
        for call in draft.calls
    ]
    return _again(prompt, said)


def _again(prompt: Prompt, said: Sequence[Message]) -> Prompt:
    return prompt.model_copy(update={"messages": (*prompt.messages, *said)})


def _shaped(draft: Draft, prompt: Prompt) -> tuple[Draft, str]:
    """The draft with its structured answer, or what is wrong with that; data that nobody asked for is dropped."""
    if prompt.answer_schema is None:
        return replace(draft, data=None), "" if draft.text.strip() else "The answer is empty; write one."
    data, flaw = (draft.data, "") if draft.data is not None else shapes.read(draft.text)
    flaw = flaw or shapes.flaw(data, prompt.answer_schema)
    return (draft, flaw) if flaw else (replace(draft, data=data, text=json.dumps(data, ensure_ascii=False)), "")


def _citation_flaw(draft: Draft, prompt: Prompt, blueprint: Blueprint) -> str:
    known = {ground.cite.n for ground in prompt.briefing.grounds}
    cited = {int(n) for n in _CITED.findall(draft.text)}
    if strays := sorted(cited - known):
        return f"The answer cites [{strays[0]}], which is no source; the sources are {sorted(known)}."
    required = blueprint.retrieval.cite == "required" and known and not draft.abstained and draft.data is None
    return f"The answer cites no source; cite by number, such as [{min(known)}]." if required and not cited else ""


def _released(draft: Draft, prompt: Prompt, model: Model, guard: Guard, used: Usage, *, strict: bool) -> Spoken:
    """The answer past its rules, or the rule that stopped it."""
    data: JsonValue = None
    try:
        if prompt.answer_schema is None:
            text, findings = releasing.release(draft.text, guard, strict=strict)
        else:
            data, findings = releasing.release_data(draft.data, prompt.answer_schema, guard, strict=strict)
            text = json.dumps(data, ensure_ascii=False)
    except releasing.Stopped as stop:
        return Spoken(stopped=f"answer: {stop}", findings=stop.findings)
    cited = {int(n) for n in _CITED.findall(text)}
    answer = Answer(
        text=text,
        data=data,
        citations=tuple(ground.cite for ground in prompt.briefing.grounds if ground.cite.n in cited),
        findings=findings,
        mended=text != draft.text,
        model=model.name,
        abstained=draft.abstained,
        usage=used,
    )
    return Spoken(answer=answer, findings=findings)
