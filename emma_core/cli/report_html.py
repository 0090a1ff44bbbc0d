"""Draws a report as one page that needs nothing else: charts, counts, and a table of findings to filter."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template

from emma_core.cli.reports import by_severity, where
from emma_core.cli.show import many, value, visible
from emma_core.cli.turns import VERDICTS
from emma_core.nouns import Finding, Report, RuleCount

MOST = 5_000
"""How many findings a page holds: a browser can still filter them at once."""
_EDITS, _FIELDS = 25, 20
_LINE, _LEFT, _WIDE = 22, 190, 520
_HERE = Path(__file__).parent


class Page:
    """The findings of a page, as they come."""

    def __init__(self) -> None:
        self._held: list[Finding] = []
        self._fields: Counter[str] = Counter()
        self._told = 0

    def add(self, findings: Sequence[Finding]) -> None:
        """They are counted by field, and held where there is room."""
        self._told += len(findings)
        self._held += findings[: max(0, MOST - len(self._held))]
        for finding in findings:
            if finding.outcome == "failed":
                self._fields.update(finding.fields or ())

    def html(self, report: Report) -> str:
        """The page."""
        script = (_HERE / "report.js").read_text(encoding="utf-8")
        _, meaning = VERDICTS[report.verdict]
        return Template((_HERE / "report.html").read_text(encoding="utf-8")).substitute(
            title=_text(f"{report.file}: {report.verdict}"),
            file=_text(report.file),
            verdict=report.verdict,
            meaning=_text(meaning),
            partial=_partial(report),
            about=_about(report),
            cards=_cards(report),
            by_edit=_by_edit(report.counts),
            by_field=_bars("Failures by field", [(*pair, "", "words") for pair in self._fields.most_common(_FIELDS)]),
            counts="\n".join(map(_count, report.counts)) or _empty(6, "every rule holds"),
            listed=self._listed(report),
            edits=_options(each.citation for each in report.counts),
            outcomes=_options(sorted({each.outcome for each in self._held})),
            rows="\n".join(map(_row, self._held)) or _empty(6, "nothing was found"),
            trail=_text(f"Sealed as #{report.trail.seq}, {report.trail.hash}." if report.trail else "Not sealed."),
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )

    def _listed(self, report: Report) -> str:
        said = f"{many(len(self._held), 'finding')} of {report.found:,}"
        if len(self._held) < report.found:
            said += (
                "; --format jsonl or csv holds more"
                if len(self._held) < self._told
                else "; --limit left the others out"
            )
        if self._told < report.found:
            said += f". The chart by field counts the {self._told:,} that were listed"
        return _text(f"{said}.")


def _partial(report: Report) -> str:
    if not report.partial:
        return ""
    said = f"PARTIAL: stopped after {many(report.records, 'record')}; the rest, and the file as a whole, is unchecked."
    return f'<p class="partial" role="alert">{_text(said)}</p>'


def _about(report: Report) -> str:
    said = {
        "Records": f"{report.records:,}",
        "Rules": ", ".join(report.rulesets),
        "Packs": ", ".join(f"{each.name} {each.version} ({each.hash[:12]})" for each in report.packs),
        "Read at": report.as_of.isoformat(),
        "Checked": report.checked_at.strftime("%Y-%m-%d %H:%M UTC"),
        "Engine": report.engine,
        "SHA-256 of the file": report.file_hash,
        "Root of the findings": report.root or "",
    }
    return "".join(f"<dt>{_text(name)}</dt><dd>{_text(each)}</dd>" for name, each in said.items())


def _cards(report: Report) -> str:
    found = list(by_severity(report.counts)) or [("found", 0, 0)]
    return "".join(
        f'<div class="card"><b>{total:,}</b>{_text(words)}<br><span class="soft">{many(rules, "rule")}</span></div>'
        for words, total, rules in found
    )


def _by_edit(counts: Sequence[RuleCount]) -> str:
    failed = sorted((each for each in counts if each.failed), key=lambda each: -each.failed)[:_EDITS]
    return _bars(
        "Failures by edit",
        [(each.citation, each.failed, "lift" if each.liftable else "fixed", "edit") for each in failed],
    )


def _bars(title: str, bars: Sequence[tuple[str, int, str, str]]) -> str:
    """A bar for each name, the longest as wide as there is room."""
    if not bars:
        return '<p class="soft">None.</p>'
    most = max(count for _, count, _, _ in bars)
    drawn = []
    for place, (name, count, kind, fills) in enumerate(bars):
        top = place * _LINE
        wide = max(2, round((_WIDE - _LEFT - 70) * count / most))
        short = name if len(name) <= 26 else f"{name[:25]}…"
        named = _text(name)
        drawn += [
            f'<g tabindex="0" role="button" data-fill="{fills}" data-value="{named}" aria-label="{named}: {count:,}">',
            f'<text x="{_LEFT - 8}" y="{top + 15}" text-anchor="end">{_text(short)}</text>',
            f'<rect class="{kind}" x="{_LEFT}" y="{top + 3}" width="{wide}" height="{_LINE - 6}" rx="2"></rect>',
            f'<text x="{_LEFT + wide + 6}" y="{top + 15}">{count:,}</text></g>',
        ]
    high = len(bars) * _LINE + 4
    return f'<svg viewBox="0 0 {_WIDE} {high}" role="group" aria-label="{_text(title)}">{"".join(drawn)}</svg>'


def _count(each: RuleCount) -> str:
    weight = each.severity + (", may be lifted" if each.liftable else "") + ("" if each.mandatory else ", advisory")
    numbers = "".join(f'<td class="number">{count:,}</td>' for count in (each.failed, each.undetermined, each.broken))
    return (
        f"<tr><td>{_text(each.citation)}</td><td>{_text(each.title)}<br><code>{_text(each.rule)}</code></td>"
        f"<td>{_text(weight)}</td>{numbers}</tr>"
    )


def _row(finding: Finding) -> str:
    compared = "<br>".join(
        f"<code>{_text(name)} = {_text(value(each))}</code>" for name, each in (finding.values or {}).items()
    )
    mend = [finding.suggestion.text] if finding.suggestion and finding.suggestion.text else []
    mend += [f"would pass: {finding.would_pass}"] if finding.would_pass else []
    mend += [_lifting(finding)] if finding.override else []
    key = f'<br><span class="soft">{_text(finding.key)}</span>' if finding.key else ""
    record = "" if finding.record is None else finding.record
    style = finding.outcome if finding.outcome == "undetermined" else finding.severity
    return (
        f'<tr data-edit="{_text(finding.source.citation)}" data-outcome="{finding.outcome}" data-record="{record}">'
        f'<td class="number">{_text(where(finding))}</td><td>{_text(finding.source.citation)}</td>'
        f'<td class="{style}">{finding.outcome}</td><td>{_text(finding.message)}{key}</td>'
        f"<td>{compared}</td><td>{'<br>'.join(map(_text, mend))}</td></tr>"
    )


def _lifting(finding: Finding) -> str:
    """How the lifting of a finding stands."""
    if finding.override is None:
        return ""
    by = f" by {finding.override.granted_by}" if finding.override.granted_by else ""
    return f"override {finding.override.state}{by}"


def _options(words: Iterable[str]) -> str:
    return "".join(f"<option>{_text(word)}</option>" for word in dict.fromkeys(words))


def _empty(columns: int, said: str) -> str:
    return f'<tr><td colspan="{columns}" class="soft">{said}</td></tr>'


def _text(said: str) -> str:
    """What may stand in a page, whoever wrote it."""
    return escape(visible(said), quote=True)
