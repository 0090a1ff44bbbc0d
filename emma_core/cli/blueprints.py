"""`emma blueprints`: the agents that can be asked, and what each is made of."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import typer

from emma_core.cli.options import BlueprintId, ListFormat, OneFormat
from emma_core.errors import EmmaError

if TYPE_CHECKING:
    from emma_core.rules import CompiledRuleSet

app = typer.Typer(help="See the agents that can be asked.", no_args_is_help=True)


@app.command("list")
def listed(format: ListFormat = "text") -> None:
    """List the agents that can be asked: shipped, of packs, and of your own folder (EMMA_BLUEPRINTS).

    Example:

        emma blueprints list
    """
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
def shown(id: BlueprintId, format: OneFormat = "text") -> None:
    """Show an agent: its packs, rule sets, limits and instructions, and the hash that pins all of it.

    Example:

        emma blueprints show loan_officer
    """
    from emma_core import blueprints, packs, settings
    from emma_core.cli import show

    installed = packs.find()
    blueprint = blueprints.find(installed, settings.load().blueprints, id)
    if format == "json":
        show.data(blueprint.plain())
        return
    prepared = blueprints.prepare(blueprint, installed, as_of=date.today())
    console = show.screen()
    for name, said in {
        "Blueprint": [f"{blueprint.id}: {blueprint.title}"],
        "Model": [blueprint.model],
        "Packs": [f"{stamp.name} {stamp.version} {stamp.hash[:12]}" for stamp in prepared.packs],
        "Rule sets": [_ruleset(each) for each in prepared.rulesets],
        "Collections": list(blueprint.retrieval.collections) or ["(none)"],
        "Limits": [", ".join(f"{limit} {said}" for limit, said in blueprint.limits.plain().items())],
        "Tests": [f"{len(blueprint.tests)}"],
        "Hash": [prepared.hash],
        "Instructions": [blueprint.instructions.strip()],
    }.items():
        console.print(show.field(name, *said))


def _ruleset(each: CompiledRuleSet) -> str:
    from emma_core.cli import show

    return f"{each.ruleset.ruleset}@{each.ruleset.edition}: {show.many(len(each.rules), 'rule')}"
