"""What authors write: facts models, rules, override templates and blueprints."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from emma_core.nouns.values import FactName, FactType, Id, Moment, Noun, Severity, VerdictWord

Filling = Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=r"^[A-Za-z0-9_. -]+$", max_length=80)]
"""What `each` fills in: a number, or a word that ends no text."""


class FactSpec(Noun):
    """One declared fact of a facts model."""

    type: FactType
    title: str
    """What a person calls it: "Debt-to-income"."""
    question: str = ""
    """What to ask when it is missing; "What is the <title>?" where empty."""
    unit: str = ""
    """`ratio`, `USD`, `months`, … for people; no conversion is made."""
    values: tuple[str, ...] = ()
    """The words a text may take; empty: any."""
    of: Literal["record", "file"] | None = None
    """Whether each record says it, or the whole file once; unsaid, `ts_*` and `filing_year` are the file's."""
    names: Literal["record", "file"] | None = None
    """`record`: it names its record, from one file to the next; `file`: it names the whole file, with others such."""


class Source(Noun):
    """Where a rule comes from, and when that was read."""

    kind: Literal["law", "guidance", "policy", "standard"]
    citation: Annotated[str, Field(min_length=1)]
    note: str | None = None
    read_on: date


class Effective(Noun):
    """The days a rule is in force, both inclusive; an open end has no limit."""

    from_: date | None = Field(default=None, alias="from")
    to: date | None = None


class Examples(Noun):
    """Facts under which a rule passes, fails, and cannot be told; they must hold or the rule does not load. A file
    rule's are the file's facts, and its records under `rows`."""

    pass_: tuple[dict[str, JsonValue], ...] = Field(alias="pass", min_length=1)
    fail: tuple[dict[str, JsonValue], ...] = Field(min_length=1)
    undetermined: tuple[dict[str, JsonValue], ...] = ()


class Rule(Noun):
    """One thing that must hold, said as data."""

    id: Id
    title: Annotated[str, Field(min_length=1)]
    text: Annotated[str, Field(min_length=1)]
    """The words a person reads and retrieval searches."""
    applies_to: Annotated[tuple[Moment, ...], Field(min_length=1)]
    when: str | None = None
    """A predicate that guards `require`; where it is FALSE there is no finding."""
    require: str | None = None
    """The predicate that must hold, in the rule language; only a rule with `unique` has none."""
    each: Annotated[dict[FactName, Annotated[tuple[Filling, ...], Field(min_length=1)]], Field(min_length=1)] | None = (
        None
    )
    """What `{name}` in `when` and `require` stands for, one after the other; all must hold."""
    unique: Annotated[tuple[FactName, ...], Field(min_length=1)] | None = None
    """In a file rule, the facts that no two records may share, among those for which `when` holds."""
    severity: Severity
    mandatory: bool = True
    """False: advisory, so that retrieval may leave it out and it moves no verdict."""
    message: Annotated[str, Field(min_length=1)]
    """What a person reads when it failed: `{dti}`, as a percentage `{dti:%}`, with digits `{amount:,.2f}`."""
    source: Source
    effective: Effective = Effective()
    override_template: Id | None = None
    suggestion: str | None = None
    """What would mend a failure, in words."""
    examples: Examples


class RuleSet(Noun):
    """A named group of rules over one facts model, of one edition."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    ruleset: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*/[a-z0-9_]+$")]
    """`pack/name`."""
    edition: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    title: str = ""
    facts: Id
    """The facts model whose names its rules may say."""
    missing: Literal["undetermined", "failed"] = "undetermined"
    """What a predicate that comes to NULL is: a chat asks, a filing fails."""
    as_of: str | None = None
    """The date fact that effective dates are held against, where it is given or recorded."""
    extends: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*/[a-z0-9_]+@[A-Za-z0-9._-]+$")] | None = None
    """Another edition of this rule set, all of whose rules stand here too but those of the same id and of `without`."""
    without: tuple[Id, ...] = ()
    """Rules of that edition that are not of this one."""
    rules: tuple[Rule, ...] = ()
    """At least one, unless the set extends another edition."""


class PackIndex(Noun):
    """A pack's index: its rule set files and its facts models."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    rulesets: tuple[str, ...] = ()
    """Paths of rule set files, relative to the index."""
    on_demand: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*/[a-z0-9_]+@[A-Za-z0-9._-]+$")], str] = {}
    """Rule set files by name and edition that are read when they are first named, such as a filing year's."""
    facts: dict[Id, dict[FactName, FactSpec]] = {}
    roles: dict[Id, str] = {}
    """Roles by id with a title for people; a pack with code may bring more by `register_roles`."""


class OverrideTemplate(Noun):
    """How a failed rule may be lifted: by which roles, with what reasons, in what words, until when."""

    id: Id
    title: Annotated[str, Field(min_length=1)]
    granted_by: Annotated[tuple[Id, ...], Field(min_length=1)]
    """Roles, any one of which may decide."""
    requires: tuple[str, ...] = ("reason",)
    """What a person must write down to grant it."""
    expires: Annotated[str, Field(pattern=r"^P[1-9][0-9]{0,3}D$")] = "P30D"
    """How long a grant holds: an ISO 8601 duration in days."""
    four_eyes: bool = True
    """True: who asked may not be who grants."""
    words: Annotated[str, Field(min_length=1)]
    """The suggestion's words, sandboxed Jinja over `rule`, `finding` and `values`."""


class RuleUse(Noun):
    """Which rule sets a blueprint is held to."""

    use: Annotated[tuple[str, ...], Field(min_length=1)]
    """`pack/name`, `pack/name@edition` or `pack/*`."""
    on_error: Literal["block"] = "block"
    on_warning: Literal["annotate", "block"] = "annotate"


class RetrievalUse(Noun):
    """Which collections an agent reads, and how it cites them."""

    collections: tuple[str, ...] = ()
    top_k: Annotated[int, Field(ge=1, le=50)] = 6
    """How many advisory rules and passages may be shown."""
    cite: Literal["required", "optional"] = "required"


class Memory(Noun):
    """How much of a conversation an agent remembers."""

    turns: Annotated[int, Field(ge=0, le=200)] = 20


class AnswerShape(Noun):
    """The JSON Schema that a structured answer must satisfy."""

    schema_: dict[str, JsonValue] = Field(alias="schema")


class Limits(Noun):
    """What one turn may spend; past it the turn is stopped."""

    model_calls: Annotated[int, Field(ge=1, le=100)] = 6
    tokens: Annotated[int, Field(ge=1)] = 20_000
    seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    usd: Annotated[float, Field(gt=0)] | None = None


class Expectation(Noun):
    """What a blueprint's own test expects of a turn."""

    verdict: VerdictWord | None = None
    failed: tuple[str, ...] | None = None
    needs: tuple[str, ...] | None = None
    cites: tuple[str, ...] | None = None


class BlueprintTest(Noun):
    """One ask of a blueprint and what must come of it."""

    ask: str
    facts: dict[str, JsonValue] = {}
    as_of: date | None = None
    expect: Expectation


class Blueprint(Noun):
    """An agent said as data."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=80)]
    title: Annotated[str, Field(min_length=1)]
    packs: dict[str, str] = {}
    """Packs it needs, each with a version range such as `>=1,<2`."""
    model: str = "default"
    instructions: Annotated[str, Field(min_length=1)]
    rules: RuleUse
    retrieval: RetrievalUse = RetrievalUse()
    tools: tuple[str, ...] = ()
    memory: Memory = Memory()
    answer: AnswerShape | None = None
    limits: Limits = Limits()
    tests: tuple[BlueprintTest, ...] = ()
