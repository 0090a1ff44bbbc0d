"""Step two: finds the rules that apply, exactly, and ranks them by nearness; only advisory ones may be left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from emma_core import canonical, rules
from emma_core.nouns import LeftOut, Moment, Retrieved
from emma_core.ports import Words


@dataclass(frozen=True)
class Selection:
    """The rules to be held against the facts, nearest first, and those that were left out with the reason."""

    rules: tuple[rules.CompiledRule, ...]
    retrieved: tuple[Retrieved, ...]
    left_out: tuple[LeftOut, ...]


async def prepare(rulesets: Iterable[rules.CompiledRuleSet], index: Words) -> str:
    """The collection in which the words of these rules can be searched from now on."""
    texts = {one.rule.id: _words(one) for each in rulesets for one in each.rules}
    collection = canonical.sha256(texts)
    await index.put(collection, texts)
    return collection


def applicable(
    rulesets: Iterable[rules.CompiledRuleSet], moment: Moment, dates: Mapping[str, date]
) -> tuple[list[rules.CompiledRule], list[LeftOut]]:
    """The rules that apply at a moment, by scope and date alone, and those that their dates leave out.

    `dates`: by rule set, the date that its effective dates are held against.
    """
    apply, left_out = [], []
    for each in rulesets:
        day = dates[each.ruleset.ruleset]
        for one in each.rules:
            if moment not in one.rule.applies_to:
                continue
            if rules.in_force(one, day):
                apply.append(one)
            else:
                left_out.append(LeftOut(rule=one.rule.id, why=_out_of_force(one, day)))
    return apply, left_out


async def select(
    apply: Sequence[rules.CompiledRule],
    left_out: Sequence[LeftOut],
    *,
    words: str,
    index: Words,
    collection: str,
    top_k: int,
) -> Selection:
    """Of the rules that apply, every mandatory one and the `top_k` nearest advisory ones, nearest first."""
    near = await index.search(collection, words, limit=1_000)
    place = {id: rank for rank, id in enumerate(near)}
    ordered = sorted(apply, key=lambda one: (place.get(one.rule.id, len(place)), not one.rule.mandatory, one.rule.id))
    advisory = [one.rule.id for one in ordered if not one.rule.mandatory and one.rule.id in place][:top_k]
    shown = [one for one in ordered if one.rule.mandatory or one.rule.id in advisory]
    dropped = [
        LeftOut(
            rule=one.rule.id,
            why="advisory, and its words share none with the question"
            if one.rule.id not in place
            else f"advisory, and {top_k} others are nearer",
        )
        for one in ordered
        if not one.rule.mandatory and one.rule.id not in advisory
    ]
    return Selection(
        rules=tuple(shown),
        retrieved=tuple(
            Retrieved(
                rule=one.rule.id,
                title=one.rule.title,
                mandatory=one.rule.mandatory,
                citation=one.rule.source.citation,
                matched=one.rule.id in place,
            )
            for one in shown
        ),
        left_out=(*left_out, *dropped),
    )


def _words(one: rules.CompiledRule) -> str:
    facts = " ".join(spec.title for spec in one.specs.values())
    return f"{one.rule.title}\n{one.rule.text}\n{one.rule.source.citation}\n{facts}"


def _out_of_force(one: rules.CompiledRule, day: date) -> str:
    start, end = one.rule.effective.from_, one.rule.effective.to
    return f"in force {start or '…'} to {end or '…'}, and rules are read at {day}"
