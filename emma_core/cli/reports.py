"""Shows a report to people: what was checked, which rules do not hold and how often, the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from emma_core.cli.show import Fitted, field, many, table, value, visible
from emma_core.cli.turns import VERDICTS
from emma_core.nouns import Finding, Report, RuleCount

_SHOWN = 20
"""How many findings a screen shows; a file holds them all."""


def whole(console: Console, report: Report, findings: Sequence[Finding]) -> None:
    """The first findings and the summary stand on the screen."""
    if findings:
        rows = [(where(each), each.source.citation, _said(each)) for each in findings[:_SHOWN]]
        columns = (("Record", {"no_wrap": True}), ("Edit", {"no_wrap": True}), ("Finding", {"ratio": 1}))
        console.print(table(*columns, rows=rows))
        if report.found > len(rows):
            console.print(Text(f"… and {report.found - len(rows):,} more; --format jsonl lists them", "dim"))
        console.print()
    summary(console, report)


def summary(console: Console, report: Report) -> None:
    """The summary by rule and severity stands on the screen."""
    if report.counts:
        console.print(_counts(report.counts))
        console.print()
    for each in _fields(report):
        console.print(each)


def where(finding: Finding) -> str:
    """Which record a finding speaks of."""
    return "whole file" if finding.record is None else "head" if finding.record == 0 else f"{finding.record:,}"


def by_severity(counts: Iterable[RuleCount]) -> Iterator[tuple[str, int, int]]:
    """For each kind of outcome: its words, how many findings it has, and of how many rules."""
    kinds = (
        ("broken", [(each, each.broken) for each in counts]),
        ("error, nobody may lift", [(each, each.failed) for each in counts if _is(each, "error", liftable=False)]),
        ("error, may be lifted", [(each, each.failed) for each in counts if _is(each, "error", liftable=True)]),
        ("warning", [(each, each.failed) for each in counts if each.severity == "warning"]),
        ("info", [(each, each.failed) for each in counts if each.severity == "info"]),
        ("unknown", [(each, each.undetermined) for each in counts]),
    )
    for words, found in kinds:
        if total := sum(count for _, count in found):
            yield words, total, sum(1 for _, count in found if count)


def _is(count: RuleCount, severity: str, *, liftable: bool) -> bool:
    return count.severity == severity and count.liftable == liftable


def _counts(counts: Sequence[RuleCount]) -> Fitted:
    rows = []
    for each in counts:
        word = each.severity if each.failed else "broken" if each.broken else "unknown"
        style = "red" if each.broken or (each.failed and not each.liftable) else "yellow"
        total = each.failed + each.undetermined + each.broken
        lift = "may be lifted" if each.liftable and each.failed else ""
        rows.append((each.citation, Text(word, style), f"{total:,}", each.title, lift))
    columns = (("Edit", {"no_wrap": True}), ("", {"no_wrap": True}), ("Times", {"justify": "right"}))
    return table(*columns, ("Rule", {"ratio": 1}), ("", {"no_wrap": True}), rows=rows)


def _fields(report: Report) -> Iterator[Fitted]:
    yield field("File", f"{visible(report.file)}, {many(report.records, 'record')}")
    yield field("Rules", ", ".join(report.rulesets))
    lines = [f"{total:,} of {many(rules, 'rule')}: {words}" for words, total, rules in by_severity(report.counts)]
    yield field("Found", *(lines or ["nothing"]))
    if report.partial:
        said = (
            f"PARTIAL: stopped after {many(report.records, 'record')}; the rest, and the file as a whole, is unchecked"
        )
        yield field("Stopped", said, style="red")
    style, meaning = VERDICTS[report.verdict]
    yield field("Verdict", Text(report.verdict, f"bold {style}").append(f": {meaning}", "not bold"))
    if report.trail is not None:
        yield field("Trail", f"#{report.trail.seq} {report.trail.kind} {report.trail.hash[:12]}", style="dim")


def _said(finding: Finding) -> Text:
    said = Text(visible(finding.message))
    compared = ", ".join(f"{name} = {value(each)}" for name, each in (finding.values or {}).items())
    if compared:
        said.append(f"\n{compared}", "dim")
    if finding.suggestion and finding.suggestion.text:
        said.append(f"\n{visible(finding.suggestion.text)}", "dim")
    return said
