"""Tries the examples of rules on engines: what comes out on each of them is what the example says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emma_core.cli import show
from emma_core.cli.progress import Progress
from emma_core.errors import MissingExtra

if TYPE_CHECKING:
    from emma_core.packs import Packs
    from emma_core.ports import Asked, Engine
    from emma_core.rules import CompiledRule, CompiledRuleSet

Tried = dict[str, Any]
"""A rule's id, how many examples of each kind it has, what went `wrong`, and what else there is to say."""

KINDS = ("passed", "failed", "undetermined")


def engines(found: Packs, names: Sequence[str]) -> dict[str, Engine]:
    """The engines of these names, or all that are installed. Raises `OperatorError` or `MissingExtra` for a name that
    none answers to."""
    if names:
        return {name: found.backend("engine", name) for name in dict.fromkeys(names)}
    there: dict[str, Engine] = {}
    for name in dict.fromkeys(name for pack in found.healthy() for name in pack.backends.get("engine", {})):
        try:
            there[name] = found.backend("engine", name)
        except MissingExtra:
            continue  # what is not installed is not asked
    return there


def tried(
    pairs: Sequence[tuple[CompiledRuleSet, CompiledRule]], engines: Mapping[str, Engine], *, mutate: bool
) -> list[Tried]:
    """What came of every example of every rule on every engine and, where that is asked, of every change of a rule."""
    from emma_core import rules

    counts = {rule.rule.id: _counted(rule) for _, rule in pairs}
    held = [(ruleset, rule) for ruleset, rule in pairs if not rule.absent]
    asked = [(rule, _facts(ruleset, rule)) for ruleset, rule in held]
    with Progress("Trying") as progress:
        progress.begin(len(held) * (len(engines) + mutate))
        for name, engine in engines.items():
            for wrong, (rule, _) in zip(_wrong(name, engine, asked), asked, strict=True):
                counts[rule.rule.id]["wrong"] += wrong
                progress.step()
        for ruleset, rule in held if mutate else ():
            came = rules.mutation(rule, ruleset.facts)
            unseen = [f"{each.key}: {each.change}" for each in came.alive]
            counts[rule.rule.id] |= {"changes": came.count, "unseen": unseen}
            progress.step()
    return list(counts.values())


def tell(tried: Sequence[Tried], engines: Sequence[str], *, mutate: bool) -> None:
    """What came of it stands on the screen, rule by rule and in all."""
    rows = [
        (each["rule"], *(str(each[kind]) for kind in KINDS), "\n".join([*each["wrong"], *_noted(each)]) or "ok")
        for each in tried
    ]
    columns = [(title, {"justify": "right"}) for title in ("Passed", "Failed", "Unknown")]
    console = show.screen()
    console.print(show.table(("Rule", {"overflow": "fold"}), *columns, ("", {"ratio": 1}), rows=rows))
    count = sum(each[kind] for each in tried for kind in KINDS)
    ran = f"engine{'s' if len(engines) > 1 else ''} {', '.join(engines)}"
    wrong = sum(bool(each["wrong"]) for each in tried)
    console.print(f"{count} examples of {len(tried)} rules on {ran}; {wrong} rules do not hold")
    if mutate:
        changes = sum(each.get("changes", 0) for each in tried)
        unseen = sum(len(each.get("unseen", ())) for each in tried)
        share = f", {(changes - unseen) / changes:.1%}" if changes else ""
        console.print(f"{changes - unseen} of {changes} changes are noticed by an example{share}")


def _wrong(name: str, engine: Engine, asked: Sequence[Asked]) -> Iterator[list[str]]:
    """Rule by rule, the examples that do not come out on an engine as they say."""
    from emma_core.testing.pack_contract import examples

    for (rule, _), outcomes in zip(asked, engine.examples(asked), strict=True):
        yield [
            f"{wanted} {index}: {came or 'no finding'} on {name}"
            for (wanted, index, _), came in zip(examples(rule), outcomes, strict=True)
            if came != wanted
        ]


def _counted(rule: CompiledRule) -> Tried:
    from emma_core.testing.pack_contract import examples

    counts: Tried = {"rule": rule.rule.id, **dict.fromkeys(KINDS, 0), "wrong": []}
    for wanted, _, _ in examples(rule):
        counts[wanted] += 1
    return counts | ({"needs_table": rule.absent[0]} if rule.absent else {})


def _facts(ruleset: CompiledRuleSet, rule: CompiledRule) -> list[Mapping[str, Any]]:
    from emma_core import rules
    from emma_core.testing.pack_contract import examples

    return [rules.read_example(example, ruleset.facts, of_file=rule.of_file) for _, _, example in examples(rule)]


def _noted(tried: Tried) -> list[str]:
    if "needs_table" in tried:
        return [f"not run: needs table {tried['needs_table']!r}"]
    return [f"unseen: {change}" for change in tried.get("unseen", ())]
