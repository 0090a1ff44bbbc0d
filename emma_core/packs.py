"""Finds the installed packs, asks each what it brings, and contains the ones that fail."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import inspect
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pluggy
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from emma_core import canonical, content, hookspecs, rules
from emma_core.errors import AuthorError, EmmaError, NotFound, OperatorError, PackError
from emma_core.nouns import Blueprint, FactSpec, OverrideTemplate, PackStamp

FIRST = "global"
"""The pack that is asked first, so that no other takes its ids."""
PORTS = ("index", "model", "registry", "store")
"""What a backend may answer."""

_LOADING = threading.RLock()


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
    roles: Mapping[str, str] = field(default_factory=dict)
    backends: Mapping[str, Mapping[str, Callable[..., Any]]] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """True where the pack loaded whole."""
        return self.problem is None

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
            raise PackError(f"No pack {name!r} is installed{_near(name, self.by_name)}; install it with pip")
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
        found = tuple(
            each
            for each in pack.rulesets
            if name in ("*", each.ruleset.ruleset.partition("/")[2]) and edition in ("", each.ruleset.edition)
        )
        if not found:
            there = [f"{each.ruleset.ruleset}@{each.ruleset.edition}" for each in pack.rulesets]
            raise NotFound(f"No rule set {pattern!r}{_near(pattern, there)}; pack {pack_name!r} has {there}")
        return found

    def rule(self, id: str) -> rules.CompiledRule:
        """The rule of that id. Raises `NotFound`."""
        known = {each.rule.id: each for pack in self.healthy() for one in pack.rulesets for each in one.rules}
        if id not in known:
            raise NotFound(f"No rule {id!r}{_near(id, known)}; `emma rules list` shows them")
        return known[id]

    def template(self, id: str) -> OverrideTemplate:
        """The override template of that id. Raises `NotFound`."""
        known = {key: each for pack in self.healthy() for key, each in pack.templates.items()}
        if id not in known:
            raise NotFound(f"No override template {id!r}{_near(id, known)}; there are {sorted(known)}")
        return known[id]

    def blueprints(self) -> dict[str, Blueprint]:
        """The shipped blueprints by id."""
        return {each.id: each for pack in self.healthy() for each in pack.blueprints}

    def roles(self) -> dict[str, str]:
        """Every role that a pack registered, with its title."""
        return {role: title for pack in self.healthy() for role, title in pack.roles.items()}

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
                f"Pack {pack.name!r}: its {port} for {address!r} cannot be made: {_raised(error)};"
                " mend the pack, or name another address"
            ) from error


def find(plugins: Mapping[str, object] | None = None) -> Packs:
    """All packs of the entry-point group `emma`, and `plugins` given by name; one that fails is in there, unhealthy.

    One that brings what an earlier one brought is unhealthy too: `global` comes first, then the distributions' packs
    by name, then `plugins`.
    """
    found: dict[str, Pack] = {}
    points = entry_points(group=hookspecs.PROJECT)
    # what a pack prints while it loads must not stand before the JSON that a program reads on stdout
    with _LOADING, contextlib.redirect_stdout(sys.stderr):
        for point in sorted(points, key=lambda point: (point.name != FIRST, point.name, point.value)):
            pack = _ask(point.name, point.load, point)
            if point.name in found:
                both = f"{found[point.name].distribution!r} and {pack.distribution!r}"
                pack = _unhealthy(pack, f"two distributions bring a pack of this name, {both}; remove one")
            found[point.name] = pack
        for name, plugin in (plugins or {}).items():
            pack = _ask(name, lambda plugin=plugin: plugin, None)  # type: ignore[misc]
            if name in found:
                by = found[name].distribution
                pack = _unhealthy(pack, f"it was given, and distribution {by!r} brings one too; give another name")
            found[name] = pack
    return Packs(MappingProxyType(dict(sorted(_undisputed(found.values())))))


def _undisputed(found: Iterable[Pack]) -> Iterator[tuple[str, Pack]]:
    """The packs by name, each unhealthy that brings what an earlier one brought."""
    owners: dict[str, str] = {}
    for pack in found:
        brought = [
            *(f"blueprint {each.id!r}" for each in pack.blueprints),
            *(f"override template {id!r}" for id in pack.templates),
            *(f"role {role!r}" for role in pack.roles),
            *(f"facts model {model!r}" for model in pack.facts),
            *(f"rule {each.rule.id!r}" for one in pack.rulesets for each in one.rules),
            *(f"{port} scheme {scheme!r}" for port, schemes in pack.backends.items() for scheme in schemes),
        ]
        taken = next((each for each in brought if each in owners), None)
        if taken is None:
            owners |= dict.fromkeys(brought, pack.name)
            yield pack.name, pack
        else:
            problem = f"{taken} is brought by pack {owners[taken]!r} already; give it another name"
            yield pack.name, _unhealthy(pack, problem)


def _unhealthy(pack: Pack, problem: str) -> Pack:
    """The pack with nothing that it brought, and why."""
    return Pack(pack.name, pack.version, pack.distribution, pack.hash, f"Pack {pack.name!r}: {problem}")


def _ask(name: str, plugin: Callable[[], object], point: EntryPoint | None) -> Pack:
    """The pack, whole or unhealthy: whatever it raises is named and ends here."""
    version = point.dist.version if point and point.dist else "0"
    distribution = point.dist.name if point and point.dist else "(given)"
    said = _Answers(name)
    try:
        said.hear(plugin())
        return said.pack(version, distribution)
    except (Exception, SystemExit) as error:  # a stranger's code may raise anything; it must not take the others along
        problem = str(error) if isinstance(error, EmmaError) else _raised(error)
        where = f", hook {said.hook!r}" if said.hook else ""
        return Pack(name, version, distribution, hashlib.sha256(b"").hexdigest(), f"Pack {name!r}{where}: {problem}")


class _Answers:
    """What one plugin answered to each hook, asked one at a time so that a failure has a name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.hook = ""
        self.files: list[tuple[str, str]] = []
        self.said: dict[str, Any] = {}

    def hear(self, plugin: object) -> None:
        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        known = [hook for hook in vars(hookspecs) if hook.startswith("register_")]
        try:
            manager.register(plugin, self.name)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise PackError(_misfit(str(error), known)) from error
        if not manager.get_hookcallers(plugin):
            raise PackError(f"it answers no hook; mark functions with @hookimpl; the hooks are {known}")
        for hook in known:
            for implementation in getattr(manager.hook, hook).get_hookimpls():
                self.hook = hook
                self.said[hook] = implementation.function()
        self.hook = ""
        if (module := inspect.getmodule(plugin)) and module.__file__ and module.__name__ not in ("__main__",):
            own = Path(module.__file__)
            self.files += content.digest([own.parent], ("*.py",) if own.name == "__init__.py" else (own.name,))

    def pack(self, version: str, distribution: str) -> Pack:
        functions = self._functions()
        extractors = self._sequence("register_extractors", "functions that read words", callable)
        backends = self._backends()
        roles = self._roles()
        folders = self._folders()
        loaded = [content.load(folder) for folder in folders]
        self.hook = "register_content" if folders else ""
        _once("role", [*roles, *(role for each in loaded for role in each.roles)])
        _once("facts model", [model for each in loaded for model in each.facts])
        _once("override template", [one.id for each in loaded for one in each.templates])
        _once("blueprint", [one.id for each in loaded for one in each.blueprints])
        roles |= {role: title for each in loaded for role, title in each.roles.items()}
        facts = {model: specs for each in loaded for model, specs in each.facts.items()}
        templates = {one.id: one for each in loaded for one in each.templates}
        for hook, ids in (("register_content", [*facts, *templates]), ("register_roles", [*roles])):
            if stray := next((id for id in ids if not id.startswith(f"{self.name}.")), None):
                self.hook = hook
                raise PackError(f"{stray!r} must start with the pack's name: '{self.name}.…'")
        for one in templates.values():
            if strays := sorted(set(one.granted_by) - set(roles)):
                raise PackError(
                    f"template {one.id!r}: granted_by: no role {strays[0]!r}{_near(strays[0], roles)};"
                    f" the pack's roles are {sorted(roles)}"
                )
        files = self.files + content.digest(folders)
        return Pack(
            self.name,
            version,
            distribution,
            canonical.sha256([list(each) for each in files]),
            rulesets=tuple(self._rulesets(loaded, facts, functions, templates)),
            facts=facts,
            templates=templates,
            blueprints=tuple(one for each in loaded for one in each.blueprints),
            functions=tuple(functions.values()),
            extractors=tuple(extractors),
            roles=roles,
            backends=backends,
        )

    def _functions(self) -> dict[str, rules.Function]:
        functions: dict[str, rules.Function] = {}
        what = "emma_core.Function values"
        for function in self._sequence("register_functions", what, lambda one: isinstance(one, rules.Function)):
            if function.name in rules.BUILTINS or function.name in functions:
                raise PackError(f"function {function.name!r} is there already; give it another name")
            rules.check_function(function)
            functions[function.name] = function
        return functions

    def _folders(self) -> list[Path]:
        if isinstance(said := self.said.get("register_content", ()), Path):
            self.said["register_content"] = [said]
        return self._sequence("register_content", "pathlib.Path values", lambda one: isinstance(one, Path))

    def _roles(self) -> dict[str, str]:
        said = self._mapping("register_roles", "roles with their titles")
        for role, title in said.items():
            if not isinstance(role, str) or not isinstance(title, str) or not title.strip():
                raise PackError(f"role {role!r}: a role's id and its title are text, and its title is {_echo(title)}")
        return dict(said)

    def _backends(self) -> dict[str, dict[str, Callable[..., Any]]]:
        said = self._mapping("register_backends", "ports with their schemes")
        for port, schemes in said.items():
            if port not in PORTS:
                raise PackError(f"no port {port!r}{_near(str(port), PORTS)}; there are {list(PORTS)}")
            if not isinstance(schemes, Mapping):
                raise PackError(f"port {port!r}: it must be a mapping of schemes to factories, and is {_echo(schemes)}")
            for scheme, make in schemes.items():
                if not isinstance(scheme, str) or not scheme or not callable(make):
                    raise PackError(
                        f"port {port!r}: scheme {scheme!r} must be text with a factory, and has {_echo(make)}"
                    )
        return {port: dict(schemes) for port, schemes in said.items()}

    def _sequence(self, hook: str, what: str, fits: Callable[[Any], bool]) -> list[Any]:
        """What a hook returned, a sequence of what fits; from here on, what fails is this hook's."""
        self.hook = hook if hook in self.said else ""
        said = self.said.get(hook, ())
        if not isinstance(said, Sequence) or isinstance(said, str | bytes):
            raise PackError(f"it must return a sequence of {what}, and returned {_echo(said)}")
        if strays := [one for one in said if not fits(one)]:
            raise PackError(f"it must return a sequence of {what}, and one is {_echo(strays[0])}")
        return list(said)

    def _mapping(self, hook: str, what: str) -> Mapping[Any, Any]:
        self.hook = hook if hook in self.said else ""
        said = self.said.get(hook, {})
        if not isinstance(said, Mapping):
            raise PackError(f"it must return a mapping of {what}, and returned {_echo(said)}")
        return said

    def _rulesets(
        self,
        loaded: Iterable[content.Content],
        facts: Mapping[str, Mapping[str, FactSpec]],
        functions: Mapping[str, rules.Function],
        templates: Mapping[str, OverrideTemplate],
    ) -> Iterable[rules.CompiledRuleSet]:
        seen: set[tuple[str, str]] = set()
        for file, ruleset in (pair for each in loaded for pair in each.rulesets):
            if not ruleset.ruleset.startswith(f"{self.name}/"):
                raise AuthorError(
                    f"{file}: ruleset: {ruleset.ruleset!r} must start with '{self.name}/', the pack's name"
                )
            if ruleset.facts not in facts:
                near = _near(ruleset.facts, facts)
                raise AuthorError(f"{file}: facts: no model {ruleset.facts!r}{near}; there are {sorted(facts)}")
            if (ruleset.ruleset, ruleset.edition) in seen:
                raise AuthorError(f"{file}: {ruleset.ruleset}@{ruleset.edition} is there already; change its edition")
            seen.add((ruleset.ruleset, ruleset.edition))
            yield rules.compile_ruleset(
                ruleset, facts[ruleset.facts], {**rules.BUILTINS, **functions}, file=file, templates=templates
            )


def _misfit(said: str, known: Sequence[str]) -> str:
    """What pluggy says of a hook that does not fit, in our own words."""
    hook = said.partition("hook '")[2].partition("'")[0]
    if hook not in known:
        return f"hook {hook!r} does not fit{_near(hook, known)}; the hooks are {known}"
    takes = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters) or "no arguments"
    if more := said.partition("Argument(s) {")[2].partition("}")[0]:
        return f"hook {hook!r} takes {takes}, and this one asks for {', '.join(sorted(more.split(', ')))}; leave it out"
    return f"hook {hook!r} does not fit: {said.splitlines()[-1]}; write a plain function that takes {takes}"


def _once(kind: str, ids: Iterable[str]) -> None:
    if twice := next((id for id, count in Counter(ids).items() if count > 1), None):
        raise PackError(f"{kind} {twice!r} stands twice in the pack; keep one")


def _raised(error: BaseException) -> str:
    """What was raised, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _echo(value: object) -> str:
    """What a hook returned, in one line that is not too long."""
    said = " ".join(repr(value).split())
    return said if len(said) <= 80 else f"{said[:79]}…"


def _near(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
