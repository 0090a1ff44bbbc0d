"""`emma doctor`: what of this installation works, what does not, and what to do."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import metadata, version
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from emma_core import redaction
from emma_core.cli.options import ListFormat
from emma_core.errors import EmmaError, OperatorError

if TYPE_CHECKING:
    from emma_core.packs import Packs
    from emma_core.settings import Settings

EXTRAS = {
    "azure": "azure.core",
    "durable": "dbos",
    "files": "polars",
    "langchain": "langchain",
    "redis": "redis",
    "spark": "pyspark",
}
"""By extra, the module that tells whether it is installed."""


@dataclass(frozen=True)
class Check:
    """What was looked at, how it stands, and what to do where it does not stand well."""

    what: str
    state: Literal["ok", "warn", "bad"]
    said: str
    do: str = ""

    def plain(self) -> dict[str, str]:
        """The JSON value."""
        said = {"what": self.what, "state": self.state, "said": self.said, "do": self.do}
        return {name: text for name, text in said.items() if text}

    def masked(self) -> Check:
        """The same without a secret."""
        what, said, do = map(redaction.mask, (self.what, self.said, self.do))
        return replace(self, what=what, said=said, do=do)


def doctor(
    database: Annotated[
        bool, typer.Option("--database", help="Look only for ways around the row-level security of the database.")
    ] = False,
    format: ListFormat = "text",
) -> None:
    """Look this installation over; exits 1 where something is bad, and says what to do.

    Example:

        emma doctor
    """
    from emma_core.cli import show

    found = [each.masked() for each in list(_database() if database else checks())]  # once all secrets are known
    if not show.listed((each.plain() for each in found), format):
        from rich.text import Text

        styles = {"ok": "green", "warn": "yellow", "bad": "bold red"}
        rows = [
            (Text(each.state, styles[each.state]), each.what, f"{each.said}\n→ {each.do}" if each.do else each.said)
            for each in found
        ]
        columns = ("", ("What", {"width": 22}), ("How it stands", {"ratio": 1, "overflow": "fold"}))
        show.screen().print(show.table(*columns, rows=rows))
    raise typer.Exit(int(any(each.state == "bad" for each in found)))


def checks() -> Iterator[Check]:
    """Everything that is looked at, in order."""
    fits = sys.version_info >= (3, 11)
    yield Check(
        "python", "ok" if fits else "bad", platform.python_version(), "" if fits else "install Python 3.11 or newer"
    )
    yield Check("emma", "ok", version("emma-core"))
    yield from _variables()
    from emma_core import packs, settings

    try:
        chosen = settings.load()
    except OperatorError as error:
        yield Check("settings", "bad", str(error), "mend it; the rest was not looked at")
        return
    found = packs.find()
    yield from _packs(found)
    yield from _blueprints(found, chosen)
    objects = list(_objects(found, chosen))
    yield from objects
    if any(each.state == "bad" for each in objects):
        yield Check("store", "bad", "not looked at: it opens after what is bad above", "mend that first")
    else:
        yield from _store(chosen)
    yield from _model(found, chosen)
    yield from _extras()


def _variables() -> Iterator[Check]:
    from emma_core.settings import unknown_variables

    for name, near in unknown_variables().items():
        yield Check(f"variable {name}", "warn", "means nothing here", f"did you mean {near}?" if near else "unset it")


def _packs(found: Packs) -> Iterator[Check]:
    for pack in found.by_name.values():
        if pack.problem is None:
            rules = sum(len(each.rules) for each in pack.rulesets)
            yield Check(f"pack {pack.name}", "ok", f"{pack.version} {pack.hash[:12]}, {rules} rules")
        else:
            do = f"mend it, or remove it: pip uninstall {pack.distribution}"
            yield Check(f"pack {pack.name}", "bad", pack.problem, do)
    if not any(pack.rulesets for pack in found.by_name.values()):
        yield Check("packs", "warn", "none brings a rule", "install one with pip, or write one: emma packs new NAME")


def _blueprints(found: Packs, chosen: Settings) -> Iterator[Check]:
    from emma_core import blueprints

    try:
        known = blueprints.known(found, chosen.blueprints)
    except EmmaError as error:
        yield Check("blueprints", "bad", str(error), "mend the file, or unset EMMA_BLUEPRINTS")
        return
    for blueprint in known.values():
        what = f"blueprint {blueprint.id}"
        try:
            prepared = blueprints.prepare(blueprint, found, as_of=date.today())
        except EmmaError as error:
            missing = [name for name in blueprint.packs if name not in found.by_name]
            yield Check(what, "warn" if missing else "bad", str(error), "it cannot be asked until then")
            continue
        empty = blueprint.retrieval.collections
        if empty:
            said = f"can run; its collections are empty: {', '.join(empty)}"
            yield Check(what, "warn", said, "nothing to do: it answers from its rules until documents are ingested")
        else:
            yield Check(what, "ok", f"can run, {sum(len(each.rules) for each in prepared.rulesets)} rules")


def _objects(found: Packs, chosen: Settings) -> Iterator[Check]:
    from emma_core.cli.opening import finish
    from emma_core.cli.standing import standing

    for what, state, said, do in finish(standing(found, chosen)):
        yield Check(what, cast(Literal["ok", "warn", "bad"], state), said, do)


def _store(chosen: Settings) -> Iterator[Check]:
    from emma_core.cli.opening import finish
    from emma_core.house import Emma

    async def opened() -> list[str]:
        async with Emma.open(chosen) as emma:
            return [tenant.id for tenant in await emma.tenants()]

    try:
        tenants = finish(opened())
    except EmmaError as error:
        yield Check("store", "bad", str(error), "set EMMA_STORE to a place that can be written")
        return
    yield Check("store", "ok", f"{chosen.store} opens, in the form that this release writes")
    if chosen.tenant in tenants:
        yield Check("tenants", "ok", f"{len(tenants)} in {chosen.registry}; yours is {chosen.tenant}")
    else:
        said = f"EMMA_TENANT is {chosen.tenant!r}, and there are {tenants}"
        yield Check("tenants", "bad", said, f"emma tenants create {chosen.tenant}")


def _database() -> Iterator[Check]:
    """Ways around what keeps tenants apart, at the registry's address and at the store's where it is of its kind."""
    from emma_core import packs, settings
    from emma_core.cli.opening import finish
    from emma_core.opening import resolved

    found, chosen = packs.find(), settings.load()

    async def linted() -> dict[str, list[tuple[str, str]]]:
        async with resolved(chosen, found) as (_, read):
            scheme = read.registry.partition(":")[0]
            named = {"EMMA_DATABASE": read.registry, "EMMA_STORE": read.store}
            there = {address: name for name, address in named.items() if address.partition(":")[0] == scheme}
            return {name: await found.backend("registry", address).lint() for address, name in there.items()}

    for name, flaws in finish(linted()).items():
        for said, do in flaws:
            yield Check(name, "bad", said, do)
        if not flaws:
            yield Check(name, "ok", "tenants are kept apart; no way around it was found")


def _model(found: Packs, chosen: Settings) -> Iterator[Check]:
    try:
        found.backend("model", chosen.model)
    except EmmaError as error:
        yield Check("model", "bad", f"{chosen.model}: {error}", "or set EMMA_MODEL=offline:")
        return
    offline = chosen.model.partition(":")[0] == "offline"
    said = "quotes what was found; no language model runs" if offline else "by LangChain; not called now"
    yield Check("model", "ok", f"{chosen.model} {said}")


def _extras() -> Iterator[Check]:
    declared = metadata("emma-core").get_all("Provides-Extra") or []
    for extra, module in EXTRAS.items():
        if extra in declared and not _there(module):
            yield Check(
                f"extra {extra}",
                "ok",
                "not installed, and nothing needs it until you do",
                f"pip install 'emma-core[{extra}]'",
            )
        elif extra in declared:
            yield Check(f"extra {extra}", "ok", f"installed, {module} {version(module)}")


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it would be in
        return False
