"""Shows a report to people: what was checked, which rules do not hold and how often, the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, RenderableType
from rich.text import Text

from emma_core.cli.show import Fitted, field, many, table, value, visible
from emma_core.cli.turns import VERDICTS, command
from emma_core.nouns import Docket, Finding, Report, RuleCount

SHOWN = 20
"""How many findings on records a screen shows, and how many on the whole file; a file holds them all."""


def whole(console: Console, report: Report, findings: Sequence[Finding]) -> None:
    """These findings and the summary stand on the screen."""
    if findings:
        rows = [(where(each), each.source.citation, _said(each)) for each in findings]
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
        ("error, may be lifted", [(each, _open(each)) for each in counts if _is(each, "error", liftable=True)]),
        ("warning", [(each, _open(each)) for each in counts if each.severity == "warning"]),
        ("info", [(each, _open(each)) for each in counts if each.severity == "info"]),
        ("lifted", [(each, each.lifted) for each in counts]),
        ("error, refused", [(each, each.refused) for each in counts]),
        ("unknown", [(each, each.undetermined) for each in counts]),
    )
    for words, found in kinds:
        if total := sum(count for _, count in found):
            yield words, total, sum(1 for _, count in found if count)


def _is(count: RuleCount, severity: str, *, liftable: bool) -> bool:
    return count.severity == severity and count.liftable == liftable


def _open(count: RuleCount) -> int:
    return count.failed - count.lifted - count.refused


def _counts(counts: Sequence[RuleCount]) -> Fitted:
    rows = []
    for each in counts:
        word = each.severity if each.weighs else "broken" if each.broken else "lifted" if each.lifted else "unknown"
        style = "red" if each.broken or (each.failed and not each.liftable) else "yellow" if word != "lifted" else ""
        total = each.failed + each.undetermined + each.broken
        lift = standing(each)
        rows.append((each.citation, Text(word, style), f"{total:,}", each.title, lift))
    columns = (("Edit", {"no_wrap": True}), ("", {"no_wrap": True}), ("Times", {"justify": "right"}))
    return table(*columns, ("Rule", {"ratio": 1}), ("", {"no_wrap": True}), rows=rows)


def standing(count: RuleCount) -> str:
    """How the lifting of a rule's failures stands."""
    if not count.liftable or not count.failed:
        return ""
    decided = {"lifted": count.lifted, "refused": count.refused}
    if count.failed in decided.values():
        return "all lifted" if count.lifted else "all refused"
    return ", ".join(f"{so:,} {words}" for words, so in decided.items() if so) or "may be lifted"


def offers(report: Report) -> Iterator[tuple[str, list[str]]]:
    """For each template, who may lift what under it, and the parts of the command that does."""
    by_template: dict[str, list[Docket]] = {}
    for each in report.overrides:
        by_template.setdefault(each.template, []).append(each)
    for dockets in by_template.values():
        first, total = dockets[0], sum(each.count for each in dockets)
        may = " or ".join(first.granted_by)
        who = f"{first.title}: {may} may grant {many(total, 'finding')} of {many(len(dockets), 'rule')}:"
        fields = ["--reason '…'" if name == "reason" else f"--field {name}='…'" for name in first.requires]
        rule = f"--rule {first.rule.rpartition('.')[2] if len(dockets) == 1 else 'RULE'}"
        start = f"emma overrides grant --report {report.id[:14]}"
        yield who, [start, rule, "--as NAME", f"--role {first.granted_by[0]}", *fields]


def _fields(report: Report) -> Iterator[RenderableType]:
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
    yield from (field("Override", who, *command(*parts)) for who, parts in offers(report))
    if report.trail is not None:
        yield field("Trail", f"#{report.trail.seq} {report.trail.kind} {report.trail.hash[:12]}", style="dim")


def _said(finding: Finding) -> Text:
    said = Text(visible(finding.message))
    compared = ", ".join(f"{name} = {value(each)}" for name, each in (finding.values or {}).items())
    if compared:
        said.append(f"\n{compared}", "dim")
    if finding.suggestion and finding.suggestion.text:
        said.append(f"\n{visible(finding.suggestion.text)}", "dim")
    if finding.override and finding.override.state != "suggested":
        by = f" by {finding.override.granted_by}" if finding.override.granted_by else ""
        said.append(f"\n{finding.override.state}{visible(by)}", "yellow")
    return said
