"""Settings: addresses and defaults, from `EMMA_*` variables and `.env`."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from emma_core.errors import OperatorError


class Settings(BaseSettings):
    """How this installation is set; each field is the variable `EMMA_<FIELD>`."""

    model_config = SettingsConfigDict(
        env_prefix="EMMA_", env_file=".env", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    store: str = "sqlite:///.emma/emma.db"
    """The address of documents and trails; a relative path is taken from the working directory."""
    database: str = ""
    """The address of the registry of tenants; empty: the same file as the store."""
    database_owner: str = ""
    """The address, on PostgreSQL, of the role that owns the tables: only `emma db` and `emma tenants` use it."""
    database_backup: str = ""
    """The address, on PostgreSQL, of a role that may replicate: only `emma backup`, `restore` and `drill` use it."""
    database_replica: str = ""
    """The address of a copy of the registry that may lag: lists and reports are read there."""
    blobs: str = "file:.emma/blobs"
    """The address of large content: a folder, or `azure-blob://account/container`."""
    cache: str = "memory:"
    """The address of the cache: in this process, or `redis://host:port/0` (`rediss:` with TLS)."""
    jobs: str = ""
    """The address of durable jobs; empty: a file beside the registry's, or a schema of its own in the same database."""
    secrets: str = "env:"
    """Where `{secret:name}` in an address is read: the environment and `.env`, or `key-vault://vault.vault.azure.net`."""
    master_key: str = ""
    """The key that wraps the keys of persons, such as `{secret:emma-master}`: 32 random bytes as base64 or hex. After a
    comma, earlier ones. Empty: those keys lie in the store as they are."""
    answer_cache_seconds: int = 0
    """How long an answer may be given again to the same prompt of the same tenant; 0: never."""
    retain_offboarded_days: int = 35
    """How many days an offboarded tenant's data is kept before `emma db retain` destroys it."""
    retain_telemetry_days: int = 30
    """How many days telemetry, spent idempotency keys and what else only helps to operate is kept."""
    signing_key: str = "file:.emma/signing.key"
    """What signs checkpoints: a `file:`, made where there is none, or a secret of 32 bytes in base64."""
    signing_name: str = "emma"
    """Whose signature it is: a name of this installation that nobody else has, such as `audit.example.com`."""
    checkpoint_lines: int = 1000
    """After so many lines of a tenant's trail it is signed by itself; 0: only by `emma audit checkpoint`."""
    index: str = "memory:"
    """The address of the word index."""
    model: str = "offline:"
    """The model that `model: default` means: `offline:`, or any LangChain name such as `azure_openai:gpt-4o`."""
    tenant: str = "default"
    """The tenant of the local caller."""
    blueprints: Path | None = None
    """A folder of your own blueprints, one YAML each, beside the shipped ones."""

    @property
    def registry(self) -> str:
        """The address of the registry."""
        return self.database or self.store

    @property
    def jobs_at(self) -> str:
        """The address of durable jobs."""
        if self.jobs:
            return self.jobs
        scheme, _, rest = self.registry.partition(":")
        if scheme == "sqlite":
            return f"sqlite:{rest.removesuffix('.db')}.jobs.db"
        return self.registry if scheme == "postgresql" else "sqlite:///.emma/emma.jobs.db"


def load(**given: Any) -> Settings:
    """The settings, what is given here first. Raises `OperatorError` naming the variable that does not fit."""
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = "EMMA_" + ".".join(str(part) for part in first["loc"]).upper()
        raise OperatorError(f"Setting {name}: {first['msg']}; change it in the environment or in .env") from error


def unknown_variables() -> dict[str, str]:
    """`EMMA_*` variables of the environment that mean nothing here, each with the nearest one that does."""
    known = {f"EMMA_{field.upper()}" for field in Settings.model_fields}
    strays = [
        name
        for name in os.environ
        if name.startswith("EMMA_") and not name.startswith("EMMA_TEST_") and name not in known
    ]
    return {name: "".join(difflib.get_close_matches(name, known, n=1)) for name in sorted(strays)}
