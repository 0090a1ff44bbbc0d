"""Declares the options that several commands share, each said once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from emma_core.errors import CallerError

LONGEST_INPUT = 4_000_000
"""Bytes that a file or stdin may have."""
EARLIEST, LATEST = date(1800, 1, 1), date(2199, 12, 31)
"""The days that the rule language has."""


def _packs() -> Any:
    from emma_core import packs

    return packs.find()


def blueprint_ids(incomplete: str) -> Iterator[tuple[str, str]]:
    """Completions: the shipped blueprints' ids and titles."""
    return ((id, each.title) for id, each in _packs().blueprints().items() if id.startswith(incomplete))


def rule_ids(incomplete: str) -> Iterator[tuple[str, str]]:
    """Completions: the installed rules' ids and titles."""
    for pack in _packs().healthy():
        for each in (one.rule for ruleset in pack.rulesets for one in ruleset.rules):
            if each.id.startswith(incomplete):
                yield each.id, each.title


def pack_names(incomplete: str) -> Iterator[str]:
    """Completions: the installed packs' names."""
    return (name for name in _packs().by_name if name.startswith(incomplete))


def role_ids(incomplete: str) -> Iterator[tuple[str, str]]:
    """Completions: the roles that packs registered."""
    return ((id, title) for id, title in _packs().roles().items() if id.startswith(incomplete))


BlueprintId = Annotated[str, typer.Argument(metavar="BLUEPRINT", autocompletion=blueprint_ids, help="Which agent.")]
RuleId = Annotated[str, typer.Argument(metavar="ID", autocompletion=rule_ids, help="The rule's id.")]
PackName = Annotated[str, typer.Argument(metavar="NAME", autocompletion=pack_names, help="The pack's name.")]
Pattern = Annotated[
    str,
    typer.Argument(metavar="PATTERN", autocompletion=rule_ids, help="Part of an id, or a pattern such as 'global.*'."),
]
TenantOption = Annotated[
    str | None, typer.Option("--tenant", metavar="ID", help="The tenant; else EMMA_TENANT, else 'default'.")
]
UserOption = Annotated[
    str | None, typer.Option("--as", metavar="USER", help="Who you are, on an embedded store; else 'local'.")
]
RolesOption = Annotated[
    list[str] | None,
    typer.Option("--role", metavar="ROLE", autocompletion=role_ids, help="A role of yours, on an embedded store."),
]
FactsOption = Annotated[
    str | None, typer.Option("--facts", metavar="JSON|FILE", help="Facts that you give; they outrank the words.")
]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="The day the rules are read at; else today.")
]
LaterOption = Annotated[bool, typer.Option("--later", help="Start a job instead; `emma jobs work` does it.")]
OneFormat = Annotated[Literal["text", "json"], typer.Option("--format", help="For people, or for programs.")]
ListFormat = Annotated[Literal["text", "json", "jsonl"], typer.Option("--format", help="For people, or for programs.")]


def day(text: str | None, option: str = "--as-of") -> date | None:
    """The date that an option says. Raises `CallerError` where there is no such day, or rules cannot name it."""
    if text is None:
        return None
    try:
        if len(text) != 10:
            raise ValueError("not ten characters")
        said = date.fromisoformat(text)
    except ValueError as error:
        raise CallerError(f"{option}: {text!r} is no day; write one like 2019-06-01") from error
    if not EARLIEST <= said <= LATEST:
        raise CallerError(f"{option}: {text!r} is out of range; write a day from {EARLIEST} to {LATEST}")
    return said


def named(option: str, said: str | None) -> str | None:
    """What an option names. Raises `CallerError` for an empty name, which an unset variable leaves behind."""
    if said is not None and not said.strip():
        raise CallerError(f"{option}: the name is empty; write one, or leave the option out")
    return said


def facts(said: str | None, option: str = "--facts") -> dict[str, Any]:
    """The object that JSON, or a file of it, gives. Raises `CallerError` or `AuthorError` naming the place."""
    if said is None:
        return {}
    where, text = (option, said) if said.lstrip().startswith(("{", "[")) else (said, read(Path(said)))
    from emma_core import content

    found = content.read_json(text, where)
    if not isinstance(found, dict):
        raise CallerError(f"{where}: facts are an object, such as {json.dumps({'name': 0.5})}")
    return found


def read(path: Path) -> str:
    """A file's text. Raises `CallerError` where it is not there, too big or not UTF-8."""
    try:
        with path.open("rb") as file:
            return decoded(file.read(LONGEST_INPUT + 1), str(path))
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise CallerError(f"{str(path)!r} cannot be read: {said}; name a file that is there") from error


def decoded(raw: bytes, where: str) -> str:
    """The text of bytes from outside. Raises `CallerError` naming the first byte that does not fit."""
    if len(raw) > LONGEST_INPUT:
        raise CallerError(f"{where}: more than {LONGEST_INPUT:,} bytes; shorten it")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CallerError(f"{where}: byte {error.start + 1} is not UTF-8; save it as UTF-8") from error
