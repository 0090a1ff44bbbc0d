"""Finds the installed packs, asks each what it brings, and contains the ones that fail."""

from __future__ import annotations

import difflib
import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
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
        known = {key: make for pack in self.healthy() for key, make in pack.backends.get(port, {}).items()}
        if not scheme or (scheme not in known and "*" not in known):
            raise OperatorError(f"No {port} answers to {address!r}; there are {sorted(known)}")
        return known.get(scheme, known.get("*"))(address)  # type: ignore[misc]


def find(plugins: Mapping[str, object] | None = None) -> Packs:
    """All packs of the entry-point group `emma`, and `plugins` given by name; one that fails is in there, unhealthy."""
    found: dict[str, Pack] = {}
    for point in sorted(entry_points(group=hookspecs.PROJECT), key=lambda point: (point.name, point.value)):
        pack = _ask(point.name, point.load, point)
        if point.name in found:
            other = found[point.name].distribution
            problem = f"two distributions bring a pack of this name, {other!r} and {pack.distribution!r}; remove one"
            pack = Pack(point.name, pack.version, pack.distribution, pack.hash, problem)
        found[point.name] = pack
    for name, plugin in (plugins or {}).items():
        found[name] = _ask(name, lambda plugin=plugin: plugin, None)  # type: ignore[misc]
    return Packs(MappingProxyType(dict(sorted(found.items()))))


def _ask(name: str, plugin: Callable[[], object], point: EntryPoint | None) -> Pack:
    """The pack, whole or unhealthy: whatever it raises is named and ends here."""
    version = point.dist.version if point and point.dist else "0"
    distribution = point.dist.name if point and point.dist else "(given)"
    said = _Answers(name)
    try:
        said.hear(plugin())
        return said.pack(version, distribution)
    except (Exception, SystemExit) as error:  # a stranger's code may raise anything; it must not take the others along
        problem = str(error) if isinstance(error, EmmaError) else f"{type(error).__name__}: {error}"
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
            hook = str(error).partition("hook '")[2].partition("'")[0]
            raise PackError(f"hook {hook!r} does not fit{_near(hook, known)}; the hooks are {known}") from error
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
        roles = dict(self._mapping("register_roles"))
        folders = self._folders()
        loaded = [content.load(folder) for folder in folders]
        roles |= {role: title for each in loaded for role, title in each.roles.items()}
        self.hook = "register_content" if folders else ""
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
            extractors=tuple(self.said.get("register_extractors", ())),
            roles=roles,
            backends=self._mapping("register_backends"),
        )

    def _functions(self) -> dict[str, rules.Function]:
        functions: dict[str, rules.Function] = {}
        self.hook = "register_functions" if "register_functions" in self.said else ""
        for function in self.said.get("register_functions", ()):
            if not isinstance(function, rules.Function):
                raise PackError(f"it must return emma_core.Function values, and one is {function!r}")
            if function.name in rules.BUILTINS or function.name in functions:
                raise PackError(f"function {function.name!r} is there already; give it another name")
            rules.check_function(function)
            functions[function.name] = function
        return functions

    def _folders(self) -> list[Path]:
        self.hook = "register_content" if "register_content" in self.said else ""
        said = self.said.get("register_content", ())
        folders = [said] if isinstance(said, Path) else list(said)
        if not all(isinstance(folder, Path) for folder in folders):
            raise PackError("it must return a pathlib.Path, or a sequence of them")
        return folders

    def _mapping(self, hook: str) -> Mapping[str, Any]:
        said = self.said.get(hook, {})
        if not isinstance(said, Mapping):
            self.hook = hook
            raise PackError("it must return a mapping")
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


def _near(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
