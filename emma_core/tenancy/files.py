"""The files of an exported tenant: a manifest, and rows of JSON that are read and checked one at a time."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import AwareDatetime, Field, ValidationError

from emma_core import canonical
from emma_core.errors import CallerError
from emma_core.nouns import BlobRef, Document, Head, Noun, Registered, Sha256, Tenant, TrailLine, UsageCount
from emma_core.tenancy.holdings import NOUNS, Trails

MANIFEST, DOCUMENTS, TRAIL, REGISTRY, BLOBS = (
    "manifest.json",
    "documents.jsonl",
    "trail.jsonl",
    "registry.jsonl",
    "blobs.jsonl",
)
LISTED = (DOCUMENTS, TRAIL, REGISTRY, BLOBS)
_LARGEST_MANIFEST = 1_000_000
N = TypeVar("N", bound=Noun)


class Listed(Noun):
    """A file of an export, as its manifest knows it."""

    name: str
    sha256: Sha256
    size: int
    """Bytes."""


class Manifest(Noun):
    """What an export holds: whose it is, how much of what, and the hash of each file."""

    format: Literal["emma-tenant"] = "emma-tenant"
    v: Literal[1] = 1
    tenant: Tenant
    exported_at: AwareDatetime
    head: Head | None = None
    """The last line of its trail."""
    counted: int = 0
    """The line up to which its usage was counted."""
    counts: dict[str, dict[str, int]] = Field(default_factory=dict)
    """By place and there by what it is."""
    files: tuple[Listed, ...]

    @property
    def hash(self) -> str:
        """The SHA-256 of all it says: kept elsewhere, it tells later whether the export is the one that was made."""
        return canonical.sha256(self.plain())


class Row(Noun):
    """A row of the registry with the name of its kind, or one day's usage of one thing."""

    noun: str
    row: dict[str, Any]


def documents(folder: Path) -> Iterator[Document]:
    """The documents, by kind and id. Raises `CallerError` naming the line that is none."""
    return (_noun(Document, said, where) for said, where in _rows(folder / DOCUMENTS))


def rows(folder: Path) -> Iterator[Registered | UsageCount]:
    """The registry's rows, then the usage. Raises `CallerError` naming the line that is none."""
    for said, where in _rows(folder / REGISTRY):
        row = _noun(Row, said, where)
        if row.noun == "usage":
            yield _noun(UsageCount, row.row, where)
        elif row.noun in NOUNS:
            yield _noun(NOUNS[row.noun], row.row, where)
        else:
            raise CallerError(f"{where}: no row of a registry is a {row.noun!r}; import it with a newer Emma")


def blobs(folder: Path) -> Iterator[BlobRef]:
    """What the content is called. Raises `CallerError` naming the line that names none."""
    return (_noun(BlobRef, said, where) for said, where in _rows(folder / BLOBS))


def content(folder: Path, ref: BlobRef) -> Path:
    """Where the content lies."""
    return folder / "blobs" / ref.kind / ref.sha256


def row(noun: Noun, *, name: str = "") -> str:
    """A line of a file."""
    return canonical.text({"noun": name, "row": noun.plain()} if name else noun.plain()) + "\n"


def document(kept: Document) -> str:
    """A document's line, which is the same in whatever store it lies."""
    return row(kept.model_copy(update={"etag": ""}))


def listed(path: Path) -> Listed:
    """The file with its hash and size, its bytes on the disk."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        os.fsync(file.fileno())
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
    return Listed(name=path.name, sha256=digest.hexdigest(), size=size)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """The manifest is on the disk."""
    with (folder / MANIFEST).open("w", encoding="utf-8", newline="\n") as out:
        json.dump(manifest.plain(), out, indent=2, sort_keys=True)
        out.write("\n")
        out.flush()
        os.fsync(out.fileno())


def check(folder: Path, trails: Trails) -> Manifest:
    """The manifest of an export all of which is as it was made; nothing was written anywhere.

    Raises `CallerError` naming the first file or line that is not.
    """
    manifest = read_manifest(folder)
    if sorted(each.name for each in manifest.files) != sorted(LISTED):
        raise CallerError(f"{_at(folder, MANIFEST)} does not list {', '.join(LISTED)}; export the tenant again")
    for each in manifest.files:
        path = folder / each.name
        if not path.is_file():
            raise CallerError(f"{_at(folder, each.name)} is missing; export the tenant again")
        if listed(path) != each:
            raise CallerError(
                f"{_at(folder, each.name)} is not what its manifest says: it was cut off or changed; export again"
            )
    _check_trail(folder, manifest, trails)
    found = _counted(folder)
    found["trail"] = manifest.counts.get("trail", {})
    if found != manifest.counts:
        raise CallerError(f"{_at(folder, MANIFEST)}: its counts are not those of its files; export the tenant again")
    return manifest


def _counted(folder: Path) -> dict[str, dict[str, int]]:
    """How much of what the files hold, each line read as what it is."""
    said: dict[str, dict[str, int]] = {"documents": {}, "trail": {}, "registry": {}, "blobs": {}}
    names = {noun: name for name, noun in NOUNS.items()}
    for each in documents(folder):
        _count(said["documents"], each.kind)
    for row in rows(folder):
        _count(said["registry"], "usage" if isinstance(row, UsageCount) else names[type(row)])
    for ref in blobs(folder):
        _count(said["blobs"], ref.kind)
        path = content(folder, ref)
        if not path.is_file() or listed(path) != Listed(name=ref.sha256, sha256=ref.sha256, size=ref.size):
            raise CallerError(f"{_at(folder, f'blobs/{ref.kind}/{ref.sha256}')} is missing or changed; export again")
    return said


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def lines(folder: Path, trails: Trails) -> Iterator[TrailLine]:
    """The lines of the trail, byte by byte as they were."""
    found: Iterator[TrailLine] = trails.read(folder / TRAIL).lines()
    return found


def _check_trail(folder: Path, manifest: Manifest, trails: Trails) -> None:
    found = trails.read(folder / TRAIL)
    if found.tenant != manifest.tenant.id or found.head != manifest.head:
        raise CallerError(f"{_at(folder, TRAIL)} is not the trail that the manifest names; export the tenant again")
    verified = trails.verify(found.lines(), tenant=found.tenant, head=found.head)
    if not verified.ok:
        raise CallerError(f"{_at(folder, TRAIL)} does not verify: {verified.reason}")
    if manifest.counts.get("trail") != {"lines": verified.lines, "payloads": verified.lines - verified.withheld}:
        raise CallerError(f"{_at(folder, MANIFEST)}: its count of lines is not that of the trail; export again")


def read_manifest(folder: Path) -> Manifest:
    """What an export says of itself; its files were not looked at. Raises `CallerError` where it is none."""
    path = folder / MANIFEST
    if not path.is_file():
        raise CallerError(f"{str(folder)!r} holds no {MANIFEST}, so it is no whole export of a tenant; name one")
    raw = path.read_bytes()[: _LARGEST_MANIFEST + 1]
    try:
        said = json.loads(raw)
        form = said.get("v") if isinstance(said, dict) and said.get("format") == "emma-tenant" else None
    except (ValueError, RecursionError) as error:
        raise CallerError(f"{_at(folder, MANIFEST)} is cut off or no JSON; export the tenant again") from error
    if form is not None and form != 1:
        raise CallerError(f"{_at(folder, MANIFEST)} is of form v={form!r}, unknown here; import it with a newer Emma")
    try:
        return Manifest.model_validate_json(raw)
    except ValidationError as error:
        raise CallerError(f"{_at(folder, MANIFEST)} is no manifest of a tenant: {_first(error)}") from error


def _rows(path: Path) -> Iterator[tuple[Any, str]]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            where = f"{_at(path.parent, path.name)}: line {number}"
            try:
                yield json.loads(raw), where
            except (ValueError, RecursionError) as error:
                raise CallerError(f"{where} is no JSON; export the tenant again") from error


def _noun(noun: type[N], said: Any, where: str) -> N:
    try:
        return noun.model_validate_json(canonical.text(said))
    except (ValueError, RecursionError) as error:
        raise CallerError(f"{where} is no {noun.__name__}: {_first(error)}; export the tenant again") from error


def _first(error: Exception) -> str:
    return str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)


def _at(folder: Path, name: str) -> str:
    return repr(str(folder / name))
