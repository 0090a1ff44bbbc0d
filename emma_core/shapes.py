"""Holds a structured answer to its JSON Schema, without reaching the network or running a pattern that can hang."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from emma_core.errors import AuthorError

_REFUSED = {
    "pattern": "an expression here may take exponential time; use 'enum', or a rule on the answer",
    "patternProperties": "an expression here may take exponential time; use 'properties'",
    "$dynamicRef": "write the schema out, or use '$ref' with '#/$defs/…'",
}


def check(schema: Mapping[str, JsonValue], where: str) -> None:
    """The schema is one that answers can be held to. Raises `AuthorError` naming the place that is not."""
    import jsonschema

    for key, value in _keys(dict(schema)):
        if key == "$ref" and not (isinstance(value, str) and value.startswith("#")):
            raise AuthorError(f"{where}: $ref: {value!r} lies outside; write it out, or use '#/$defs/…'")
        if key in _REFUSED:
            raise AuthorError(f"{where}: {key!r} is refused: {_REFUSED[key]}")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        place = "/".join(map(str, error.absolute_path)) or "the whole"
        raise AuthorError(f"{where}: {place}: {error.message}") from error


def flaw(data: JsonValue, schema: Mapping[str, JsonValue]) -> str:
    """What is wrong with a structured answer, in words for who wrote it; empty where it fits."""
    import jsonschema
    import referencing

    odd = next((leaf for leaf in leaves(data) if isinstance(leaf, float) and not math.isfinite(leaf)), None)
    if odd is not None:
        return f"The answer holds {odd}, which JSON has no number for."
    validator = jsonschema.Draft202012Validator(schema, registry=referencing.Registry())
    try:
        error = next(iter(validator.iter_errors(data)), None)
    except (RecursionError, referencing.exceptions.Unresolvable) as trouble:
        return f"The answer could not be held to its JSON Schema: {type(trouble).__name__}."
    return f"The answer does not fit its JSON Schema: {error.message:.300}" if error else ""


def read(text: str) -> tuple[JsonValue, str]:
    """The JSON value that a text says, or what is wrong with the text."""
    try:
        data: JsonValue = json.loads(text, parse_constant=_refuse)
        json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        return None, f"The answer is no JSON value: {error!s:.200}"
    return data, ""


def leaves(data: JsonValue) -> Iterator[JsonValue]:
    """Every value that holds no other, and every key, in order."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield key
            yield from leaves(value)
    elif isinstance(data, list):
        for value in data:
            yield from leaves(value)
    else:
        yield data


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _keys(schema: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """Every keyword with its value; names under `properties` and `$defs` are no keywords."""
    if isinstance(schema, list):
        for part in schema:
            yield from _keys(part)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key in ("properties", "$defs") and isinstance(value, dict):
                for part in value.values():
                    yield from _keys(part)
            elif key not in ("enum", "const", "default", "examples"):
                yield key, value
                yield from _keys(value)
