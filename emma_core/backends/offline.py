"""Answers without a language model: quotes the findings, rules and passages it was given, and says so."""

from __future__ import annotations

from collections.abc import AsyncIterator

from emma_core.nouns import Briefing, Finding, Override, Piece, Prompt

LEADS = {
    "clear": "Nothing that was checked stands against it.",
    "lifted": "A rule does not hold, and a person has lifted it. Nothing else stands against it.",
    "shown": "Nothing that was checked stands in its way. What did not hold is shown below, and blocks nothing.",
    "needs_facts": "This cannot be told yet: a fact is missing.",
    "needs_override": "Not as it stands. What stands against it may be lifted, but only by a person.",
    "blocked": "No. What stands against it may not be lifted by anybody.",
    "broken": "Nothing is decided: a rule could not be run.",
}
ABSTAINED = "There is nothing here to answer this from: no rule and no passage in use speaks of it."
SIGNED = "(No language model ran: this is read off the findings and their sources.)"


class OfflineModel:
    """An honest extractive responder behind the Model port."""

    usd_per_token: float | None = 0.0

    def __init__(self, address: str = "offline:") -> None:
        self.name = address

    async def reply(self, prompt: Prompt) -> AsyncIterator[Piece]:
        """One piece: the answer read off the briefing, or an abstention where it holds nothing."""
        said = answer(prompt.briefing)
        yield Piece(text=f"{said or ABSTAINED}\n\n{SIGNED}", abstained=not said)


def answer(briefing: Briefing) -> str:
    """The briefing's findings, needs and passages as sentences with their `[n]`; empty where there is none."""
    number = {ground.cite.id: ground.cite.n for ground in briefing.grounds}
    overrides = {override.id: override for override in briefing.overrides}
    lines = [
        line
        for outcome in ("broken", "failed", "undetermined", "passed")
        for finding in briefing.findings
        if finding.outcome == outcome and _worth_saying(finding)
        for line in _finding(finding, number.get(finding.rule), overrides)
    ]
    lines += [f"- Still needed: {need.question}" for need in briefing.needs]
    lines += [f'- "{ground.text}" [{ground.cite.n}]' for ground in briefing.grounds if ground.cite.kind == "passage"]
    return "\n".join([_lead(briefing), *lines]) if lines else ""


def _lead(briefing: Briefing) -> str:
    if briefing.verdict != "clear":
        return LEADS[briefing.verdict]
    failed = [finding for finding in briefing.findings if finding.outcome == "failed"]
    lifted = any(finding.override and finding.override.state == "granted" for finding in failed)
    return LEADS["lifted" if lifted else "shown" if failed else "clear"]


def _worth_saying(finding: Finding) -> bool:
    """A pass about the words alone (no forbidden character, say) answers nobody's question."""
    return finding.outcome in ("failed", "broken") or set(finding.fields or ()) - {"text"} != set()


def _finding(finding: Finding, n: int | None, overrides: dict[str, Override]) -> list[str]:
    cite = f" [{n}]" if n else ""
    kind = " (a warning)" if finding.outcome == "failed" and finding.severity == "warning" else ""
    lines = [f"- {finding.message}{cite}{kind}"]
    lifted = finding.override is not None and finding.override.state == "granted"
    if finding.outcome == "failed" and finding.would_pass and not lifted:
        lines.append(f"  It would pass with {finding.would_pass}.")
    if finding.suggestion and finding.suggestion.text and not lifted:
        lines.append(f"  {finding.suggestion.text}")
    override = overrides.get(finding.override.id) if finding.override else None
    if override:
        lines.append(f"  {_override(override)}")
    return lines


def _override(override: Override) -> str:
    who = " or ".join(override.granted_by)
    if override.state == "granted":
        return f"Lifted by {override.decided_by} ({override.decided_as})."
    if override.state == "refused":
        return f"An override was refused by {override.decided_by} ({override.decided_as})."
    again = "again " if override.state == "expired" else ""
    fields = ", ".join(name.replace("_", " ") for name in override.requires)
    return f"{override.title}: {who} may grant it {again}with {fields} written down (override {override.id[:12]})."
