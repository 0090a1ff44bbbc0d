"""Shows a turn to people, part by part; `ask`, `chat` and `demo` are laid out of these parts."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping

from rich.console import Console, Group, RenderableType
from rich.text import Text

from emma_core.cli.show import Fitted, field, table, value, visible
from emma_core.nouns import Fact, Finding, LeftOut, Override, Retrieved, Sealed, Turn, VerdictWord

VERDICTS: dict[VerdictWord, tuple[str, str]] = {
    "clear": ("green", "no mandatory rule stands against it"),
    "needs_facts": ("yellow", "a rule waits for a fact that nobody has said"),
    "needs_override": ("yellow", "a rule does not hold, and a person may lift it"),
    "blocked": ("red", "a rule does not hold, and nobody may lift it"),
    "broken": ("red", "a rule could not be run, so nothing is decided"),
}
BASES = {"given": "given", "record": "on record", "extracted": "from the words", "remembered": "said earlier"}

_OUTCOMES = {"passed": ("✓", "green"), "failed": ("✗", "red"), "undetermined": ("?", "yellow"), "broken": ("!", "red")}
_ORDER = ("broken", "failed", "undetermined", "passed")


def whole(console: Console, turn: Turn) -> None:
    """The whole turn stands on the screen: the answer, what it rests on, the verdict, and its place on the trail."""
    console.print(answer(turn))
    console.print()
    console.print(findings(turn))
    console.print()
    for each in (*needs(turn), *offers(turn.overrides), verdict(turn), *_onward(turn), trail(turn.trail)):
        console.print(each, soft_wrap=isinstance(each, Text))


def brief(console: Console, turn: Turn) -> None:
    """The turn as a chat shows it: the answer, who may lift what, and the verdict."""
    console.print(answer(turn))
    for each in (*offers(turn.overrides), verdict(turn)):
        console.print(each)
    console.print()


def answer(turn: Turn) -> Text:
    """What the agent said, or why it was stopped."""
    if turn.answer is None:
        return Text(f"The turn was stopped: {visible(turn.stopped or '')}", style="red")
    said = Text(visible(turn.answer.text.strip()))
    said.highlight_regex(r"\[\d+\]", "cyan")
    if turn.answer.citations:
        said.append("\n")
    for cite in turn.answer.citations:
        said.append(f"\n[{cite.n}] ", "cyan").append(visible(f"{cite.title}: {cite.citation}"), "dim")
    if turn.answer.cached:
        said.append("\n(These words were said to the same question before; the findings are of now.)", "dim")
    return said


def findings(turn: Turn) -> Fitted:
    """What each rule said, with the values it compared and its source; those that did not hold first."""
    return compared(turn.findings, {each.rule: each.title for each in turn.retrieved})


def compared(found: Iterable[Finding], titles: Mapping[str, str]) -> Fitted:
    """What each of these findings says, as `findings` tells them; `titles`: of their rules."""
    ordered = sorted(found, key=lambda finding: _ORDER.index(finding.outcome))
    rows = [(_outcome(each), _rule(each, titles.get(each.rule, each.rule)), _compared(each)) for each in ordered]
    return table(("Finding", {"width": 12}), ("Rule", {"ratio": 3}), ("Compared", {"ratio": 2}), rows=rows)


def facts(known: Iterable[Fact]) -> Fitted:
    """The facts with their bases."""
    return table(
        ("Fact", {"style": "cyan"}),
        "Value",
        "Basis",
        rows=[(each.name, value(each.value), BASES[each.basis]) for each in known],
    )


def fact(known: Fact) -> str:
    """The fact in a line, with its basis."""
    return f"{known.name} = {value(known.value)} ({BASES[known.basis]})"


def words(turn: Turn, *, colour: bool) -> Text:
    """The ask's words, with what was read in them marked: by colour, or between brackets."""
    said, at = Text(), 0
    for start, end in sorted((fact.span.start, fact.span.end) for fact in turn.facts if fact.span):
        if start >= at:
            said.append(visible(turn.ask.words[at:start]))
            found = visible(turn.ask.words[start:end])
            said.append(found if colour else f"[{found}]", "bold reverse" if colour else "")
            at = end
    return said.append(visible(turn.ask.words[at:]))


def retrieved(found: Iterable[Retrieved], left_out: Iterable[LeftOut]) -> Fitted:
    """The rules that apply, nearest first, and those left out with the reason."""
    rows: list[tuple[str, str | Text]] = [("mandatory" if each.mandatory else "advisory", each.title) for each in found]
    rows += [("left out", Text(f"{each.rule}:\n{visible(each.why)}", "dim")) for each in left_out]
    return table("Which", "Rule", rows=rows)


def needs(turn: Turn) -> Iterator[RenderableType]:
    """What is still to be said, as questions."""
    if turn.needs:
        yield field("Needed", *(each.question for each in turn.needs), style="yellow")


def offers(overrides: Iterable[Override]) -> Iterator[RenderableType]:
    """Who may lift what, how, and who has."""
    for each in overrides:
        if each.state in ("granted", "refused"):
            word = "Lifted" if each.state == "granted" else "Not lifted"
            until = f", until {(each.expires_at or '')[:10]}" if each.state == "granted" else ""
            yield field(word, f"{each.title}, by {each.decided_by} ({each.decided_as}){until}")
        else:
            who = f"{each.title}; {' or '.join(each.granted_by)} may grant it:"
            start = f"emma overrides grant {each.id[:12]}"
            role = f"--role {each.granted_by[0]}"
            fields = ["--reason '…'" if name == "reason" else f"--field {name}='…'" for name in each.requires]
            wide = field("Override", who, *command(f"{start} --as NAME", role, *fields))
            yield Fitted(wide, Group(field("Override", who), *command(start, "--as NAME", role, *fields)))


def command(*parts: str) -> list[Text]:
    """A command that can be copied: a part a line, and no line broken by the screen."""
    lines = [f"{'  ' if place else ''}{part}" for place, part in enumerate(parts)]
    lines = [*(f"{line} \\" for line in lines[:-1]), lines[-1]]
    return [Text(line, "cyan", no_wrap=True, overflow="ignore") for line in lines]


def verdict(turn: Turn) -> Fitted:
    """The verdict in a word, and what it means."""
    style, meaning = VERDICTS[turn.verdict]
    return field("Verdict", Text(turn.verdict, f"bold {style}").append(f": {meaning}", "not bold"))


def trail(sealed: Iterable[Sealed]) -> Fitted:
    """The turn's sealed lines: number, kind and the start of the hash."""
    lines = [f"#{each.seq} {each.kind} {each.hash[:12]}" for each in sealed]
    return field("Trail", " · ".join(lines), style="dim")


def _onward(turn: Turn) -> Iterator[RenderableType]:
    start, more = (
        f"emma chat {visible(turn.blueprint)}",
        f"--conversation {shlex.quote(visible(turn.ask.conversation))}",
    )
    yield Fitted(field("Go on", *command(f"{start} {more}")), Group(field("Go on"), *command(start, more)))


def _outcome(finding: Finding) -> Text:
    mark, style = _OUTCOMES[finding.outcome]
    word = {"undetermined": "unknown"}.get(finding.outcome, finding.outcome)
    if finding.outcome == "failed" and finding.severity != "error":
        word, style = finding.severity, "yellow"
    if finding.override and finding.override.state == "granted":
        word, style = "lifted", "yellow"
    return Text(f"{mark} {word}", style)


def _rule(finding: Finding, title: str) -> Text:
    said = Text(visible(title))
    if finding.outcome == "passed":
        return said
    if not finding.message.startswith(title):
        said.append(f"\n{visible(finding.message)}", "bold" if finding.outcome != "undetermined" else "")
    return said.append(f"\n{finding.source.kind}: {visible(finding.source.citation)}", "dim")


def _compared(finding: Finding) -> Text:
    bases = finding.basis or {}
    lines = [
        f"{name} = {value(said)}" + (f" ({BASES[bases[name]]})" if name in bases else "")
        for name, said in (finding.values or {}).items()
    ]
    lines += [f"{name} = unknown" for name in finding.missing or ()]
    lines += [f"would pass: {finding.would_pass}"] if finding.would_pass and finding.outcome != "passed" else []
    return Text(visible("\n".join(lines)))
