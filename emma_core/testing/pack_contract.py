"""Checks what any pack must do; a pack's own tests run every check, and so does `emma packs check`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

from emma_core import blueprints, packs, rules, wording
from emma_core.errors import EmmaError
from emma_core.nouns import FactSpec, FactType, Finding
from emma_core.packs import Pack
from emma_core.rules import CompiledRule, Function

ROUNDS = 200
"""How many random arguments each function is given."""
ODD_TEXTS = (
    "",
    " ",
    "\x00\x01\x1b[31m\x7f",
    "🏠" * 500,
    "e\u0301\u200b\u202e\U000e0041",
    "4" * 32_000,
    "1,234.50% $9 " * 2_400,
    "(" * 32_000,
    "2024-02-30 99/99/9999 0000-00-00",
    "word " * 6_400,
    "'\"\\{}[]%s{0}</script>",
)


def installed_pack(name: str) -> Pack:
    """The installed pack of that name, healthy or not. Raises `AssertionError` where there is none."""
    found = packs.find().by_name
    assert name in found, f"no pack {name!r} is installed; run: pip install -e . (there are {sorted(found)})"
    return found[name]


def came_out(rule: CompiledRule, specs: Mapping[str, FactSpec], example: Mapping[str, Any]) -> Finding | None:
    """The finding of a rule under one of its examples; None where its `when` is FALSE."""
    facts = rules.read_example(example, specs, of_file=rule.of_file)
    return rules.judge(rule, facts, basis=dict.fromkeys(facts, "given"), as_of=_day(rule))


def the_pack_is_healthy(pack: Pack) -> None:
    """It loaded whole."""
    assert pack.healthy, pack.problem


def its_hash_is_the_same_when_loaded_again(pack: Pack) -> None:
    """Nothing that it brings depends on the time, the order or chance."""
    again = packs.find().by_name.get(pack.name)
    assert again is None or again.hash == pack.hash, f"loaded twice, two hashes: {pack.hash} and {again.hash}"


def every_rule_names_a_source_that_was_read(pack: Pack) -> None:
    """Its source was read, and not in the future; a day begins earlier elsewhere."""
    tomorrow = date.today() + timedelta(days=1)
    for rule, _ in _rules(pack):
        read_on = rule.rule.source.read_on
        assert read_on <= tomorrow, f"{rule.rule.id}: source.read_on: {read_on} has not come yet"


def every_example_comes_out_as_it_says(pack: Pack) -> None:
    """Each rule passes, fails and is undetermined where its examples say so."""
    for rule, specs in _rules(pack):
        for wanted, index, example in examples(rule) if not rule.absent else ():
            came = came_out(rule, specs, example)
            outcome = came.outcome if came else "no finding"
            assert outcome == wanted, f"{rule.rule.id}: example {index} of {wanted!r} came out as {outcome!r}"


def every_message_fills_with_the_values_it_speaks_of(pack: Pack) -> None:
    """A person who reads what failed sees no placeholder."""
    for rule, finding in _failures(pack):
        assert finding.message.strip(), f"{rule.rule.id}: the message is empty"
        odd = [name for name in rule.specs if f"{{{name}" in finding.message]
        assert not odd, f"{rule.rule.id}: the message still says {{{odd[0]}}}"


def every_rule_can_be_reached(pack: Pack) -> None:
    """There is a day on which it is in force, and facts under which it says something and fails."""
    failing = {rule.rule.id for rule, _ in _failures(pack)}
    for rule, _ in _rules(pack):
        assert rules.in_force(rule, _day(rule)), f"{rule.rule.id}: no day lies within its effective dates"
        assert rule.absent or rule.rule.id in failing, f"{rule.rule.id}: none of its examples makes it fail"


def every_override_can_be_read_and_granted(pack: Pack) -> None:
    """Its roles are registered, a rule names it, and its words render for a failing example."""
    named = set()
    for rule, finding in _failures(pack):
        template = pack.templates.get(rule.rule.override_template or "")
        if template is None:
            continue
        named.add(template.id)
        spoken = {"rule": rule.rule.plain(), "finding": finding.plain(), "values": finding.values or {}}
        words = wording.render(template.words, spoken)
        assert words.strip(), f"{template.id}: its words are empty for {rule.rule.id}"
    for template in pack.templates.values():
        strays = sorted(set(template.granted_by) - set(pack.roles))
        assert not strays, f"{template.id}: granted_by: no pack role {strays[0]!r}"
        assert template.id in named, f"{template.id}: no rule of the pack names it and can fail"


def every_function_is_pure_and_never_raises(pack: Pack) -> None:
    """Its examples hold; given odd values of its types it returns its own type or nothing, and the same twice."""
    for function in pack.functions:
        rules.check_function(function)
        chance = random.Random(function.name)  # seeded: a failure can be seen again
        for _ in range(ROUNDS):
            given = _arguments(function, chance)
            if given is None:
                continue
            body, rest = given
            try:
                came, again = body(*rest), body(*rest)
            except (Exception, SystemExit) as error:
                raise AssertionError(f"{function.name}{rest!r} raised {type(error).__name__}: {error}") from error
            assert came == again, f"{function.name}{rest!r} gave {came!r} and then {again!r}"
            assert came is None or _is(function.returns, came), f"{function.name}{rest!r} gave {came!r}"


def every_function_says_the_same_in_polars(pack: Pack) -> None:
    """Where it brings an expression, that and its body give the same for odd values and for NULL."""
    if find_spec("polars") is None:
        return
    from emma_core.rules import table

    for function in pack.functions:
        if function.polars is None:
            continue
        chance = random.Random(function.name)
        given = [each for _ in range(ROUNDS) if (each := _given(function, chance)) is not None]
        literal = [min(index, len(function.params) - 1) in function.literal for index in range(len(given[0]))]
        unsaid = [value if written else None for value, written in zip(given[0], literal, strict=True)]
        came = table.differs(function, [*given, unsaid])
        assert came is None, f"{function.name}{came}"


def every_extractor_survives_odd_texts(pack: Pack) -> None:
    """It raises at no text, reads the same twice, names facts of its pack, and points at the words it read."""
    known = {name for model, specs in pack.facts.items() for bare in specs for name in (bare, f"{model}.{bare}")}
    said = [spec.title for specs in pack.facts.values() for spec in specs.values()]
    texts = [*ODD_TEXTS, *(f"The {title} is 12.5%, or $1,200 on 2024-02-29." for title in said), " ".join(said) * 50]
    for extractor in pack.extractors:
        name = getattr(extractor, "__name__", str(extractor))
        for text in texts:
            shown = repr(text[:40])
            try:
                found, again = list(extractor(text)), list(extractor(text))
            except (Exception, SystemExit) as error:
                raise AssertionError(f"{name}({shown}…) raised {type(error).__name__}: {error}") from error
            assert found == again, f"{name}({shown}…) read two things: {found} and {again}"
            for each in found:
                assert each.fact in known, f"{name}({shown}…) reads {each.fact!r}, which the pack does not declare"
                inside = 0 <= each.start < each.end <= len(text)
                assert inside, f"{name}({shown}…): {each.start}..{each.end} is no place in the text"
                assert text[each.start : each.end].strip(), f"{name}({shown}…) points at nothing for {each.fact!r}"


def every_blueprint_finds_its_packs_and_rules(pack: Pack) -> None:
    """Each can be asked with what is installed here."""
    there = packs.find()
    for blueprint in pack.blueprints:
        if pack.name != "global" or set(blueprint.packs) <= set(there.by_name):
            try:
                blueprints.prepare(blueprint, there, as_of=date.today())
            except EmmaError as error:
                raise AssertionError(str(error)) from error


CHECKS: tuple[Callable[[Pack], None], ...] = (
    the_pack_is_healthy,
    its_hash_is_the_same_when_loaded_again,
    every_rule_names_a_source_that_was_read,
    every_example_comes_out_as_it_says,
    every_message_fills_with_the_values_it_speaks_of,
    every_rule_can_be_reached,
    every_override_can_be_read_and_granted,
    every_function_is_pure_and_never_raises,
    every_function_says_the_same_in_polars,
    every_extractor_survives_odd_texts,
    every_blueprint_finds_its_packs_and_rules,
)
"""Each takes a pack and raises `AssertionError` with a telling text; parametrize a test with them."""


def examples(rule: CompiledRule) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """A rule's examples, each with the outcome that it must have and its place among them."""
    said = rule.rule.examples
    for outcome, group in (("passed", said.pass_), ("failed", said.fail), ("undetermined", said.undetermined)):
        for index, example in enumerate(group):
            yield outcome, index, example


def _rules(pack: Pack) -> Iterator[tuple[CompiledRule, Mapping[str, FactSpec]]]:
    for ruleset in pack.every_ruleset():
        for rule in ruleset.rules:
            yield rule, ruleset.facts


def _failures(pack: Pack) -> Iterator[tuple[CompiledRule, Finding]]:
    for rule, specs in _rules(pack):
        for outcome, _, example in examples(rule):
            if outcome == "failed" and (finding := came_out(rule, specs, example)) and finding.outcome == "failed":
                yield rule, finding


def _day(rule: CompiledRule) -> date:
    """A day on which the rule is in force, where there is one."""
    effective = rule.rule.effective
    return effective.from_ or effective.to or date(2026, 1, 1)


def _arguments(function: Function, chance: random.Random) -> tuple[Callable[..., Any], list[Any]] | None:
    """The body over random arguments."""
    given = _given(function, chance)
    if given is None:
        return None
    if function.prepare is None:
        return function.body, given
    written = [each for index, each in enumerate(given) if index in function.literal]
    return function.prepare(*written), [each for index, each in enumerate(given) if index not in function.literal]


def _given(function: Function, chance: random.Random) -> list[Any] | None:
    """Random arguments; those that a predicate must write out are taken from the examples."""
    literals = [arguments for arguments, _ in function.examples]
    if function.literal and not literals:
        return None
    chosen = chance.choice(literals) if literals else ()
    kinds = list(function.params)
    if function.variadic:
        kinds += [kinds[-1]] * chance.randrange(3)
    given = []
    for index, kind in enumerate(kinds):
        place = min(index, len(function.params) - 1)
        literal = place in function.literal and place < len(chosen)
        given.append(rules.read_value(kind, chosen[place], name=function.name) if literal else _odd(kind, chance))
    return given


def _odd(kind: FactType, chance: random.Random) -> Any:
    if kind == "number":
        return Decimal(chance.choice([0, 1, -1, 10**12 - 1, chance.randrange(-(10**12), 10**12)])) / chance.choice(
            [1, 10, 1000, 10**6]
        )
    if kind == "date":
        return date(1800, 1, 1) + timedelta(days=chance.randrange(146_097))
    if kind == "bool":
        return chance.random() < 0.5
    if kind == "list":
        return tuple(chance.choice(ODD_TEXTS)[:80] for _ in range(chance.randrange(4)))
    odd = "".join(chr(chance.choice([*range(32, 127), *range(0x2190, 0x21A0)])) for _ in range(chance.randrange(30)))
    digits = "".join(chance.choices("0123456789", k=chance.randrange(1, 24)))
    return chance.choice([odd, digits, chance.choice(ODD_TEXTS)])


def _is(kind: FactType, value: object) -> bool:
    wanted: dict[FactType, Any] = {"text": str, "number": (Decimal, int), "date": date, "bool": bool, "list": tuple}
    return isinstance(value, wanted[kind]) and (kind == "bool" or not isinstance(value, bool))
