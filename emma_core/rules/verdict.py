"""Bring findings to one word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from emma_core.nouns import Finding, VerdictWord
from emma_core.rules.rulesets import CompiledRule

_ORDER: tuple[VerdictWord, ...] = ("broken", "blocked", "needs_override", "needs_facts")


def verdict(
    findings: Iterable[Finding],
    rules: Mapping[str, CompiledRule],
    *,
    on_warning: Literal["annotate", "block"] = "annotate",
) -> VerdictWord:
    """What the findings of mandatory rules come to: the first word that holds; `rules` knows each finding's rule."""
    weighs = {"error", "warning"} if on_warning == "block" else {"error"}
    words = {_word(finding, rules[finding.rule], weighs) for finding in findings}
    return next((word for word in _ORDER if word in words), "clear")


def _word(finding: Finding, rule: CompiledRule, weighs: set[str]) -> VerdictWord:
    """What one finding alone would come to."""
    if not rule.rule.mandatory or finding.outcome == "passed":
        return "clear"
    if finding.outcome == "broken":
        return "broken"
    if finding.outcome == "undetermined":
        return "needs_facts"
    lifted = finding.override is not None and finding.override.state == "granted"
    if finding.severity not in weighs or lifted:
        return "clear"
    return "blocked" if rule.rule.override_template is None else "needs_override"
