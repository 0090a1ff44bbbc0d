"""Asks one plugin what it brings, hook by hook, so that a failure has a name."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import pluggy

from emma_core import canonical, content, hookspecs, rules
from emma_core.errors import AuthorError, PackError
from emma_core.nouns import OverrideTemplate, RuleSet
from emma_core.packs.installed import Pack, near
from emma_core.ports import Reader

PORTS = ("blobs", "cache", "copier", "engine", "index", "jobs", "model", "registry", "secrets", "store")
"""What a backend may answer."""


class Answers:
    """What one plugin answered to each hook, asked one at a time so that a failure has a name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.hook = ""
        self.files: list[tuple[str, str]] = []
        self.said: dict[str, Any] = {}

    def hear(self, plugin: object) -> None:
        """What the plugin answered to each hook is known. Raises `PackError`, or whatever a hook of it raises."""
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
        """The pack that the answers make. Raises `AuthorError` where one of them does not hold."""
        functions = self._functions()
        extractors = self._sequence("register_extractors", "functions that read words", callable)
        backends, readers, roles = self._backends(), self._readers(), self._roles()
        folders = self._folders()
        loaded = [content.load(folder) for folder in folders]
        self.hook = "register_content" if folders else ""
        _once("role", [*roles, *(role for each in loaded for role in each.roles)])
        _once("facts model", [model for each in loaded for model in each.facts])
        _once("override template", [one.id for each in loaded for one in each.templates])
        _once("blueprint", [one.id for each in loaded for one in each.blueprints])
        said = content.together(loaded)
        roles |= said.roles
        templates = {one.id: one for one in said.templates}
        self._check_ids([*said.facts, *templates, *said.on_demand], roles, said.templates)
        files = self.files + content.digest(folders)
        return Pack(
            self.name,
            version,
            distribution,
            canonical.sha256([list(each) for each in files]),
            rulesets=tuple(self._rulesets(said, functions, templates)),
            on_demand=self._on_demand(said, functions, templates),
            facts=said.facts,
            templates=templates,
            blueprints=said.blueprints,
            functions=tuple(functions.values()),
            extractors=tuple(extractors),
            readers=readers,
            roles=roles,
            backends=backends,
        )

    def _check_ids(self, ids: Iterable[str], roles: Mapping[str, str], templates: Iterable[OverrideTemplate]) -> None:
        """What the pack brings begins with its name, and its templates name its own roles. Raises `PackError`."""
        for hook, named in (("register_content", ids), ("register_roles", roles)):
            if stray := next((id for id in named if not id.startswith((f"{self.name}.", f"{self.name}/"))), None):
                self.hook = hook
                raise PackError(f"{stray!r} must start with the pack's name: '{self.name}.…'")
        for one in templates:
            if strays := sorted(set(one.granted_by) - set(roles)):
                raise PackError(
                    f"template {one.id!r}: granted_by: no role {strays[0]!r}{near(strays[0], roles)};"
                    f" the pack's roles are {sorted(roles)}"
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

    def _on_demand(
        self,
        said: content.Content,
        functions: Mapping[str, rules.Function],
        templates: Mapping[str, OverrideTemplate],
    ) -> Mapping[str, Callable[[], rules.CompiledRuleSet]]:
        def read(name: str) -> rules.CompiledRuleSet:
            ruleset = content.read_ruleset(name, said.on_demand)
            return _compiled(said.on_demand[name].name, ruleset, said, functions, templates)

        return {name: cache(partial(read, name)) for name in said.on_demand}

    def _readers(self) -> Mapping[str, Reader]:
        readers = self._mapping("register_readers", "names to readers")
        for name, reader in readers.items():
            missing = [part for part in ("suffixes", "model", "read") if not hasattr(reader, part)]
            if missing:
                raise PackError(f"reader {name!r} is no Reader: it has no {missing[0]!r}")
        return readers

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
                raise PackError(f"no port {port!r}{near(str(port), PORTS)}; there are {list(PORTS)}")
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
        said: content.Content,
        functions: Mapping[str, rules.Function],
        templates: Mapping[str, OverrideTemplate],
    ) -> Iterable[rules.CompiledRuleSet]:
        seen: set[tuple[str, str]] = set()
        for file, ruleset in said.rulesets:
            if not ruleset.ruleset.startswith(f"{self.name}/"):
                raise AuthorError(
                    f"{file}: ruleset: {ruleset.ruleset!r} must start with '{self.name}/', the pack's name"
                )
            if (ruleset.ruleset, ruleset.edition) in seen:
                raise AuthorError(f"{file}: {ruleset.ruleset}@{ruleset.edition} is there already; change its edition")
            seen.add((ruleset.ruleset, ruleset.edition))
            yield _compiled(file, ruleset, said, functions, templates)


def _compiled(
    file: str,
    ruleset: RuleSet,
    said: content.Content,
    functions: Mapping[str, rules.Function],
    templates: Mapping[str, OverrideTemplate],
) -> rules.CompiledRuleSet:
    """The rule set over its facts model. Raises `AuthorError` where that is missing or a rule does not hold."""
    if ruleset.facts not in said.facts:
        hint = near(ruleset.facts, said.facts)
        raise AuthorError(f"{file}: facts: no model {ruleset.facts!r}{hint}; there are {sorted(said.facts)}")
    return rules.compile_ruleset(
        ruleset, said.facts[ruleset.facts], functions, file=file, templates=templates, tables=said.tables
    )


def _misfit(said: str, known: Sequence[str]) -> str:
    """What pluggy says of a hook that does not fit, in our own words."""
    hook = said.partition("hook '")[2].partition("'")[0]
    if hook not in known:
        return f"hook {hook!r} does not fit{near(hook, known)}; the hooks are {known}"
    takes = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters) or "no arguments"
    if more := said.partition("Argument(s) {")[2].partition("}")[0]:
        return f"hook {hook!r} takes {takes}, and this one asks for {', '.join(sorted(more.split(', ')))}; leave it out"
    return f"hook {hook!r} does not fit: {said.splitlines()[-1]}; write a plain function that takes {takes}"


def _once(kind: str, ids: Iterable[str]) -> None:
    if twice := next((id for id, count in Counter(ids).items() if count > 1), None):
        raise PackError(f"{kind} {twice!r} stands twice in the pack; keep one")


def _echo(value: object) -> str:
    """What a hook returned, in one line that is not too long."""
    said = " ".join(repr(value).split())
    return said if len(said) <= 80 else f"{said[:79]}…"
