"""Holds names to what they may be before one of them becomes a path, a key or a prefix outside."""

from __future__ import annotations

import re
from typing import get_args

from pydantic import TypeAdapter, ValidationError

from emma_core.errors import CallerError
from emma_core.nouns import BlobKind, TenantId
from emma_core.nouns.knowledge import CollectionName

KINDS: tuple[BlobKind, ...] = get_args(BlobKind)
_TENANT_ID: TypeAdapter[str] = TypeAdapter(TenantId)
_COLLECTION: TypeAdapter[str] = TypeAdapter(CollectionName)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def tenant(id: str) -> str:
    """The tenant's id. Raises `CallerError` for what can be none."""
    try:
        return _TENANT_ID.validate_python(id, strict=True)
    except ValidationError as error:
        raise CallerError(
            f"No tenant can be called {id!r}; use up to 63 of a-z, 0-9, '-' and '_', a letter or digit first"
        ) from error


def collection(name: str) -> str:
    """The collection's name. Raises `CallerError` for what can be none."""
    try:
        return _COLLECTION.validate_python(name, strict=True)
    except ValidationError as error:
        raise CallerError(
            f"No collection can be called {name!r:.130}; use up to 120 of a-z, 0-9, '_', '.' and '-', a letter or digit"
            " first"
        ) from error


def kind(said: BlobKind) -> BlobKind:
    """The kind of a blob. Raises `CallerError` for what is none."""
    if said not in KINDS:
        raise CallerError(f"No blob is of kind {said!r:.100}; there are {list(KINDS)}")
    return said


def sha256(said: str) -> str:
    """The hash of a blob. Raises `CallerError` for what is none."""
    if not isinstance(said, str) or not _SHA256.fullmatch(said):
        raise CallerError(f"{said!r:.100} is no SHA-256; give 64 of 0-9 and a-f")
    return said
