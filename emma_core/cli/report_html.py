"""Draws a report as one page that needs nothing else: charts, counts, and a table of findings to filter."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

from emma_core.cli.reports import by_severity, offers, standing, where
from emma_core.cli.show import many, value, visible
from emma_core.cli.turns import VERDICTS
from emma_core.nouns import Finding, Report, RuleCount

MOST = 5_000
"""How many findings a page holds: a browser can still filter them at once."""
_EDITS, _FIELDS = 40, 30
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
            by_field=_bars(
                "Failures by field", [(name, {"": count}, "field") for name, count in self._fields.most_common(_FIELDS)]
            ),
            counts="\n".join(map(_count, report.counts)) or _empty(7, "every rule holds"),
            listed=self._listed(report),
            edits=_options(each.citation for each in report.counts),
            weights=_options(word for word in _WEIGHTS if word in set(map(_weight, self._held))),
            fields=_options(sorted({name for each in self._held for name in each.fields or ()})),
            rows="\n".join(map(_row, self._held)) or _empty(6, "nothing was found"),
            offer=_offer(report),
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
        f'<button type="button" class="card" data-fill="weight" data-value="{_text(words)}"><b>{total:,}</b>'
        f'{_text(words)}<br><span class="soft">{many(rules, "rule")}</span></button>'
        for words, total, rules in found
    )


def _offer(report: Report) -> str:
    """Who may lift what, and the command that does."""
    said = [f"<p>{_text(who)}</p><pre>{_text(' '.join(parts))}</pre>" for who, parts in offers(report)]
    return f"<section><h2>What may be lifted</h2>{''.join(said)}</section>" if said else ""


def _by_edit(counts: Sequence[RuleCount]) -> str:
    """What nobody may lift comes first, then what fails most; of each bar what is lifted and refused stands apart."""
    failed = sorted((each for each in counts if each.failed), key=lambda each: (each.liftable, -each.failed))[:_EDITS]
    return _bars("Failures by edit", [(each.citation, _parts(each), "edit") for each in failed])


def _parts(count: RuleCount) -> dict[str, int]:
    if not count.liftable:
        return {"fixed": count.failed}
    waiting = count.failed - count.lifted - count.refused
    return {"lift": waiting, "fixed": count.refused, "lifted": count.lifted}


def _bars(title: str, bars: Sequence[tuple[str, Mapping[str, int], str]]) -> str:
    """A bar for each name, of parts by their style; the longest as wide as there is room."""
    if not bars:
        return '<p class="soft">None.</p>'
    most = max(sum(parts.values()) for _, parts, _ in bars)
    drawn = []
    for place, (name, parts, fills) in enumerate(bars):
        top, count, left = place * _LINE, sum(parts.values()), float(_LEFT)
        named = _text(name)
        short = name if len(name) <= 26 else f"{name[:25]}…"
        drawn += [
            f'<g tabindex="0" role="button" data-fill="{fills}" data-value="{named}" aria-label="{named}: {count:,}">',
            f'<text x="{_LEFT - 8}" y="{top + 15}" text-anchor="end">{_text(short)}</text>',
        ]
        for style, part in parts.items():
            wide = max(2.0, (_WIDE - _LEFT - 70) * part / most) if part else 0.0
            drawn.append(f'<rect class="{style}" x="{left:.1f}" y="{top + 3}" width="{wide:.1f}" height="16"></rect>')
            left += wide
        drawn.append(f'<text x="{left + 6:.1f}" y="{top + 15}">{count:,}</text></g>')
    high = len(bars) * _LINE + 4
    return f'<svg viewBox="0 0 {_WIDE} {high}" role="group" aria-label="{_text(title)}">{"".join(drawn)}</svg>'


def _count(each: RuleCount) -> str:
    weight = each.severity + ("" if each.mandatory else ", advisory")
    lift = standing(each) or ("nobody may lift" if each.failed and each.severity == "error" else "")
    numbers = "".join(f'<td class="number">{count:,}</td>' for count in (each.failed, each.undetermined, each.broken))
    return (
        f'<tr><td class="edit">{_text(each.citation)}</td><td>{_text(each.title)}<br>'
        f"<code>{_text(each.rule)}</code></td><td>{_text(weight)}</td><td>{_text(lift)}</td>{numbers}</tr>"
    )


_WEIGHTS = {
    "broken": "error",
    "error, nobody may lift": "error",
    "error, may be lifted": "lift",
    "error, refused": "error",
    "warning": "lift",
    "info": "soft",
    "lifted": "soft",
    "unknown": "undetermined",
}
"""What a finding weighs, in the words of the summary, each with its style."""


def _weight(finding: Finding) -> str:
    if finding.outcome != "failed":
        return "unknown" if finding.outcome == "undetermined" else "broken"
    state = finding.override.state if finding.override else None
    if state == "granted":
        return "lifted"
    if finding.severity != "error":
        return finding.severity
    return "error, refused" if state == "refused" else "error, may be lifted" if state else "error, nobody may lift"


def _row(finding: Finding) -> str:
    compared = "<br>".join(
        f"<code>{_text(name)} = {_text(value(each))}</code>" for name, each in (finding.values or {}).items()
    )
    mend = [_text(finding.suggestion.text)] if finding.suggestion and finding.suggestion.text else []
    if finding.would_pass:
        mend.append(f'<span class="soft">would pass:</span> <code>{_text(finding.would_pass)}</code>')
    key = f'<br><span class="soft">{_text(finding.key)}</span>' if finding.key else ""
    weight, citation = _weight(finding), _text(finding.source.citation)
    record = "" if finding.record is None else finding.record
    fields = _text(" ".join(finding.fields or ()))
    cells = (
        ("Record", "number", _text(where(finding))),
        ("Edit", "edit", citation),
        ("Weight", _WEIGHTS[weight], f"{weight}{_lifting(finding)}"),
        ("Finding", "", f"{_text(finding.message)}{key}"),
        ("Values", "", compared),
        ("Mend", "", "<br>".join(mend)),
    )
    told = "".join(f'<td class="{style}" data-name="{name}">{said}</td>' for name, style, said in cells)
    asked = f'data-edit="{citation}" data-weight="{weight}" data-record="{record}" data-field="{fields}"'
    return f"<tr {asked}>{told}</tr>"


def _lifting(finding: Finding) -> str:
    """Who decided on the override of a finding, or its id."""
    if finding.override is None:
        return ""
    state, by = finding.override.state, finding.override.granted_by
    said = f"{state} by {by}" if by else f"override {finding.override.id[:12]}"
    return f'<br><span class="soft" title="{finding.override.id}">{_text(said)}</span>'


def _options(words: Iterable[str]) -> str:
    return "".join(f"<option>{_text(word)}</option>" for word in dict.fromkeys(words))


def _empty(columns: int, said: str) -> str:
    return f'<tr><td colspan="{columns}" class="soft">{said}</td></tr>'


def _text(said: str) -> str:
    """What may stand in a page, whoever wrote it."""
    return escape(visible(said), quote=True)
