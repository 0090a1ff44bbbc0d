"""Step one: an agent's blueprint with the packs, rules and readers it names, pinned by one hash."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from emma_core import canonical, content, rules
from emma_core.errors import BlueprintError, NotFound
from emma_core.hookspecs import Extractor
from emma_core.nouns import Blueprint, FactSpec, PackStamp
from emma_core.packs import Packs

_ID = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Prepared:
    """A blueprint that can be asked: its packs are there, its rule sets are chosen, its hash pins all of it."""

    blueprint: Blueprint
    hash: str
    """SHA-256 over the blueprint, its packs' stamps and its rules' hashes."""
    packs: tuple[PackStamp, ...]
    rulesets: tuple[rules.CompiledRuleSet, ...]
    extractors: tuple[tuple[str, Extractor], ...]
    """With the name of the pack that brought each."""

    @property
    def rule_hashes(self) -> dict[str, str]:
        """The hashes of its rules by their ids."""
        return {id: rule.hash for id, rule in sorted(self.by_id.items())}

    @property
    def models(self) -> Mapping[str, Mapping[str, FactSpec]]:
        """The facts models that its rule sets read, without what is judged itself: that nobody gives or asks for."""
        return {
            each.ruleset.facts: {name: spec for name, spec in each.facts.items() if name not in rules.JUDGED}
            for each in self.rulesets
        }

    @property
    def by_id(self) -> Mapping[str, rules.CompiledRule]:
        """Its rules."""
        return {one.rule.id: one for each in self.rulesets for one in each.rules}


def known(packs: Packs, folder: Path | None) -> dict[str, Blueprint]:
    """Every blueprint by id: the shipped ones, then those of your own folder. Raises `BlueprintError`."""
    found = packs.blueprints()
    if folder is not None:
        if not folder.is_dir():
            raise BlueprintError(f"EMMA_BLUEPRINTS: there is no folder {str(folder)!r}")
        found |= {each.id: each for each in map(content.read_blueprint, sorted(folder.glob("*.yaml")))}
    return found


def find(packs: Packs, folder: Path | None, id: str) -> Blueprint:
    """The blueprint of that id. Raises `NotFound` naming the nearest."""
    own = folder / f"{id}.yaml" if folder is not None and _ID.fullmatch(id) else None
    if own is not None and own.is_file():  # one that does not read harms no other
        return content.read_blueprint(own)
    there = packs.blueprints() if folder is not None and folder.is_dir() else known(packs, folder)
    if id not in there:
        names = {*there, *(path.stem for path in folder.glob("*.yaml"))} if folder is not None else set(there)
        near = difflib.get_close_matches(id, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {sorted(names)}"
        raise NotFound(f"No blueprint {id!r}; {hint}")
    return there[id]


def prepare(blueprint: Blueprint, packs: Packs, *, as_of: date) -> Prepared:
    """The blueprint ready to be asked. Raises `BlueprintError`, `PackError` or `NotFound` where it may not run."""
    if blueprint.tools:
        raise BlueprintError(f"Blueprint {blueprint.id!r}: tools: no pack brings a tool {blueprint.tools[0]!r}")
    used = [packs.need(name, versions) for name, versions in blueprint.packs.items()]
    named = {pattern.partition("/")[0] for pattern in blueprint.rules.use}
    used += [packs.need(name) for name in sorted(named - set(blueprint.packs))]
    rulesets: dict[str, rules.CompiledRuleSet] = {}
    for pattern in blueprint.rules.use:
        for each in _edition(packs.rulesets(pattern), pattern, as_of):
            held = rulesets.setdefault(each.ruleset.ruleset, each)
            if held is not each:
                raise BlueprintError(
                    f"Blueprint {blueprint.id!r}: rules.use: {pattern!r} means edition {each.ruleset.edition!r} of"
                    f" {each.ruleset.ruleset!r}, of which {held.ruleset.edition!r} is in use already; name one"
                )
    stamps = tuple(pack.stamp for pack in sorted(used, key=lambda pack: pack.name))
    return Prepared(
        blueprint=blueprint,
        hash=pin(blueprint, stamps, (one.hash for each in rulesets.values() for one in each.rules)),
        packs=stamps,
        rulesets=tuple(rulesets.values()),
        extractors=tuple((pack.name, extractor) for pack in used for extractor in pack.extractors),
    )


def pin(blueprint: Blueprint, packs: Iterable[PackStamp], hashes: Iterable[str]) -> str:
    """The hash over a blueprint, its packs' stamps and its rules' hashes."""
    stamps = [stamp.plain() for stamp in packs]
    return canonical.sha256({"blueprint": blueprint.plain(), "packs": stamps, "rules": sorted(hashes)})


def _edition(found: tuple[rules.CompiledRuleSet, ...], pattern: str, as_of: date) -> tuple[rules.CompiledRuleSet, ...]:
    """Of each rule set its one edition, or of several the newest that is not after the year of `as_of`."""
    chosen: dict[str, rules.CompiledRuleSet] = {}
    for each in sorted(found, key=lambda each: each.ruleset.edition):
        name = each.ruleset.ruleset
        alone = sum(other.ruleset.ruleset == name for other in found) == 1
        if alone or each.ruleset.edition <= str(as_of.year):
            chosen[name] = each
    for each in found:
        if each.ruleset.ruleset not in chosen:
            raise NotFound(f"No edition of {each.ruleset.ruleset!r} is as old as {as_of}; name one: {pattern}@…")
    return tuple(chosen.values())
