"""`emma schema`: the JSON Schemas of what authors write and of what Emma gives back."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from emma_core.errors import CallerError, OperatorError

WRITTEN = {
    "blueprint": "Blueprint",
    "index": "PackIndex",
    "override_template": "OverrideTemplate",
    "rule": "Rule",
    "ruleset": "RuleSet",
}
"""What authors write."""
GIVEN = {"audit_event": "AuditEvent", "finding": "Finding", "report": "Report", "turn": "Turn"}
"""What Emma gives back."""
FACTS = {
    "title": "Facts",
    "description": "The facts that an ask gives, as `--facts` takes them, by bare (`x`) or full name (`a.b.x`).",
    "type": "object",
    "propertyNames": {"pattern": r"^[a-z_][a-z0-9_]*(\.[a-z0-9_]+)*$"},
    "additionalProperties": {
        "description": "text, a number, true or false, a date as YYYY-MM-DD, or a list of text",
        "type": ["string", "number", "boolean", "array"],
        "items": {"type": "string"},
    },
}
NAMES = sorted([*WRITTEN, *GIVEN, "facts"])


def _names(incomplete: str) -> list[str]:
    return [name for name in NAMES if name.startswith(incomplete)]


def schema(
    name: Annotated[str | None, typer.Argument(metavar="NAME", autocompletion=_names, help="See --list.")] = None,
    all_of_them: Annotated[bool, typer.Option("--list", help="List the names there are.")] = False,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="DIR", help="Write every schema into a folder instead.")
    ] = None,
) -> None:
    """Print a JSON Schema (2020-12), so that an editor completes and checks what you write.

    Examples:

        emma schema ruleset > ruleset.json

        emma schema --into schemas
    """
    if all_of_them:
        print("\n".join(NAMES))
    elif into is not None:
        write(into, NAMES)
    elif name is None:
        raise CallerError(f"No schema was named; there are {NAMES}")
    else:
        print(text(name), end="")


def text(name: str) -> str:
    """The schema's JSON. Raises `CallerError` for a name there is none of."""
    return json.dumps(of(name), indent=2, ensure_ascii=False) + "\n"


def write(folder: Path, names: list[str]) -> None:
    """Every named schema is in the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / f"{name}.json").write_text(text(name), encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"{str(folder)!r} cannot be written: {error.strerror}; name another folder") from error


def of(name: str) -> dict[str, Any]:
    """The schema of a noun, its descriptions the words that stand under its fields."""
    from emma_core import nouns

    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        raise CallerError(f"No schema {name!r}; {f'did you mean {near[0]!r}?' if near else f'there are {NAMES}'}")
    if name == "facts":
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **FACTS}
    noun: type[nouns.Noun] = getattr(nouns, (WRITTEN | GIVEN)[name])
    made = noun.model_json_schema(by_alias=True, mode="validation" if name in WRITTEN else "serialization")
    if name == "override_template":
        # in a file the words are not a key: they follow the front matter
        del made["properties"]["words"]
        made["required"].remove("words")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
