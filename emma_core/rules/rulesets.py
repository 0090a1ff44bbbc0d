"""Compile a rule set: every predicate read, typed and turned into a closure, every example run."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from emma_core import canonical
from emma_core.errors import RuleError
from emma_core.nouns import FactSpec, Outcome, Rule, RuleSet
from emma_core.rules import closures, messages, repeats, types
from emma_core.rules.builtins import BUILTINS, IN_TABLE
from emma_core.rules.closures import Closure
from emma_core.rules.examples import each, read_example
from emma_core.rules.explain import Branch, Outline, outline
from emma_core.rules.functions import Function
from emma_core.rules.language import parse
from emma_core.rules.mistakes import LanguageError, nearest
from emma_core.rules.tree import And, Call, Literal, Name, Node, Not, Or, Place, Unique, names, walk

JUDGED: Mapping[str, FactSpec] = MappingProxyType(
    {
        "text": FactSpec(type="text", title="Text", question="Which words are to be judged?"),
        "tool": FactSpec(type="text", title="Tool", question="Which tool is called?"),
        "as_of": FactSpec(type="date", title="Date", question="At which date are the rules read?"),
    }
)
"""What is judged is itself in every facts model."""

_GUARDS = {"number": ("is_number", "is_integer"), "ymd": ("is_ymd",)}


@dataclass(frozen=True)
class CompiledRule:
    """A rule that is ready to judge."""

    rule: Rule
    ruleset: RuleSet
    specs: Mapping[str, FactSpec]
    """The facts that its predicates read, in the order they name them."""
    hash: str
    decide: Closure = field(repr=False)
    """TRUE, FALSE or None for NULL, of `NOT when OR require`, under facts by bare name."""
    guard: Closure | None = field(repr=False)
    """The same of `when` alone; None where there is no guard."""
    held: Closure = field(repr=False)
    """The same of `require` alone."""
    require: Node = field(repr=False)
    when: Node | None = field(repr=False)
    whole: Outline = field(repr=False)
    """The leaves of `NOT when OR require`."""
    required: Outline = field(repr=False)
    """The leaves of `require` alone."""
    functions: Mapping[str, Function] = field(repr=False)
    """Those that its predicates may call."""
    tables: Mapping[str, Collection[str]] = field(repr=False)
    absent: tuple[str, ...] = ()
    """Tables that it reads and nobody brought, so that it is not evaluated."""

    @property
    def predicate(self) -> Node:
        """`NOT when OR require`."""
        return self.require if self.when is None else _joined(self.when, self.require)

    @property
    def reads(self) -> frozenset[str]:
        """The facts that its predicates or its message name."""
        return frozenset((*self.specs, *messages.names(self.rule.message)))

    @property
    def of_file(self) -> bool:
        """Whether it speaks of a whole file, and not of one record."""
        return "file" in self.rule.applies_to


@dataclass(frozen=True)
class CompiledRuleSet:
    """A rule set that is ready to judge."""

    ruleset: RuleSet
    facts: Mapping[str, FactSpec]
    """The facts model, with what is judged itself."""
    rules: tuple[CompiledRule, ...]
    warnings: tuple[str, ...]
    """What loads but reads like a mistake."""


def compile_ruleset(
    ruleset: RuleSet,
    facts: Mapping[str, FactSpec],
    functions: Mapping[str, Function],
    *,
    file: str,
    templates: Collection[str] | None = None,
    tables: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> CompiledRuleSet:
    """The rule set with each rule checked against its own examples. Raises `RuleError` naming file, rule and key."""
    specs = _all_facts(facts, file)
    known = _all_functions(functions, file)
    _check_set(ruleset, specs, file)
    workshop = _Workshop(ruleset, specs, known, tables, templates, file)
    rules = tuple(workshop.compiled(rule) for rule in ruleset.rules)
    return CompiledRuleSet(ruleset, MappingProxyType(specs), rules, tuple(workshop.warnings))


def _all_facts(facts: Mapping[str, FactSpec], file: str) -> dict[str, FactSpec]:
    for name, spec in JUDGED.items():
        if name in facts and facts[name].type != spec.type:
            what = f"fact {name!r} is a {spec.type} in every facts model"
            raise RuleError(f"{file}: {what}; give yours another name")
    return {**JUDGED, **facts}


def _all_functions(functions: Mapping[str, Function], file: str) -> dict[str, Function]:
    for name, function in functions.items():
        if name in BUILTINS and BUILTINS[name] is not function:
            raise RuleError(f"{file}: function {name!r} is built in; give yours another name")
        if name != function.name:
            raise RuleError(f"{file}: function {function.name!r} is registered as {name!r}; use its own name")
    return {**functions, **BUILTINS}


def _check_set(ruleset: RuleSet, facts: Mapping[str, FactSpec], file: str) -> None:
    name = ruleset.as_of
    if name is not None and name not in facts:
        raise RuleError(f"{file}: as_of: no fact {name!r}{nearest(name, facts)}")
    if name is not None and facts[name].type != "date":
        raise RuleError(f"{file}: as_of: {name!r} is a {facts[name].type}; name a date fact")
    seen: set[str] = set()
    prefix = ruleset.ruleset.replace("/", ".") + "."
    for rule in ruleset.rules:
        if not rule.id.startswith(prefix):
            raise RuleError(f"{file}: {rule.id}: id: it must begin with {prefix!r}, after its rule set")
        if rule.id in seen:
            raise RuleError(f"{file}: {rule.id}: id: two rules have it; give one another")
        seen.add(rule.id)


@dataclass
class _Workshop:
    """What every rule of one set is compiled with."""

    ruleset: RuleSet
    facts: Mapping[str, FactSpec]
    functions: Mapping[str, Function]
    tables: Mapping[str, Collection[str]]
    templates: Collection[str] | None
    file: str
    warnings: list[str] = field(default_factory=list)

    def compiled(self, rule: Rule) -> CompiledRule:
        where = f"{self.file}: {rule.id}: "
        self._check_shape(rule, where)
        self._check_words(rule, where)
        when, require = self._predicates(rule, where)
        read = names(require) if when is None else tuple(dict.fromkeys((*names(when), *names(require))))
        specs = {name: self.facts[name] for name in read}
        guard = None if when is None else self._emit(when)
        held = self._emit(require)
        whole, required = self._outlines(when, require)
        compiled = CompiledRule(
            rule=rule,
            ruleset=self.ruleset,
            specs=MappingProxyType(specs),
            hash=self._hash(rule, specs),
            decide=held if when is None else self._emit(_joined(when, require)),
            guard=guard,
            held=held,
            require=require,
            when=when,
            whole=whole,
            required=required,
            functions=self.functions,
            tables=self.tables,
            absent=self._absent(when, require),
        )
        self._warn(compiled, where)
        self._check_examples(compiled, where)
        return compiled

    def _predicates(self, rule: Rule, where: str) -> tuple[Node | None, Node]:
        """`when` and `require`, each filled in and AND-joined where the rule says so."""
        of_file = "file" in rule.applies_to
        if rule.unique is not None:
            return None, self._unique(rule, where)
        require = rule.require or ""
        if rule.each is not None:
            return self._repeated(rule, require, where)
        when = None if rule.when is None else self._read(rule.when, f"{where}when: ", of_file=of_file)
        return when, self._read(require, f"{where}require: ", of_file=of_file)

    def _repeated(self, rule: Rule, require: str, where: str) -> tuple[Node | None, Node]:
        of_file, whens, requires = "file" in rule.applies_to, [], []
        alone = rule.when is None or not repeats.needs(rule.when)
        try:
            ways = list(repeats.ways(rule.each or {}, (require, rule.when or "")))
        except RuleError as error:
            raise RuleError(f"{where}each: {error}") from None
        for filled in ways:
            at = repeats.shown(filled)
            part = self._read(repeats.fill(require, filled), f"{where}require: {at}: ", of_file=of_file)
            if not alone:
                when = self._read(repeats.fill(rule.when or "", filled), f"{where}when: {at}: ", of_file=of_file)
                whens.append(when)
                part = _joined(when, part)
            requires.append(part)
        whole = And(tuple(requires), place=Place(require, 0, len(require)), type="bool")
        if alone:
            return self._read(rule.when, f"{where}when: ", of_file=of_file) if rule.when else None, whole
        return Or(tuple(whens), place=Place(rule.when or "", 0, len(rule.when or "")), type="bool"), whole

    def _unique(self, rule: Rule, where: str) -> Node:
        fields = rule.unique or ()
        for name in fields:
            if name not in self.facts:
                raise RuleError(f"{where}unique: no fact {name!r}{nearest(name, self.facts)}")
        said = f"unique ({', '.join(fields)})"
        places = [Place(said, found.start(), found.end()) for found in re.finditer(r"[a-z0-9_]+(?=[,)])", said)]
        subjects = tuple(Name(name, place=place) for name, place in zip(fields, places, strict=True))
        try:
            when = None if rule.when is None else parse(rule.when)
            return types.check(
                Unique(subjects, when, place=Place(said, 0, len(said))), self.facts, self.functions, of_file=True
            )
        except LanguageError as error:
            key = "unique" if error.place.source == said else "when"
            raise error.within(f"{where}{key}: ") from None

    def _read(self, text: str, where: str, *, of_file: bool) -> Node:
        try:
            return types.check(parse(text), self.facts, self.functions, of_file=of_file)
        except LanguageError as error:
            raise error.within(where) from None

    def _emit(self, node: Node) -> Closure:
        return closures.emit(node, self.functions, self.tables)

    def _outlines(self, when: Node | None, require: Node) -> tuple[Outline, Outline]:
        required = outline(require, self._emit)
        if when is None:
            return required, required
        return Branch("or", (Branch("not", (outline(when, self._emit),)), required)), required

    def _check_shape(self, rule: Rule, where: str) -> None:
        """The keys of the rule go together."""
        if rule.require is None and rule.unique is None:
            raise RuleError(f"{where}require: it is missing; write a predicate, or 'unique' in a file rule")
        if "file" in rule.applies_to and len(rule.applies_to) > 1:
            raise RuleError(f"{where}applies_to: a file rule applies to nothing else; write another rule for the rest")
        if rule.unique is None:
            return
        if rule.require is not None or rule.each is not None:
            other = "require" if rule.require is not None else "each"
            raise RuleError(f"{where}unique: it stands in place of {other!r}; write two rules")
        if "file" not in rule.applies_to:
            raise RuleError(f'{where}unique: it speaks of a whole file; write applies_to: ["file"]')
        if len(set(rule.unique)) < len(rule.unique):
            raise RuleError(f"{where}unique: it names a fact twice; keep one")

    def _check_words(self, rule: Rule, where: str) -> None:
        try:
            messages.check_message(rule.message, self._sayable(rule))
        except RuleError as error:
            raise RuleError(f"{where}message: {error}") from None
        first, last = rule.effective.from_, rule.effective.to
        if first and last and last < first:
            raise RuleError(f"{where}effective: 'to' {last} lies before 'from' {first}; swap them")
        template = rule.override_template
        if template is not None and self.templates is not None and template not in self.templates:
            near = difflib.get_close_matches(template, sorted(self.templates), n=1)
            said = f"; did you mean {near[0]!r}?" if near else f"; there are {sorted(self.templates)}"
            raise RuleError(f"{where}override_template: no template {template!r}{said}")

    def _sayable(self, rule: Rule) -> Mapping[str, FactSpec]:
        """The facts that a message may speak of: of a file its own, and what records that are alike share."""
        if "file" not in rule.applies_to:
            return self.facts
        shared = rule.unique or ()
        return {name: spec for name, spec in self.facts.items() if name in shared or types.is_of_file(name, spec)}

    def _hash(self, rule: Rule, specs: Mapping[str, FactSpec]) -> str:
        said = {key: value for key, value in rule.plain().items() if key != "examples"}
        return canonical.sha256(
            {
                "rule": said,
                "ruleset": self.ruleset.ruleset,
                "edition": self.ruleset.edition,
                "missing": self.ruleset.missing,
                "as_of": self.ruleset.as_of,
                "facts": {name: spec.type for name, spec in specs.items()},
            }
        )

    def _absent(self, when: Node | None, require: Node) -> tuple[str, ...]:
        named = [
            str(call.arguments[1].value)
            for call in _calls(when, require)
            if call.function == IN_TABLE and isinstance(call.arguments[1], Literal)
        ]
        return tuple(dict.fromkeys(name for name in named if name not in self.tables))

    def _warn(self, rule: CompiledRule, where: str) -> None:
        calls = _calls(rule.when, rule.require)
        guarded = {(call.function, call.arguments) for call in calls}
        for call in dict.fromkeys(calls):
            guards = _GUARDS.get(call.function, ())
            if guards and not any((guard, call.arguments) in guarded for guard in guards):
                argument = call.arguments[0].text
                said = f"{call.text} is NULL where {argument} holds none"
                self.warnings.append(f"{where}{said}; guard it: {guards[0]}({argument}) AND …")
        if rule.absent:
            self.warnings.append(f"{where}no table {rule.absent[0]!r} is installed; its examples were not run")

    def _check_examples(self, rule: CompiledRule, where: str) -> None:
        if rule.absent:
            return
        for key, index, outcome, example in each(rule.rule.examples):
            at = f"{where}examples.{key}[{index}]: "
            came = self._came(rule, example, at)
            if came != outcome:
                raise RuleError(f"{at}came out as {came}, not {outcome}; mend the example or the rule")

    def _came(self, rule: CompiledRule, example: Mapping[str, Any], at: str) -> str:
        try:
            facts = read_example(example, self.facts, of_file=rule.of_file)
        except RuleError as error:
            raise RuleError(f"{at}{error}") from error
        try:
            return outcome_of(rule, facts) or "not applicable, because its 'when' is FALSE"
        except Exception as error:  # a body that raises breaks its rule here, before anyone asks
            raise RuleError(f"{at}came out as broken: {error}") from error


def outcome_of(rule: CompiledRule, facts: Mapping[str, Any]) -> Outcome | None:
    """`passed`, `failed` or `undetermined`; None where `when` is FALSE. Raises what a function's body raises."""
    if rule.absent:
        return "undetermined"
    applies = rule.guard is None or rule.guard(facts)
    if applies is False:
        return None
    held = rule.held(facts)
    if held:
        return "passed"
    # a guard that nobody can tell excuses nothing, and accuses of nothing
    if applies and held is False:
        return "failed"
    return "undetermined" if rule.of_file else rule.ruleset.missing


def _joined(when: Node, require: Node) -> Node:
    return Or((Not(when, place=when.place, type="bool"), require), place=require.place, type="bool")


def _calls(when: Node | None, require: Node) -> list[Call]:
    parts = [*(walk(when) if when is not None else ()), *walk(require)]
    return [part for part in parts if isinstance(part, Call)]
