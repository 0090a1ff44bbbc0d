"""Lays out the command line: one list of verbs, each loaded when it is called."""

from __future__ import annotations

from typing import Annotated

import typer

from emma_core.cli import (
    ask,
    audit,
    backup,
    blueprints,
    chat,
    check,
    db,
    demo,
    doctor,
    drill,
    jobs,
    overrides,
    packs,
    rules,
    schedules,
    schemas,
    tenants,
    usage,
)

app = typer.Typer(
    name="emma",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"emma {version('emma-core')}")
        raise typer.Exit


@app.callback()
def emma(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and exit.")
    ] = False,
) -> None:
    """Run AI agents that must follow an industry's rules, and prove afterwards that they did.

    Begin with `emma demo`. Exit codes: 0 clear, 1 a rule or a proof does not hold, 2 what was said cannot be read or
    done, 130 interrupted.
    """


app.command()(demo.demo)
app.command()(ask.ask)
app.command()(chat.chat)
app.command()(check.check)
app.add_typer(rules.app, name="rules")
app.add_typer(blueprints.app, name="blueprints")
app.add_typer(packs.app, name="packs")
app.add_typer(overrides.app, name="overrides")
app.add_typer(audit.app, name="audit")
app.add_typer(db.app, name="db")
app.add_typer(tenants.app, name="tenants")
app.add_typer(jobs.app, name="jobs")
for command in (schedules.schedule, schedules.schedules, schedules.unschedule):
    jobs.app.command()(command)
app.add_typer(usage.app, name="report")
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(drill.drill)
app.command()(schemas.schema)
app.command()(doctor.doctor)
