"""What a check of a file comes to: how often each rule did not hold, what may be lifted, and the report."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from emma_core.nouns.trail import Sealed
from emma_core.nouns.turn import Finding, PackStamp
from emma_core.nouns.values import Noun, Severity, Sha256, TenantId, VerdictWord


class RuleCount(Noun):
    """How often one rule did not pass in a check."""

    rule: str
    title: str
    citation: str
    severity: Severity
    mandatory: bool
    liftable: bool
    """True where a person may lift it."""
    failed: int = 0
    lifted: int = 0
    """How many of those that failed a person has lifted; they weigh no more."""
    refused: int = 0
    """How many of those that failed a person has refused to lift."""
    undetermined: int = 0
    broken: int = 0

    @property
    def weighs(self) -> bool:
        """True where it failed and not all of that is lifted."""
        return self.failed > self.lifted


class Docket(Noun):
    """What one check suggests to lift of one rule: all its findings that wait for a decision."""

    report: str
    file: str
    rule: str
    rule_hash: Sha256
    ruleset: str
    """`pack/name@edition`."""
    template: str
    title: str
    message: str
    """What the first of the findings said."""
    words: str
    """What the template says of it to the person who decides."""
    granted_by: tuple[str, ...]
    """Roles, any one of which may decide."""
    requires: tuple[str, ...]
    four_eyes: bool
    holds_for: str
    """How long a grant holds: an ISO 8601 duration in days."""
    count: Annotated[int, Field(ge=1)]
    """How many findings wait."""
    root: Sha256
    """The Merkle root (RFC 6962) over the canonical JSON of each one's id, record and key, in their order."""
    asked_by: str
    suggested_at: str
    granted: int = 0
    """How many of them somebody has granted since."""
    refused: int = 0
    decided_by: tuple[str, ...] = ()
    """Everybody who has."""

    @property
    def waiting(self) -> int:
        """How many of them nobody has decided."""
        return self.count - self.granted - self.refused


class Decision(Noun):
    """One act of a person: findings of a check granted together, or refused together."""

    report: str
    file: str
    ruleset: str
    template: str
    title: str
    decision: Literal["granted", "refused"]
    rules: dict[str, int]
    """By rule, how many findings were decided."""
    decided_by: str
    decided_as: str
    """The role under which it was decided."""
    decided_at: str
    expires_at: str | None = None
    reasons: dict[str, str]


class Report(Noun):
    """A check of a file or table, whole."""

    id: str
    tenant: TenantId
    caller: str
    file: str
    file_hash: Sha256
    records: int
    rulesets: tuple[str, ...]
    packs: tuple[PackStamp, ...]
    as_of: date
    checked_at: datetime
    findings: tuple[Finding, ...]
    """Those that did not pass, as far as the limit lets them be listed."""
    found: Annotated[int, Field(ge=0)] = 0
    """How many did not pass, listed or not."""
    counts: tuple[RuleCount, ...] = ()
    """How often each rule did not pass."""
    overrides: tuple[Docket, ...] = ()
    """What may be lifted and waits for a decision, rule by rule."""
    root: Sha256 | None = None
    """The Merkle root (RFC 6962) over the canonical JSON of the listed findings, in their order."""
    engine: str = ""
    verdict: VerdictWord
    partial: bool = False
    """True where the check was stopped: `records` were looked at, and what holds for the whole file is not told."""
    trail: Sealed | None = None


class CheckEvent(Noun):
    """One stretch of a check as it happens; the last one carries the report."""

    records: int
    """How many data rows were looked at so far."""
    of: int | None = None
    """How many there are, where that is known."""
    findings: tuple[Finding, ...] = ()
    """What was found since the event before, as far as the limit lets it be listed."""
    report: Report | None = None
    """The whole, without the findings that were told already."""
