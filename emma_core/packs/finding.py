"""Finds the installed packs, asks each what it brings, and contains the ones that fail."""

from __future__ import annotations

import contextlib
import hashlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from emma_core import hookspecs
from emma_core.errors import EmmaError
from emma_core.packs.asking import Answers
from emma_core.packs.installed import FIRST, Pack, Packs, raised

_LOADING = threading.RLock()


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
    said = Answers(name)
    try:
        said.hear(plugin())
        return said.pack(version, distribution)
    except (Exception, SystemExit) as error:  # a stranger's code may raise anything; it must not take the others along
        problem = str(error) if isinstance(error, EmmaError) else raised(error)
        where = f", hook {said.hook!r}" if said.hook else ""
        return Pack(name, version, distribution, hashlib.sha256(b"").hexdigest(), f"Pack {name!r}{where}: {problem}")
