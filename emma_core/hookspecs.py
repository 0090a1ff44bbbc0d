"""The hooks that packs answer: each is asked once at start and returns what it brings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from emma_core.nouns import Extracted
    from emma_core.ports import Reader
    from emma_core.rules import Function

PROJECT = "emma"
"""The entry-point group of packs, and pluggy's project name."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a pack as its answer to the hook of the same name."""

Extractor = Callable[[str], "Sequence[Extracted]"]
"""Reads facts in an ask's words; where it is not sure, it returns nothing."""


@hookspec
def register_content() -> Path | Sequence[Path]:  # type: ignore[empty-body]
    """A folder of content (or several): index files, `rules/`, `override-templates/`, `blueprints/`."""


@hookspec
def register_functions() -> Sequence[Function]:  # type: ignore[empty-body]
    """Pure named functions that the pack's predicates may call."""


@hookspec
def register_extractors() -> Sequence[Extractor]:  # type: ignore[empty-body]
    """Readers of facts in free text."""


@hookspec
def register_readers() -> Mapping[str, Reader]:  # type: ignore[empty-body]
    """Readers of file formats by name: each makes a table of facts of a file."""


@hookspec
def register_roles() -> Mapping[str, str]:  # type: ignore[empty-body]
    """Roles by id (`mortgage.senior_underwriter`) with a title for people."""


@hookspec
def register_backends() -> Mapping[str, Mapping[str, Callable[..., Any]]]:  # type: ignore[empty-body]
    """Factories by port (`store`, `registry`, `index`, `jobs`, `model`, `blobs`, `cache`, …) and by scheme."""
