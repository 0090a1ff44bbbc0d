"""Writes a trail to a file that can be verified anywhere, and reads it back."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

from pydantic import ValidationError

from emma_core.errors import CallerError
from emma_core.nouns import Head, Noun, Payload, TenantId, TrailLine

FORMAT = "emma-trail"
_LINE = {"seq": int, "kind": str, "at": str, "line": str, "hash": str}
_LINE_OR_ABSENT = {"turn": str, "conversation": str, "payload": dict}
_PAYLOAD = {"subject": str, "salt": str, "body": str}


@dataclass(frozen=True)
class Export:
    """A trail in a file: whose it is, the head it had, and its lines as often as they are asked for."""

    path: Path
    tenant: str
    head: Head | None

    def lines(self) -> Iterator[TrailLine]:
        """The lines as they stand there, one at a time. Raises `CallerError` naming the file's line it cannot read."""
        for number, row in _rows(self.path):
            if number > 1:
                yield _line(row, f"line {number} of '{self.path}'")


def write_export(lines: Iterable[TrailLine], head: Head | None, *, tenant: str, out: TextIO) -> None:
    """`out` holds the trail as JSON lines: first a manifest with the head, then one object per line."""
    out.write(manifest(tenant, head))
    for line in lines:
        out.write(row(line))


def read_export(path: Path) -> Export:
    """The export, its manifest read. Raises `CallerError` for a file that is no export of a trail, or is empty."""
    with closing(_rows(path)) as rows:
        _, said = next(rows, (0, None))
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise CallerError(f"'{path}' is no export of a trail; name a file that `emma audit export` wrote")
    if said.get("v") != 1:
        raise CallerError(f"'{path}' is an export of form v={said.get('v')!r}, unknown here; read it with a newer Emma")
    try:
        found = _Manifest.model_validate(said)
    except ValidationError as error:
        raise CallerError(f"'{path}': its first line is no whole manifest; export the trail again") from error
    return Export(path=Path(path), tenant=found.tenant, head=found.head)


def manifest(tenant: str, head: Head | None) -> str:
    """The export's first line."""
    return _written({"format": FORMAT, "v": 1, "tenant": tenant, "head": head and _fields(head, Head)})


def row(line: TrailLine) -> str:
    """The export's line for a trail's line, whatever it holds."""
    said = _fields(line, TrailLine)
    if line.payload is not None:
        said["payload"] = _fields(line.payload, Payload)
    return _written({name: value for name, value in said.items() if value is not None})


class _Manifest(Noun):
    format: Literal["emma-trail"]
    v: Literal[1]
    tenant: TenantId
    head: Head | None


def _fields(noun: Any, kind: type[Any]) -> dict[str, Any]:
    # read one by one: a line that was tampered with is exported as it lies there, not validated
    return {name: getattr(noun, name) for name in kind.model_fields}


def _written(said: dict[str, Any]) -> str:
    # ASCII, so that the file reads the same whatever encoding it was opened with
    return json.dumps(said, separators=(",", ":")) + "\n"


def _rows(path: Path) -> Generator[tuple[int, Any], None, None]:
    try:
        with Path(path).open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                try:
                    yield number, json.loads(text)
                except (ValueError, RecursionError) as error:
                    raise CallerError(
                        f"'{path}': line {number} is not whole JSON, so the file is cut off or no export of a trail; "
                        "export the trail again"
                    ) from error
    except UnicodeDecodeError as error:
        raise CallerError(f"'{path}' is no text in UTF-8; name a file that `emma audit export` wrote") from error
    except OSError as error:
        raise CallerError(f"'{path}' cannot be read ({error.strerror}); name an export of a trail") from error


def _line(said: Any, where: str) -> TrailLine:
    """The line, not validated beyond its types: what was tampered with must reach the verifier."""
    _shape(said, _LINE, _LINE_OR_ABSENT, where)
    payload = said.get("payload")
    if payload is not None:
        _shape(payload, _PAYLOAD, {}, where)
        payload = Payload.model_construct(**payload)
    return TrailLine.model_construct(**{"turn": None, "conversation": None, **said, "payload": payload})


def _shape(said: Any, needed: Mapping[str, type], absent: Mapping[str, type], where: str) -> None:
    known = {**needed, **absent}
    if (
        not isinstance(said, dict)
        or not needed.keys() <= said.keys() <= known.keys()
        or any(type(value) is not known[name] for name, value in said.items())
    ):
        raise CallerError(f"{where} is no line of a trail; export the trail again")
