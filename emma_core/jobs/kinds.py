"""Lists the kinds of jobs there are; what registers another adds its line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from emma_core import canonical
from emma_core.errors import CallerError
from emma_core.jobs import checking, exporting, retaining
from emma_core.nouns import Noun
from emma_core.ports import JobKind
from emma_core.runtime import House

Tools = Mapping[str, Callable[[str, Path], AbstractContextManager[Any]]]
"""What a door hands in: `report`, which writes a report of a format at a path."""


@dataclass(frozen=True)
class Kind:
    """A kind of job: what it is told, and how it is done."""

    title: str
    """What it does, in a sentence for whoever starts one."""
    input: type[Noun]
    make: Callable[[House, Tools], JobKind]
    installation: bool = False
    """Whether it is no tenant's, but the installation's."""
    writes: bool = True
    """Whether the tenant has to be active, since something is written to its trail or stores."""


KINDS: dict[str, Kind] = {
    "check": Kind("Hold a file against rules.", checking.CheckInput, checking.make),
    "export": Kind("Take a tenant's data out.", exporting.ExportInput, exporting.make, writes=False),
    "retain": Kind("Destroy what has had its time.", retaining.RetainInput, retaining.make, installation=True),
}


def read(kind: str, input: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The input, as that kind is told it. Raises `CallerError` for an unknown kind, or an input that does not fit."""
    if kind not in KINDS:
        raise CallerError(f"There is no kind of job {kind!r:.80}; there are {sorted(KINDS)}")
    try:
        told: dict[str, JsonValue] = KINDS[kind].input.model_validate_json(canonical.text(dict(input))).plain()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        raise CallerError(f"Input of a {kind!r} job: {where}: {first['msg']}; see: emma jobs kinds") from error
    except (TypeError, ValueError) as error:
        raise CallerError(f"Input of a {kind!r} job is no JSON: {error}") from error
    return told
