"""Reads secrets from the environment, and from a `.env` file where the environment has none."""

from __future__ import annotations

import os
from pathlib import Path

from dotenv import dotenv_values

from emma_core.errors import OperatorError
from emma_core.ports import Secrets


def open_secrets(address: str) -> Secrets:
    """The secrets at `env:`, or those of another file than `.env` at `env:FILE`."""
    named = address.partition(":")[2]
    return EnvSecrets(Path(named or ".env"), named=bool(named))


class EnvSecrets:
    """Secrets by name: `pg-password` is the variable `PG_PASSWORD`."""

    def __init__(self, file: Path, *, named: bool = False) -> None:
        self._file = file
        self._named = named

    async def open(self) -> None:
        """Ready. Raises `OperatorError` where a file was named that cannot be read."""
        if self._named:
            self._of_file()

    async def close(self) -> None:
        """Nothing is held."""

    async def read(self, name: str) -> str:
        """The secret of that name. Raises `OperatorError` naming the variable that is not set."""
        variable = name.upper().replace("-", "_").replace(".", "_")
        value = os.environ.get(variable) or self._of_file().get(variable)
        if not value:
            raise OperatorError(
                f"Secret {name!r}: no variable {variable} in the environment or in {self._file}; set it"
            )
        return value

    async def state(self) -> str:
        """Where secrets are read. Raises `OperatorError` where they cannot be."""
        return f"the environment, and {len(self._of_file())} variables of {self._file}"

    def _of_file(self) -> dict[str, str | None]:
        if not self._named and not self._file.exists():
            return {}
        try:
            with self._file.open(encoding="utf-8") as opened:
                return dotenv_values(stream=opened, interpolate=False)  # a password may hold a dollar sign
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or "it is not UTF-8"
            raise OperatorError(f"Secrets of {str(self._file)!r} cannot be read: {said}; mend it") from error
