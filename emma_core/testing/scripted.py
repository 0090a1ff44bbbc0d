"""A real small model that says what its script says, for tests of all that happens around a model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from emma_core.errors import ModelError
from emma_core.hookspecs import hookimpl
from emma_core.nouns import Piece, Prompt, ToolCall, Usage


@dataclass(frozen=True)
class Says:
    """One reply in words, streamed line by line."""

    text: str
    usage: Usage | None = None
    pause: float = 0.0
    """Seconds before the first line."""


@dataclass(frozen=True)
class Calls:
    """One reply that wants a tool called."""

    tool: str
    arguments: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Returns:
    """One reply that is a structured answer."""

    data: JsonValue


@dataclass(frozen=True)
class Fails:
    """One reply that does not come."""

    reason: str


Step = Says | Calls | Returns | Fails


class ScriptedModel:
    """Replies with its steps, one a reply, and keeps every prompt it was asked."""

    usd_per_token: float | None = 0.0

    def __init__(self, *steps: Step, name: str = "scripted:", again: bool = False) -> None:
        self.name = name
        self.prompts: list[Prompt] = []
        self._steps = steps
        self._again = again
        """True: after the last step the script starts over."""

    async def reply(self, prompt: Prompt) -> AsyncIterator[Piece]:
        """The next step as a model would stream it. Raises `ModelError` where it fails, or the script is over."""
        turn = len(self.prompts)
        self.prompts.append(prompt)
        if turn >= len(self._steps) and not self._again:
            raise ModelError(f"Model {self.name!r}: its {len(self._steps)} replies are over; write another step")
        step = self._steps[turn % len(self._steps)]
        if isinstance(step, Fails):
            raise ModelError(f"Model {self.name!r}: {step.reason}")
        if isinstance(step, Calls):
            yield Piece(tool_call=ToolCall(id=f"call-{turn}", name=step.tool, arguments=step.arguments))
        elif isinstance(step, Returns):
            yield Piece(data=step.data)
        else:
            await asyncio.sleep(step.pause)
            for line in step.text.splitlines(keepends=True):
                yield Piece(text=line)
            yield Piece(usage=step.usage or Usage())


class ScriptedPack:
    """A pack that answers the model address `scripted:` with one model; give it to `Emma.open(plugins=…)`."""

    def __init__(self, model: ScriptedModel) -> None:
        self._model = model

    @hookimpl
    def register_backends(self) -> Mapping[str, Mapping[str, Callable[..., Any]]]:
        """The scripted model by its scheme."""
        return {"model": {"scripted": lambda address: self._model}}
