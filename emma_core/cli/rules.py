"""`emma rules`: what must hold, why, since when, and what a rule says of given facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import date
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emma_core.cli import options
from emma_core.cli.options import AsOfOption, FactsOption, ListFormat, OneFormat, Pattern, RuleId
from emma_core.errors import NotFound

if TYPE_CHECKING:
    from emma_core.nouns import Finding
    from emma_core.packs import Packs
    from emma_core.rules import CompiledRule, CompiledRuleSet, PartReport

EngineNames = Annotated[
    list[str] | None, typer.Option("--engine", metavar="NAME", help="On this engine; repeat it for several.")
]

app = typer.Typer(help="See, test and explain the rules of the installed packs.", no_args_is_help=True)


@app.command("list")
def listed(pattern: Pattern = "*", as_of: AsOfOption = None, format: ListFormat = "text") -> None:
    """List the rules, and whether each is in force.

    Examples:

        emma rules list mortgage/qualified_mortgage

        emma rules list 'global.*' --as-of 2019-06-01
    """
    from emma_core import packs, rules
    from emma_core.cli import show

    day = options.day(as_of) or date.today()
    found = [rule for _, rule in _matching(packs.find(), pattern)]
    if as_of is not None:
        found = [rule for rule in found if rules.in_force(rule, day)]
    if show.listed((rule.rule.plain() for rule in found), format):
        return
    rows = [
        (f"{rule.rule.id}\n  {rule.rule.title}", _weight(rule), "yes" if rules.in_force(rule, day) else "no")
        for rule in found
    ]
    columns = (("Rule", {"ratio": 1}), ("Weight", {"no_wrap": True}), (f"In force {day}", {"width": 10}))
    show.screen().print(show.table(*columns, rows=rows))


@app.command("show")
def shown(id: RuleId, format: OneFormat = "text") -> None:
    """Show a rule whole: its words, its predicate, its source and its examples.

    Example:

        emma rules show mortgage.lender_policy.dti_max
    """
    from emma_core import packs
    from emma_core.cli import show

    rule = packs.find().rule(id)
    if format == "json":
        show.data(rule.rule.plain())
        return
    console, said = show.screen(), rule.rule
    for name, lines in {
        "Rule": [said.id, said.title],
        "Says": [said.text],
        "When": [said.when] if said.when else [],
        "Requires": [said.require] if said.require else [],
        "Each": [f"{name} = {', '.join(map(str, filled))}" for name, filled in (said.each or {}).items()],
        "Unique": [", ".join(said.unique)] if said.unique else [],
        "Reads": [f"{name}: {spec.title} ({spec.type})" for name, spec in rule.specs.items()],
        "Weight": [_weight(rule)],
        "Applies to": [", ".join(said.applies_to)],
        "In force": [f"{said.effective.from_ or '…'} to {said.effective.to or '…'}"],
        "Source": [
            f"{said.source.kind}: {said.source.citation}, read on {said.source.read_on}",
            said.source.note or "",
        ],
        "Else": [said.suggestion] if said.suggestion else [],
        "Override": [said.override_template] if said.override_template else [],
        "Examples": [
            f"{key}: {', '.join(f'{name} = {show.value(value)}' for name, value in example.items()) or 'nothing said'}"
            for key, example in _examples(rule)
        ],
        "Hash": [rule.hash],
    }.items():
        if lines:
            console.print(show.field(name, *filter(None, lines)))


@app.command()
def test(
    pattern: Pattern = "*",
    mutate: Annotated[
        bool, typer.Option("--mutate", help="Show the changes of a rule that none of its examples notices.")
    ] = False,
    engine: EngineNames = None,
    format: ListFormat = "text",
) -> None:
    """Run every example of every rule on every engine installed; exits 1 where one does not come out as it says.

    Examples:

        emma rules test

        emma rules test mortgage/hmda@2024 --engine closures --engine polars

        emma rules test 'mortgage.*' --mutate
    """
    from emma_core import packs
    from emma_core.cli import show, trying

    found = packs.find()
    engines = trying.engines(found, engine or ())
    tried = trying.tried(_matching(found, pattern), engines, mutate=mutate)
    if not show.listed(tried, format):
        trying.tell(tried, list(engines), mutate=mutate)
    raise typer.Exit(int(any(each["wrong"] for each in tried)))


@app.command()
def explain(id: RuleId, facts: FactsOption = None, as_of: AsOfOption = None, format: OneFormat = "text") -> None:
    """Hold given facts against one rule, and tell what each part of it comes to and which decide; exits 0 whatever
    came out. A rule on whole files takes its records under "rows".

    In JSON: `parts`, each before the parts it holds (`depth`), `in_force`, and `finding`, which is null where the
    rule's `when` is FALSE.

    Example:

        emma rules explain mortgage.lender_policy.dti_max --facts '{"dti": 0.47}'
    """
    from emma_core import packs, rules
    from emma_core.cli import show

    installed = packs.find()
    rule = installed.rule(id)
    ruleset = next(each for each, one in _all(installed, id) if one is rule)
    day = options.day(as_of) or date.today()
    values, finding = _judged(rule, ruleset, options.facts(facts), day)
    parts, in_force = rules.explain_tree(rule, values), rules.in_force(rule, day)
    if format == "json":
        told = {"rule": id, "in_force": in_force, "parts": [_plain(each) for each in parts]}
        show.data({**told, "finding": finding and finding.plain()})
        return
    console = show.screen()
    rows = [_part(each) for each in parts]
    console.print(show.table("", "Comes to", ("Part", {"ratio": 2}), ("With", {"ratio": 1}), rows=rows))
    console.print()
    if not in_force:
        console.print(show.field("Not in force", f"on {day}; a turn at that day leaves it out"))
    console.print(show.field("Outcome", finding.outcome if finding else "no finding: its 'when' is FALSE"))
    if finding:
        console.print(show.field("Message", finding.message))
    if finding and finding.would_pass:
        console.print(show.field("Would pass", finding.would_pass))
    if finding and finding.suggestion and finding.suggestion.text:
        console.print(show.field("Else", finding.suggestion.text))


def _judged(
    rule: CompiledRule, ruleset: CompiledRuleSet, said: Mapping[str, Any], day: date
) -> tuple[Mapping[str, Any], Finding | None]:
    """The typed facts, with the records of a file among them, and what the rule says of them."""
    from emma_core import facts, rules

    if rule.of_file:
        values = {"as_of": day, **rules.read_example(said, ruleset.facts, of_file=True)}
        basis: dict[str, Any] = dict.fromkeys(rule.specs, "given")
        return values, rules.judge(rule, values, basis=basis, as_of=day, rows=values[rules.ROWS])
    given = facts.given({ruleset.ruleset.facts: ruleset.facts}, said)
    known, bases = facts.of_model(given, ruleset.ruleset.facts)
    values = {"as_of": day, **known}
    return values, rules.judge(rule, values, basis=bases, as_of=day)


def _all(found: Packs, pattern: str) -> Iterator[tuple[CompiledRuleSet, CompiledRule]]:
    """Every rule, and of the sets on demand those that the pattern names: one edition, or else the newest."""
    for pack in found.healthy():
        named = [full for full in pack.on_demand if _means(pattern, full)]
        newest = named if "@" in pattern else sorted(named)[-1:]
        for ruleset in (*pack.rulesets, *(pack.on_demand[full]() for full in newest)):
            for rule in ruleset.rules:
                yield ruleset, rule


def _means(pattern: str, full: str) -> bool:
    """Whether a pattern names a rule set `pack/name@edition`, or a rule of it by its id."""
    name = full.partition("@")[0]
    return pattern != "*" and (
        name in pattern or fnmatchcase(full, pattern) or pattern.startswith(name.replace("/", ".") + ".")
    )


def _matching(found: Packs, pattern: str) -> list[tuple[CompiledRuleSet, CompiledRule]]:
    """The rules whose id, or whose rule set's name, fits a pattern or holds it. Raises `NotFound` for none."""
    pairs = [
        (ruleset, rule)
        for ruleset, rule in _all(found, pattern)
        if any(
            pattern in name or fnmatchcase(name, pattern)
            for name in (rule.rule.id, ruleset.ruleset.ruleset, f"{ruleset.ruleset.ruleset}@{ruleset.ruleset.edition}")
        )
    ]
    if not pairs and pattern != "*":
        raise NotFound(f"No rule fits {pattern!r}; `emma rules list` shows all of them")
    return pairs


def _examples(rule: CompiledRule) -> Iterator[tuple[str, dict[str, Any]]]:
    said = rule.rule.examples
    for key, group in (("pass", said.pass_), ("fail", said.fail), ("undetermined", said.undetermined)):
        for example in group:
            yield key, example


def _weight(rule: CompiledRule) -> str:
    return rule.rule.severity if rule.rule.mandatory else f"{rule.rule.severity}, advisory"


def _plain(part: PartReport) -> dict[str, Any]:
    """The part as JSON says it."""
    from emma_core.nouns import plain_value

    return {**asdict(part), "values": {name: plain_value(said) for name, said in part.values.items()}}


_JOINED = {"and": "all of", "or": "any of", "not": "not", "same": "both or neither of"}


def _part(part: PartReport) -> tuple[str, ...]:
    from emma_core.cli import show

    outcome = {True: "TRUE", False: "FALSE", None: "NULL"}[part.outcome]
    values = [f"{name} = {'unknown' if said is None else show.value(said)}" for name, said in part.values.items()]
    said = part.text if part.kind == "leaf" else _JOINED[part.kind]
    said = f"{part.key}: {said}" if part.depth == 0 else f"{'  ' * part.depth}{said}"
    return "→" if part.decides else "", outcome, said, "\n".join(values)
