"""Holds the installed packs, and finds in them what a name means."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from emma_core import hookspecs, rules
from emma_core.errors import EmmaError, NotFound, OperatorError, PackError
from emma_core.nouns import Blueprint, FactSpec, OverrideTemplate, PackStamp
from emma_core.ports import Reader

FIRST = "global"
"""The pack that is asked first, so that no other takes its ids."""


@dataclass(frozen=True)
class Pack:
    """A pack and all it brought, stamped; an unhealthy one brings nothing and says why."""

    name: str
    version: str
    distribution: str
    hash: str
    """SHA-256 over its content files and its own Python files."""
    problem: str | None = None
    rulesets: tuple[rules.CompiledRuleSet, ...] = ()
    facts: Mapping[str, Mapping[str, FactSpec]] = field(default_factory=dict)
    templates: Mapping[str, OverrideTemplate] = field(default_factory=dict)
    blueprints: tuple[Blueprint, ...] = ()
    functions: tuple[rules.Function, ...] = ()
    extractors: tuple[hookspecs.Extractor, ...] = ()
    on_demand: Mapping[str, Callable[[], rules.CompiledRuleSet]] = field(default_factory=dict)
    """By name and edition, rule sets that are read and compiled when they are first called."""
    readers: Mapping[str, Reader] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    backends: Mapping[str, Mapping[str, Callable[..., Any]]] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """True where the pack loaded whole."""
        return self.problem is None

    def every_ruleset(self) -> tuple[rules.CompiledRuleSet, ...]:
        """All its rule sets, those on demand too. Raises `AuthorError` where one of those does not hold."""
        return (*self.rulesets, *(read() for read in self.on_demand.values()))

    @property
    def stamp(self) -> PackStamp:
        """Its name, version and hash, as results carry them."""
        return PackStamp(name=self.name, version=self.version, hash=self.hash)


@dataclass(frozen=True)
class Packs:
    """The installed packs by name, read-only."""

    by_name: Mapping[str, Pack]

    def healthy(self) -> tuple[Pack, ...]:
        """The packs that loaded, by name."""
        return tuple(pack for pack in self.by_name.values() if pack.healthy)

    def need(self, name: str, versions: str = "") -> Pack:
        """The healthy pack of that name in that version range. Raises `PackError`."""
        pack = self.by_name.get(name)
        if pack is None:
            raise PackError(f"No pack {name!r} is installed{near(name, self.by_name)}; install it with pip")
        if pack.problem is not None:
            raise PackError(f"Pack {name!r} is unhealthy: {pack.problem}")
        try:
            fits = SpecifierSet(versions).contains(pack.version, prereleases=True)
        except InvalidSpecifier as error:
            raise PackError(f"Pack {name!r}: {versions!r} is no version range; write one like '>=1,<2'") from error
        if not fits:
            raise PackError(f"Pack {name!r} is installed in version {pack.version}; {versions!r} is needed")
        return pack

    def rulesets(self, pattern: str) -> tuple[rules.CompiledRuleSet, ...]:
        """The rule sets that `pack/name`, `pack/name@edition` or `pack/*` names. Raises `NotFound` or `PackError`."""
        pack_name, _, rest = pattern.partition("/")
        name, _, edition = rest.partition("@")
        pack = self.need(pack_name)
        known = {f"{each.ruleset.ruleset}@{each.ruleset.edition}": each for each in pack.rulesets}
        asked = [full for full in [*known, *pack.on_demand] if _names(full, name, edition)]
        found = tuple(known[full] if full in known else pack.on_demand[full]() for full in asked)
        if not found:
            there = [*known, *pack.on_demand]
            raise NotFound(f"No rule set {pattern!r}{near(pattern, there)}; pack {pack_name!r} has {there}")
        return found

    def editions(self, pattern: str) -> dict[str, list[str]]:
        """By name, the editions of the rule sets that a pattern names, none of them compiled. Raises as `rulesets`."""
        pack_name, _, rest = pattern.partition("/")
        name, _, edition = rest.partition("@")
        pack = self.need(pack_name)
        there = [*(f"{each.ruleset.ruleset}@{each.ruleset.edition}" for each in pack.rulesets), *pack.on_demand]
        found: dict[str, list[str]] = {}
        for full in there:
            if _names(full, name, edition):
                found.setdefault(full.partition("@")[0], []).append(full.partition("@")[2])
        if not found:
            raise NotFound(f"No rule set {pattern!r}{near(pattern, there)}; pack {pack_name!r} has {there}")
        return found

    def rule(self, id: str) -> rules.CompiledRule:
        """The rule of that id. Raises `NotFound`."""
        known = {each.rule.id: each for pack in self.healthy() for one in pack.rulesets for each in one.rules}
        if id not in known:  # the rule of the newest edition that has it
            named = "/".join(id.split(".")[:2]) + "@"
            late = [read for pack in self.healthy() for full, read in sorted(pack.on_demand.items()) if named in full]
            known |= {each.rule.id: each for read in late for each in read().rules}
        if id not in known:
            raise NotFound(f"No rule {id!r}{near(id, known) or '; `emma rules list` shows them'}")
        return known[id]

    def template(self, id: str) -> OverrideTemplate:
        """The override template of that id. Raises `NotFound`."""
        known = {key: each for pack in self.healthy() for key, each in pack.templates.items()}
        if id not in known:
            raise NotFound(f"No override template {id!r}{near(id, known)}; there are {sorted(known)}")
        return known[id]

    def blueprints(self) -> dict[str, Blueprint]:
        """The shipped blueprints by id."""
        return {each.id: each for pack in self.healthy() for each in pack.blueprints}

    def roles(self) -> dict[str, str]:
        """Every role that a pack registered, with its title."""
        return {role: title for pack in self.healthy() for role, title in pack.roles.items()}

    def readers(self) -> dict[str, Reader]:
        """Every reader of files by its name; those of one facts model first."""
        known = {name: each for pack in self.healthy() for name, each in pack.readers.items()}
        return dict(sorted(known.items(), key=lambda pair: (pair[1].model is None, pair[0])))

    def backend(self, port: str, address: str) -> Any:
        """What answers at an address. Raises `OperatorError` naming the schemes there are."""
        scheme = address.partition(":")[0]
        known = {key: (pack, make) for pack in self.healthy() for key, make in pack.backends.get(port, {}).items()}
        if not scheme or (scheme not in known and "*" not in known):
            ill = "".join(f"; {pack.problem}" for pack in self.by_name.values() if pack.name == FIRST and pack.problem)
            raise OperatorError(f"No {port} answers to {address!r}; there are {sorted(known)}{ill}")
        pack, make = known.get(scheme) or known["*"]
        try:
            return make(address)
        except EmmaError:
            raise
        except (Exception, SystemExit) as error:  # a stranger's factory: whoever runs this learns whose it is
            raise OperatorError(
                f"Pack {pack.name!r}: its {port} for {address!r} cannot be made: {raised(error)};"
                " mend the pack, or name another address"
            ) from error


def near(word: str, known: Iterable[str]) -> str:
    """The nearest known word as a question to end an error with, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _names(full: str, name: str, edition: str) -> bool:
    """Whether a rule set's name and edition are meant by a name or `*`, and an edition or none."""
    said = full.partition("/")[2].partition("@")
    return name in ("*", said[0]) and edition in ("", said[2])


def raised(error: BaseException) -> str:
    """What was raised, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
