"""What the core itself brings, through the same door as any pack: the global rules, blueprints and backends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from emma_core.errors import MissingExtra
from emma_core.hookspecs import hookimpl
from emma_core.nouns import FactSpec, Table
from emma_core.ports import Reader


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
        "store": {"sqlite": _sqlite_store, "postgresql": _postgres_store, "cosmos": _cosmos_store},
        "registry": {"sqlite": _sql_registry, "postgresql": _sql_registry},
        "index": {"memory": _word_index},
        "model": {"offline": _offline, "*": _langchain},
        "blobs": {"file": _folder_blobs, "azure-blob": _azure_blobs},
        "cache": {"memory": _memory_cache, "redis": _redis_cache, "rediss": _redis_cache},
        "jobs": {"sqlite": _dbos_jobs, "postgresql": _dbos_jobs},
        "secrets": {"env": _env_secrets, "key-vault": _key_vault},
        "copier": {"sqlite": _sqlite_copier, "postgresql": _postgres_copier, "file": _folder_copier},
        "engine": {"closures": _closures, "polars": _polars, "spark": _spark},
    }


@hookimpl
def register_readers() -> Mapping[str, Any]:
    """Readers of CSV, JSON lines and Parquet; each is imported when it reads."""
    return {
        "csv": _Late("CsvReader", (".csv", ".tsv", ".tab")),
        "json_lines": _Late("JsonLinesReader", (".jsonl", ".ndjson")),
        "parquet": _Late("ParquetReader", (".parquet", ".pq")),
    }


class _Late:
    """A reader that is imported when it reads."""

    model: str | None = None

    def __init__(self, name: str, suffixes: tuple[str, ...]) -> None:
        self._name = name
        self.suffixes = suffixes

    def read(self, path: Path, facts: Mapping[str, FactSpec], *, edition: str | None) -> Table:
        """The table that the reader makes of it."""
        from emma_core.backends import readers

        reader: Reader = getattr(readers, self._name)()
        return reader.read(path, facts, edition=edition)


def _sqlite_store(address: str) -> Any:
    from emma_core.backends.sqlite import open_store

    return open_store(address)


def _postgres_store(address: str) -> Any:
    try:
        from emma_core.backends.postgres import open_store
    except ImportError as error:
        raise MissingExtra("A store at postgresql://", "postgres") from error

    return open_store(address)


def _cosmos_store(address: str) -> Any:
    try:
        from emma_core.backends.cosmos import open_store
    except ImportError as error:
        raise MissingExtra("A store on Cosmos DB", "azure") from error

    return open_store(address)


def _sql_registry(address: str) -> Any:
    from emma_core.backends.sql.registry import open_registry

    return open_registry(address)


def _word_index(address: str) -> Any:
    from emma_core.backends.word_index import open_index

    return open_index(address)


def _folder_blobs(address: str) -> Any:
    from emma_core.backends.folder_blobs import open_blobs

    return open_blobs(address)


def _azure_blobs(address: str) -> Any:
    try:
        from emma_core.backends.azure_blobs import open_blobs
    except ImportError as error:
        raise MissingExtra("Blobs on Azure", "azure") from error

    return open_blobs(address)


def _memory_cache(address: str) -> Any:
    from emma_core.backends.memory_cache import open_cache

    return open_cache(address)


def _redis_cache(address: str) -> Any:
    try:
        from emma_core.backends.redis_cache import open_cache
    except ImportError as error:
        raise MissingExtra("A cache on Redis", "redis") from error

    return open_cache(address)


def _env_secrets(address: str) -> Any:
    from emma_core.backends.env_secrets import open_secrets

    return open_secrets(address)


def _key_vault(address: str) -> Any:
    try:
        from emma_core.backends.key_vault import open_secrets
    except ImportError as error:
        raise MissingExtra("Secrets in Key Vault", "azure") from error

    return open_secrets(address)


def _dbos_jobs(address: str) -> Any:
    from emma_core.backends.dbos_jobs import open_jobs

    return open_jobs(address)


def _sqlite_copier(address: str) -> Any:
    from emma_core.backends.sqlite_copier import open_copier

    return open_copier(address)


def _postgres_copier(address: str) -> Any:
    from emma_core.backends.postgres_copier import open_copier

    return open_copier(address)


def _folder_copier(address: str) -> Any:
    from emma_core.backends.folder_copier import open_copier

    return open_copier(address)


def _offline(address: str) -> Any:
    from emma_core.backends.offline import OfflineModel

    return OfflineModel(address)


def _closures(address: str) -> Any:
    from emma_core.backends.closure_engine import ClosureEngine

    return ClosureEngine()


def _polars(address: str) -> Any:
    try:
        from emma_core.backends.polars_engine import PolarsEngine
    except ImportError as error:
        raise MissingExtra("Engine 'polars'", "files") from error

    return PolarsEngine()


def _spark(address: str) -> Any:
    try:
        from emma_core.backends.spark_engine import SparkEngine
    except ImportError as error:
        raise MissingExtra("Engine 'spark'", "spark") from error

    return SparkEngine()


def _langchain(address: str) -> Any:
    from emma_core.backends.langchain_models import LangChainModel

    return LangChainModel(address)
