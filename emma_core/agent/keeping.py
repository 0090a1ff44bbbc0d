"""Keeps what a model said to a prompt for a while, for whoever of the same tenant is asked the very same again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from pydantic import JsonValue

from emma_core import canonical
from emma_core.nouns import Answer, Prompt, ToolCall
from emma_core.ports import Model, TenantCache


@dataclass(frozen=True)
class Draft:
    """What a model wants to say, before it is held against anything."""

    text: str
    data: JsonValue = None
    calls: tuple[ToolCall, ...] = field(default=())
    abstained: bool = False
    mended: bool = False
    """True for words that were masked when they were released first."""


class Kept:
    """One tenant's answers to the prompts of one blueprint as it is now; losable, and never believed unread.

    `house`: whose tenant it is, where several installations share a cache.
    """

    def __init__(self, cache: TenantCache, *, house: str, blueprint_hash: str, model: Model, seconds: float) -> None:
        self._cache = cache
        self._house = house
        self._blueprint_hash = blueprint_hash
        self._model = model
        self._seconds = seconds

    async def find(self, prompt: Prompt) -> Draft | None:
        """What was said to the same prompt, or None."""
        key = self._key(prompt)
        found = await self._cache.get(key) if key else None
        try:
            said = json.loads(found) if found else {}
            if not isinstance(said, dict) or (said.pop("key", ""), said.pop("tenant", "")) != (key, self._cache.tenant):
                return None  # whatever a shared cache gives out is held against what was asked for
            draft = Draft(**said)
        except (ValueError, TypeError):
            return None
        sound = isinstance(draft.text, str) and not draft.calls
        return draft if sound and isinstance(draft.abstained, bool) and isinstance(draft.mended, bool) else None

    async def keep(self, prompt: Prompt, answer: Answer) -> None:
        """The words, as they were released, may be given again: nothing that may not leave lies in a cache."""
        if key := self._key(prompt):
            said = {"key": key, "tenant": self._cache.tenant, "text": answer.text, "data": answer.data}
            said |= {"abstained": answer.abstained, "mended": answer.mended}
            await self._cache.put(key, canonical.text(said).encode(), seconds=self._seconds)

    def _key(self, prompt: Prompt) -> str:
        """All that the words may hang on; empty where they are not to be kept.

        An override's id names its conversation, and a language model is not told it; the responder that is told it
        costs nothing, and is asked each time.
        """
        used_tools = any(message.tool_calls or message.role == "tool" for message in prompt.messages)
        if used_tools or self._model.usd_per_token == 0:
            return ""
        told = [message.plain() for message in prompt.messages]
        settled = [finding.model_copy(update={"override": None}).plain() for finding in prompt.briefing.findings]
        what = [self._house, self._blueprint_hash, self._model.name, prompt.system, told, prompt.answer_schema, settled]
        return f"answer:{canonical.sha256(what)}"
