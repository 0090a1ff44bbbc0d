"""What the core itself brings, through the same door as any pack: the global rules, blueprints and backends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from emma_core.hookspecs import hookimpl


@hookimpl
def register_content() -> tuple[Path, ...]:
    """The global rules and the shipped blueprints: beside this file in a wheel, else the checkout's."""
    here = Path(__file__).resolve().parent
    if (here / "content").is_dir():
        return here / "content" / "global", here / "content" / "blueprints"
    return here.parent / "rag_content" / "global", here.parent / "blueprints"


@hookimpl
def register_backends() -> Mapping[str, Mapping[str, Callable[..., Any]]]:
    """The embedded backends and LangChain's models; each is imported when its address is opened."""
    return {
        "store": {"sqlite": _sqlite_store},
        "registry": {"sqlite": _sqlite_registry},
        "index": {"memory": _word_index},
        "model": {"offline": _offline, "*": _langchain},
    }


def _sqlite_store(address: str) -> Any:
    from emma_core.backends.sqlite import open_store

    return open_store(address)


def _sqlite_registry(address: str) -> Any:
    from emma_core.backends.sqlite_registry import open_registry

    return open_registry(address)


def _word_index(address: str) -> Any:
    from emma_core.backends.word_index import open_index

    return open_index(address)


def _offline(address: str) -> Any:
    from emma_core.backends.offline import OfflineModel

    return OfflineModel(address)


def _langchain(address: str) -> Any:
    from emma_core.backends.langchain_models import LangChainModel

    return LangChainModel(address)
