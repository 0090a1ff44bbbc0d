"""What an agent is told before it speaks, and the pieces of what it says."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from emma_core.nouns.turn import Citation, Finding, Need, Override, Usage
from emma_core.nouns.values import Noun, VerdictWord


class Ground(Noun):
    """Something an answer may rest on and cite by its number: a rule or a passage, with its words."""

    cite: Citation
    text: str


class Briefing(Noun):
    """Everything that is settled before a word is spoken."""

    words: str
    """What was asked."""
    verdict: VerdictWord
    findings: tuple[Finding, ...]
    needs: tuple[Need, ...] = ()
    grounds: tuple[Ground, ...] = ()
    """In the order of their numbers: rules with findings first, then passages."""
    overrides: tuple[Override, ...] = ()
    """What may be lifted, and by whom."""


class ToolCall(Noun):
    """A model's wish to call a tool."""

    id: str
    name: str
    arguments: dict[str, JsonValue] = {}


class Message(Noun):
    """One line of the talk so far."""

    role: Literal["user", "assistant", "tool"]
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class Prompt(Noun):
    """What a model is asked: the same for every model."""

    system: str
    messages: Annotated[tuple[Message, ...], Field(min_length=1)]
    briefing: Briefing
    answer_schema: dict[str, JsonValue] | None = None


class Piece(Noun):
    """A piece of a model's reply, as it comes."""

    text: str = ""
    tool_call: ToolCall | None = None
    data: JsonValue = None
    """A structured answer, where one was asked for."""
    usage: Usage | None = None
    abstained: bool = False
    """True where a responder has nothing to say from what it was given."""
