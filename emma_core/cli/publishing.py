"""`emma blueprints publish | label | rollback | diff`: versions that never change, and labels that move."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emma_core.cli.options import ListFormat, OneFormat, RolesOption, TenantOption, UserOption, named
from emma_core.errors import NotFound

if TYPE_CHECKING:
    from emma_core.blueprints import Prepared
    from emma_core.house import Desk
    from emma_core.nouns import Blueprint, Label, Published
    from emma_core.packs import Packs

Which = Annotated[str, typer.Argument(metavar="FILE|ID", help="A YAML file, or an agent's id.")]
Version = Annotated[str, typer.Argument(metavar="ID@VERSION", help="Such as agent@3, or agent@sha256:… .")]


def publish(
    which: Which,
    label: Annotated[str | None, typer.Option("--label", metavar="LABEL", help="A label to move there.")] = None,
    format: OneFormat = "text",
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Publish an agent as its next version, once its own tests hold; the same content twice is the same version.

    It is asked as ID@VERSION; with the label 'stable' it is what the id alone means.

    Examples:

        emma blueprints publish loan_officer

        emma blueprints publish my_agent.yaml --label stable
    """
    from emma_core import packs
    from emma_core.cli import show
    from emma_core.cli.opening import desk, finish

    blueprint = read(which, packs.find())

    async def published() -> Published:
        async with desk(tenant, user, role) as opened:
            return await opened.versions.publish(blueprint, label=named("--label", label))

    done = finish(published())
    if format == "json":
        show.data(done.plain())
        return
    also = f", and {done.blueprint.id}@{label}" if label else ""
    show.screen().print(f"{done.address} is published{also}: sha256:{done.hash} (line #{done.line})", soft_wrap=True)


def label(
    version: Version,
    label: Annotated[str, typer.Argument(metavar="LABEL", help="Such as stable; the id alone means 'stable'.")],
    format: OneFormat = "text",
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Move a label to a published version.

    Example:

        emma blueprints label loan_officer@2 stable
    """
    from emma_core.cli.opening import desk, finish

    async def moved() -> Label:
        async with desk(tenant, user, role) as opened:
            return await opened.versions.label(version, label)

    _moved(finish(moved()), format)


def rollback(
    label: Annotated[str, typer.Argument(metavar="ID[@LABEL]", help="The id alone means its label 'stable'.")],
    format: OneFormat = "text",
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Move a label back to where it stood before.

    Example:

        emma blueprints rollback loan_officer
    """
    from emma_core.cli.opening import desk, finish

    async def moved() -> Label:
        async with desk(tenant, user, role) as opened:
            return await opened.versions.rollback(label)

    _moved(finish(moved()), format)


def diff(
    was: Annotated[str, typer.Argument(metavar="WAS", help="A YAML file, an agent's id, or ID@VERSION.")],
    now: Annotated[str, typer.Argument(metavar="NOW", help="The same.")],
    format: ListFormat = "text",
    tenant: TenantOption = None,
) -> None:
    """Tell what differs between two agents, or two versions of one: what was written, packs and rules.

    Example:

        emma blueprints diff loan_officer@1 loan_officer@2
    """
    from emma_core import blueprints, packs
    from emma_core.cli import show
    from emma_core.cli.opening import desk, finish

    async def sides() -> list[Published | Prepared]:
        installed = packs.find()
        found: dict[str, Published | Prepared] = {}
        for which in (was, now):
            if not _published(which):
                found[which] = blueprints.prepare(read(which, installed), installed, as_of=date.today())
        if len(found) < len({was, now}):
            async with desk(tenant, reading=True) as opened:
                found |= {which: await _version(opened, which) for which in (was, now) if which not in found}
        return [found[was], found[now]]

    changes = blueprints.compare(*finish(sides()))
    if show.listed((each.plain() for each in changes), format):
        return
    console = show.screen()
    for each in changes:
        console.print(
            show.field(
                each.where,
                *(f"{mark} {line}" for mark, said in (("-", each.was), ("+", each.now)) for line in _lines(said)),
            )
        )
    if not changes:
        console.print("Nothing differs.")


def listed(format: Any, tenant: str | None) -> None:
    """Every published version of the tenant stands on the screen, with the labels that stand at it."""
    from emma_core.cli import show
    from emma_core.cli.opening import desk, finish

    async def found() -> tuple[list[Published], list[Label]]:
        async with desk(tenant, reading=True) as opened:
            return await opened.versions.all(), await opened.versions.labels()

    every, labels = finish(found())
    at = {
        (each.blueprint.id, each.version): [
            one.label for one in labels if one.version == each.version and one.blueprint == each.blueprint.id
        ]
        for each in every
    }
    plain = ({**each.plain(), "labels": at[each.blueprint.id, each.version]} for each in every)
    if show.listed(plain, format):
        return
    rows = [
        (
            each.address if each.line else f"{each.address} (not finished)",
            ", ".join(at[each.blueprint.id, each.version]),
            each.hash[:12],
            each.published_by,
            each.published_at.isoformat()[:10],
        )
        for each in every
    ]
    console = show.screen()
    console.print(show.table("Version", "Labels", "Hash", "By", "On", rows=rows))
    if not rows:
        console.print("Nothing is published here; `emma blueprints publish ID` does it.")


def shown(address: str, format: Any, tenant: str | None) -> None:
    """The published version stands on the screen."""
    from emma_core.cli import show
    from emma_core.cli.opening import desk, finish

    async def found() -> Published:
        async with desk(tenant, reading=True) as opened:
            return await _version(opened, address)

    version = finish(found())
    if format == "json":
        show.data(version.plain())
        return
    blueprint = version.blueprint
    told(
        {
            "Version": [f"{version.address}: {blueprint.title}"],
            "Published": [f"{version.published_at.isoformat()[:19]} by {version.published_by}, line #{version.line}"],
            "Model": [blueprint.model],
            "Packs": [f"{stamp.name} {stamp.version} {stamp.hash[:12]}" for stamp in version.packs],
            "Rules": [f"{id} {hash[:12]}" for id, hash in version.rule_hashes.items()],
            "Hash": [version.hash],
            "Instructions": [blueprint.instructions.strip()],
        }
    )


def told(fields: Mapping[str, Sequence[str]]) -> None:
    """Each name stands on the screen with what there is to say of it."""
    from emma_core.cli import show

    console = show.screen()
    for name, said in fields.items():
        console.print(show.field(name, *said))


def read(which: str, installed: Packs) -> Blueprint:
    """The blueprint in that file, or of that id. Raises `BlueprintError` or `NotFound`."""
    from emma_core import blueprints, content, settings

    if which.endswith((".yaml", ".yml")):
        return content.read_blueprint(Path(which))
    return blueprints.find(installed, settings.load().blueprints, which)


async def rehearsed(blueprint: Blueprint) -> list[list[str]]:
    """By test, what the blueprint expects and did not get; asked in a store that is gone afterwards."""
    from emma_core import settings
    from emma_core.house import Emma

    with tempfile.TemporaryDirectory(prefix="emma-test-", ignore_cleanup_errors=True) as folder:
        chosen = settings.load(store=f"sqlite:///{Path(folder).as_posix()}/test.db", database="", model="offline:")
        async with Emma.open(chosen) as emma:
            return await emma.tenant("default").versions.rehearse(blueprint)


def _published(which: str) -> bool:
    return "@" in which and not which.endswith((".yaml", ".yml"))


async def _version(desk: Desk, address: str) -> Published:
    found = await desk.versions.find(address)
    if found is None:
        raise NotFound(f"No version is {address!r}; `emma blueprints list --published` shows those there are")
    return found


def _lines(said: Any) -> list[str]:
    import json

    if said is None:
        return []
    return said.splitlines() if isinstance(said, str) else [json.dumps(said, ensure_ascii=False)]


def _moved(moved: Label, format: str) -> None:
    from emma_core.cli import show

    if format == "json":
        show.data(moved.plain())
        return
    show.screen().print(f"{moved.address} is version {moved.version} now (line #{moved.line})")
