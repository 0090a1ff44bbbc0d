"""`emma packs`: the installed packs, a new one that works, and the contract that any pack keeps."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emma_core.cli.options import ListFormat, OneFormat, PackName, pack_names
from emma_core.errors import NotFound

if TYPE_CHECKING:
    from emma_core.packs import Pack
    from emma_core.rules import CompiledRuleSet

app = typer.Typer(help="See, begin and check packs.", no_args_is_help=True)


@app.command("list")
def listed(format: ListFormat = "text") -> None:
    """List the installed packs, healthy or not.

    Example:

        emma packs list
    """
    from emma_core import packs
    from emma_core.cli import show

    found = packs.find().by_name.values()
    if show.listed((_plain(pack) for pack in found), format):
        return
    rows = [
        (
            pack.name,
            pack.version,
            pack.hash[:12],
            str(sum(len(each.rules) for each in pack.rulesets)),
            "healthy" if pack.problem is None else pack.problem,
        )
        for pack in found
    ]
    columns = (
        ("Pack", {"no_wrap": True}),
        ("Version", {"no_wrap": True}),
        ("Hash", {"no_wrap": True}),
        ("Rules", {"justify": "right"}),
        ("Health", {"ratio": 1, "overflow": "fold"}),
    )
    show.screen().print(show.table(*columns, rows=rows))


@app.command("show")
def shown(name: PackName, format: OneFormat = "text") -> None:
    """Show all that a pack brought.

    Example:

        emma packs show mortgage
    """
    from emma_core import packs
    from emma_core.cli import show

    pack = _find(packs.find().by_name, name)
    if format == "json":
        show.data(_plain(pack))
        return
    console = show.screen()
    for title, lines in {
        "Pack": [f"{pack.name} {pack.version}, of {pack.distribution}"],
        "Hash": [pack.hash],
        "Health": [pack.problem or "healthy"],
        "Rule sets": [f"{_named(each)}: {show.many(len(each.rules), 'rule')}" for each in pack.rulesets],
        "On demand": list(pack.on_demand),
        "Facts": [f"{model}: {', '.join(specs)}" for model, specs in pack.facts.items()],
        "Overrides": [
            f"{each.id}: {each.title}, by {' or '.join(each.granted_by)}" for each in pack.templates.values()
        ],
        "Roles": [f"{role}: {title}" for role, title in pack.roles.items()],
        "Functions": [f"{each.name}: {each.doc}" for each in pack.functions],
        "Extractors": [getattr(each, "__name__", "extractor") for each in pack.extractors],
        "Blueprints": [f"{each.id}: {each.title}" for each in pack.blueprints],
        "Backends": [f"{port}: {', '.join(schemes)}" for port, schemes in pack.backends.items()],
        "Warnings": [warning for each in pack.rulesets for warning in each.warnings],
    }.items():
        if lines:
            console.print(show.field(title, *lines))


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and _, such as my_trade.")],
    code: Annotated[bool, typer.Option("--code", help="With Python too: a function, an extractor, a role.")] = False,
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="The folder to make it in.")] = Path(),
) -> None:
    """Begin a pack that works: rules with sources and examples, an override, an assistant, and tests.

    Examples:

        emma packs new my_trade

        emma packs new my_trade --code --into packs
    """
    from emma_core.cli import new_pack, show

    folder = new_pack.make(name, into=into, code=code)
    console = show.screen()
    console.print(f"{folder} is a pack that works. Next:\n")
    console.print(f"  pip install -e {folder}", style="cyan", soft_wrap=True)
    console.print(f"  emma packs check {name}", style="cyan")
    console.print(f"""  emma ask {name}_assistant "May I order this?" --facts '{{"amount": 620}}'""", style="cyan")


@app.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME…|all]", autocompletion=pack_names, help="Else all of them.")
    ] = None,
    format: ListFormat = "text",
) -> None:
    """Hold packs against the contract of every pack; exits 1 where one does not keep it.

    Examples:

        emma packs check mortgage

        emma packs check all
    """
    from emma_core import packs
    from emma_core.cli import show

    found = packs.find().by_name
    chosen = [_find(found, name) for name in names or ()] if names and names != ["all"] else list(found.values())
    results = [result for pack in chosen for result in _checked(pack)]
    failed = [result for result in results if not result["ok"]]
    if not show.listed(results, format):
        from rich.text import Text

        rows = [
            (
                Text("ok" if each["ok"] else "failed", "green" if each["ok"] else "bold red"),
                each["pack"],
                each["check"] + (f"\n{each['said']}" if "said" in each else ""),
            )
            for each in results
        ]
        console = show.screen()
        console.print(show.table("", "Pack", ("Check", {"ratio": 1, "overflow": "fold"}), rows=rows))
        console.print(f"{len(results) - len(failed)} of {len(results)} checks hold")
    raise typer.Exit(int(bool(failed)))


def _checked(pack: Pack) -> list[dict[str, Any]]:
    """What came of each check; an unhealthy pack is held against the first alone."""
    from emma_core.testing.pack_contract import CHECKS

    results: list[dict[str, Any]] = []
    for each in CHECKS if pack.healthy else CHECKS[:1]:
        result: dict[str, Any] = {"pack": pack.name, "check": each.__name__.replace("_", " "), "ok": True}
        try:
            with redirect_stdout(sys.stderr):  # what the pack prints is no part of the result
                each(pack)
        except AssertionError as error:
            result |= {"ok": False, "said": str(error)}
        except (Exception, SystemExit) as error:  # a stranger's code: what it raises is what the check found
            result |= {"ok": False, "said": f"{type(error).__name__}: {error}"}
        results.append(result)
    return results


def _find(found: Any, name: str) -> Pack:
    if name not in found:
        import difflib

        near = difflib.get_close_matches(name, found, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {sorted(found)}"
        raise NotFound(f"No pack {name!r} is installed; {hint}")
    pack: Pack = found[name]
    return pack


def _plain(pack: Pack) -> dict[str, Any]:
    said: dict[str, Any] = {
        **pack.stamp.plain(),
        "distribution": pack.distribution,
        "healthy": pack.healthy,
        "problem": pack.problem,
        "rulesets": {_named(each): len(each.rules) for each in pack.rulesets},
        "facts": {model: sorted(specs) for model, specs in pack.facts.items()},
        "override_templates": sorted(pack.templates),
        "roles": dict(pack.roles),
        "functions": [each.name for each in pack.functions],
        "blueprints": [each.id for each in pack.blueprints],
    }
    return {name: value for name, value in said.items() if value is not None}


def _named(each: CompiledRuleSet) -> str:
    return f"{each.ruleset.ruleset}@{each.ruleset.edition}"
