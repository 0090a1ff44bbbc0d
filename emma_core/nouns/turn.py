"""What a turn is made of: who asks what, the facts, the findings, the answer, and the whole of it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from emma_core.nouns.authored import Source
from emma_core.nouns.trail import Sealed
from emma_core.nouns.values import (
    Basis,
    FactType,
    Noun,
    Outcome,
    Severity,
    Sha256,
    TenantId,
    Value,
    VerdictWord,
)


class Caller(Noun):
    """Who is asking; made once, at the door, from verified claims."""

    tenant: TenantId
    user: Annotated[str, Field(min_length=1, max_length=200)]
    roles: tuple[str, ...] = ()


class Ask(Noun):
    """What came in."""

    blueprint: str
    words: Annotated[str, Field(min_length=1)]
    facts: dict[str, JsonValue] = {}
    """Given facts by bare name (`dti`) or full name (`mortgage.loan.dti`)."""
    conversation: Annotated[str, Field(min_length=1, max_length=200)]
    subject: Annotated[str, Field(min_length=1, max_length=200)]
    """An id of the person whose data this is; the conversation's where none was named."""
    as_of: date
    """The date the rules are read at."""


class Span(Noun):
    """Where in a text something stands, in code points, end exclusive."""

    field: str
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]
    kind: str
    """`extracted` for a fact read in words, `matched` for what a predicate found."""


class Fact(Noun):
    """One typed value about the matter at hand, with its basis."""

    name: str
    """The full name: `mortgage.loan.dti`."""
    value: Value
    basis: Basis
    span: Span | None = None
    """Where the words say it, for an extracted fact."""


class Extracted(Noun):
    """A value that a pack's extractor read in the words, by the fact's bare or full name."""

    fact: str
    value: Value
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]


class Suggestion(Noun):
    """What would mend a failure."""

    text: str | None = None
    values: dict[str, Value] | None = None


class OverrideState(Noun):
    """How the lifting of a failed finding stands."""

    template: str
    state: Literal["suggested", "granted", "refused", "expired"]
    id: Sha256
    granted_by: str | None = None


class Finding(Noun):
    """What one rule said, with the values it compared."""

    rule: str
    ruleset: str
    edition: str
    rule_hash: Sha256
    outcome: Outcome
    severity: Severity
    message: str
    values: dict[str, Value] | None = None
    """The facts that decided it, as compared."""
    fields: tuple[str, ...] | None = None
    """The names of those facts."""
    path: str | None = None
    record: int | None = None
    key: str | None = None
    missing: tuple[str, ...] | None = None
    """The facts nobody has said."""
    basis: dict[str, Basis] | None = None
    as_of: date
    """The date that the rule's effective dates were held against."""
    source: Source
    spans: tuple[Span, ...] | None = None
    suggestion: Suggestion | None = None
    override: OverrideState | None = None
    would_pass: str | None = None
    """The nearest change that would satisfy the predicate, where it can be told: `dti <= 0.45`."""


class Override(Noun):
    """A suggestion to lift one failed finding, then a person's grant or refusal."""

    id: Sha256
    """Made of the conversation, the rule's hash, its template and the values it read: other values, another id."""
    rule: str
    rule_hash: Sha256
    template: str
    title: str
    message: str
    """What the finding said."""
    words: str
    """What the template says to the person who decides."""
    values: dict[str, Value]
    """All that the rule read."""
    granted_by: tuple[str, ...]
    """Roles, any one of which may decide."""
    requires: tuple[str, ...]
    four_eyes: bool
    holds_for: str
    """How long a grant holds: an ISO 8601 duration in days."""
    conversation: str
    subject: str
    asked_by: str
    suggested_at: str
    state: Literal["suggested", "granted", "refused", "expired"] = "suggested"
    decided_by: str | None = None
    decided_as: str | None = None
    """The role under which it was decided."""
    decided_at: str | None = None
    expires_at: str | None = None
    reasons: dict[str, str] | None = None


class Need(Noun):
    """A fact that an undetermined rule waits for, and how to ask for it."""

    fact: str
    """The full name: `mortgage.loan.dti`."""
    type: FactType
    title: str
    question: str
    rules: tuple[str, ...]


class Retrieved(Noun):
    """A rule that applies, in the order of nearness to the words."""

    rule: str
    title: str
    mandatory: bool
    citation: str
    matched: bool
    """True where the rule's words share any with the ask's."""


class LeftOut(Noun):
    """A rule of the blueprint that was not evaluated, and why."""

    rule: str
    why: str


class Passage(Noun):
    """A piece of an ingested document that matters to the words."""

    id: str
    document: str
    citation: str
    text: str


class Citation(Noun):
    """A pointer from an answer to a rule's source or a passage; `[n]` in its text."""

    n: Annotated[int, Field(ge=1)]
    kind: Literal["rule", "passage"]
    id: str
    citation: str
    title: str


class Usage(Noun):
    """What a model spent."""

    input_tokens: Annotated[int, Field(ge=0)] = 0
    output_tokens: Annotated[int, Field(ge=0)] = 0


class Answer(Noun):
    """What the agent said, past the rules that guard it."""

    text: str
    data: JsonValue = None
    """The structured answer, where the blueprint asks for one."""
    citations: tuple[Citation, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What the rules on answers said of it."""
    mended: bool = False
    """True where guarded words were masked before release."""
    model: str
    abstained: bool = False
    cached: Literal[True] | None = None
    """True where words that were said to the same prompt before were given again; absent where the model spoke."""
    usage: Usage = Usage()


class PackStamp(Noun):
    """A pack as it was when something was done with it."""

    name: str
    version: str
    hash: Sha256


class Turn(Noun):
    """One trip through the house, whole."""

    id: str
    tenant: TenantId
    caller: str
    blueprint: str
    blueprint_hash: Sha256
    packs: tuple[PackStamp, ...]
    ask: Ask
    facts: tuple[Fact, ...] = ()
    retrieved: tuple[Retrieved, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    passages: tuple[Passage, ...] = ()
    findings: tuple[Finding, ...] = ()
    verdict: VerdictWord
    needs: tuple[Need, ...] = ()
    overrides: tuple[Override, ...] = ()
    answer: Answer | None = None
    stopped: str | None = None
    """Why the turn was stopped; absent when it was answered."""
    trail: tuple[Sealed, ...] = ()
    """The turn's own sealed events, in order."""


class TurnEvent(Noun):
    """One step of a turn as it happens; the last one carries the turn."""

    step: Literal["facts", "retrieved", "findings", "judged", "answered", "stopped"]
    turn: str
    facts: tuple[Fact, ...] | None = None
    retrieved: tuple[Retrieved, ...] | None = None
    left_out: tuple[LeftOut, ...] | None = None
    passages: tuple[Passage, ...] | None = None
    findings: tuple[Finding, ...] | None = None
    verdict: VerdictWord | None = None
    needs: tuple[Need, ...] | None = None
    overrides: tuple[Override, ...] | None = None
    sealed: Sealed | None = None
    whole: Turn | None = None
