"""`emma blueprints`: the agents that can be asked, what each is made of, and whether it holds."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emma_core.cli import publishing
from emma_core.cli.options import BlueprintId, ListFormat, OneFormat, TenantOption
from emma_core.errors import EmmaError

if TYPE_CHECKING:
    from emma_core.blueprints import Prepared
    from emma_core.rules import CompiledRuleSet

app = typer.Typer(help="See, test and publish the agents that can be asked.", no_args_is_help=True)
app.command()(publishing.publish)
app.command()(publishing.label)
app.command()(publishing.rollback)
app.command()(publishing.diff)


@app.command("list")
def listed(
    published: Annotated[bool, typer.Option("--published", help="What is published in the tenant instead.")] = False,
    format: ListFormat = "text",
    tenant: TenantOption = None,
) -> None:
    """List the agents that can be asked: shipped, of packs, and of your own folder (EMMA_BLUEPRINTS).

    Examples:

        emma blueprints list

        emma blueprints list --published --tenant acme
    """
    if published:
        publishing.listed(format, tenant)
        return
    from emma_core import blueprints, packs, settings
    from emma_core.cli import show

    installed = packs.find()
    found = blueprints.known(installed, settings.load().blueprints)
    if show.listed((each.plain() for each in found.values()), format):
        return
    rows = []
    for each in found.values():
        try:
            blueprints.prepare(each, installed, as_of=date.today())
            ready = "yes"
        except EmmaError as error:
            ready = f"no: {error}"
        rows.append((each.id, each.title, ready))
    columns = (("Id", {"no_wrap": True}), ("Title", {"ratio": 1}), ("Can run", {"ratio": 1}))
    show.screen().print(show.table(*columns, rows=rows))


@app.command("show")
def shown(id: BlueprintId, format: OneFormat = "text", tenant: TenantOption = None) -> None:
    """Show an agent: its packs, rule sets, limits and instructions, and the hash that pins all of it.

    Examples:

        emma blueprints show loan_officer

        emma blueprints show loan_officer@stable
    """
    from emma_core import blueprints, packs, settings
    from emma_core.cli import show

    if "@" in id:
        publishing.shown(id, format, tenant)
        return
    installed = packs.find()
    blueprint = blueprints.find(installed, settings.load().blueprints, id)
    if format == "json":
        show.data(blueprint.plain())
        return
    publishing.told(described(blueprints.prepare(blueprint, installed, as_of=date.today())))


@app.command()
def lint(
    which: Annotated[str, typer.Argument(metavar="FILE|ID", help="A YAML file, or an agent's id.")],
    format: OneFormat = "text",
) -> None:
    """Read a blueprint, and find its packs, rule sets and all it names; exits 2 with the place that does not fit.

    Example:

        emma blueprints lint my_agent.yaml
    """
    from emma_core import blueprints, packs
    from emma_core.cli import show

    installed = packs.find()
    prepared = blueprints.prepare(publishing.read(which, installed), installed, as_of=date.today())
    if format == "json":
        show.data({"blueprint": prepared.blueprint.id, "hash": prepared.hash})
        return
    rules = show.many(len(prepared.rule_hashes), "rule")
    show.screen().print(f"{prepared.blueprint.id} fits: {rules}, sha256:{prepared.hash[:12]}…")


@app.command()
def test(
    which: Annotated[str, typer.Argument(metavar="FILE|ID", help="A YAML file, or an agent's id.")],
    format: OneFormat = "text",
) -> None:
    """Ask a blueprint what its own tests ask, offline, in a store that is gone afterwards; exits 1 where one fails.

    Example:

        emma blueprints test my_agent.yaml
    """
    from emma_core import packs
    from emma_core.cli import show
    from emma_core.cli.opening import finish

    blueprint = publishing.read(which, packs.find())
    came = finish(publishing.rehearsed(blueprint))
    said: list[dict[str, Any]] = [
        {"test": number, "ask": test.ask, "ok": not flaws, "flaws": flaws}
        for number, (test, flaws) in enumerate(zip(blueprint.tests, came, strict=True), start=1)
    ]
    if format == "json":
        show.data(said)
    else:
        rows = [
            (f"{'✓' if not flaws else '✗'} {n}", test.ask, "\n".join(flaws) or "as expected")
            for n, (test, flaws) in enumerate(zip(blueprint.tests, came, strict=True), start=1)
        ]
        show.screen().print(show.table("Test", ("Asked", {"ratio": 1}), ("Came to", {"ratio": 1}), rows=rows))
        failed = sum(bool(flaws) for flaws in came)
        show.screen().print(f"{show.many(len(came), 'test')}, {failed} failed")
    raise typer.Exit(1 if any(came) else 0)


def described(prepared: Prepared) -> dict[str, list[str]]:
    """What there is to say of a blueprint that can be asked."""
    blueprint = prepared.blueprint
    return {
        "Blueprint": [f"{blueprint.id}: {blueprint.title}"],
        "Model": [blueprint.model],
        "Packs": [f"{stamp.name} {stamp.version} {stamp.hash[:12]}" for stamp in prepared.packs],
        "Rule sets": [_ruleset(each) for each in prepared.rulesets],
        "Collections": list(blueprint.retrieval.collections) or ["(none)"],
        "Limits": [", ".join(f"{limit} {said}" for limit, said in blueprint.limits.plain().items())],
        "Tests": [f"{len(blueprint.tests)}"],
        "Hash": [prepared.hash],
        "Instructions": [blueprint.instructions.strip()],
    }


def _ruleset(each: CompiledRuleSet) -> str:
    from emma_core.cli import show

    return f"{each.ruleset.ruleset}@{each.ruleset.edition}: {show.many(len(each.rules), 'rule')}"
