"""Says in plain words what does not fit a noun: what is wrong there, and what to write."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any

LONGEST = 80
"""Characters of what came that a message repeats."""

_KINDS = {
    "bool_type": "true or false",
    "date_type": "a day such as '2026-11-20'",
    "dict_type": "keys with values",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "keys with values",
    "string_type": "a text",
    "tuple_type": "a list",
}
_LIMITS = {"greater_than": ">", "greater_than_equal": ">=", "less_than": "<", "less_than_equal": "<="}
# by how a pattern begins or ends: what somebody who reads no patterns writes
_FORMS = (
    (r"D$", "a number of days such as 'P30D'"),
    (r"/[a-z0-9_]+$", "'pack/name' in lower-case letters, digits and _"),
    (r"(\.[a-z0-9_]+)*$", "lower-case words joined by dots, such as 'acme.house.limit'"),
    (r"^[A-Za-z0-9._-]+$", "letters, digits, '.', '_' and '-'"),
    (r"[a-z0-9_]*$", "lower-case letters, digits and _, a letter first"),
)


def place(path: tuple[int | str, ...]) -> str:
    """Where a misfit is, its keys joined by dots; a key that has dots itself stands in quotes."""
    parts = [part for part in path if part != "[key]"]
    said = ".".join(repr(part) if re.search(r"[^\w$@-]", str(part)) else str(part) for part in parts)
    return said or "the whole"


def words(error: Mapping[str, Any]) -> str:
    """What is wrong at that place and what to write, of one error as pydantic lists it."""
    kind, context = error["type"], error.get("ctx", {})
    came = shown(error["input"])
    if kind == "missing":
        return "the key is missing; write it"
    if kind in _KINDS:
        return f"write {_KINDS[kind]}, and not {came}"
    if kind in ("too_short", "string_too_short"):
        return "it is empty; write something" if context["min_length"] == 1 else f"it is too short: {came}"
    if kind in ("too_long", "string_too_long"):
        return f"{context['max_length']} is the most it may have; shorten {came}"
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"])
        near = difflib.get_close_matches(str(error["input"]), choices, n=1)
        return f"{came} is not known; " + (f"did you mean {near[0]!r}?" if near else f"write {context['expected']}")
    if kind == "string_pattern_mismatch":
        form = next((form for end, form in _FORMS if context["pattern"].endswith(end)), context["pattern"])
        return f"{came} does not fit; write {form}"
    if kind.startswith("date_"):
        return f"{came} is no day; write one such as '2026-11-20'"
    if kind in _LIMITS:
        limit = next(value for name, value in context.items() if name in ("gt", "ge", "lt", "le"))
        return f"it must be {_LIMITS[kind]} {limit}, and is {came}"
    return f"{error['msg']}: {came}"


def shown(value: object) -> str:
    """A value as an author wrote it, shortened."""
    try:
        said = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):  # what JSON cannot say
        said = repr(value)
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"
