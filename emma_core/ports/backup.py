"""What Emma needs of a copier: the copy of what lies at one address, kept up to date in a folder, and brought back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Span:
    """The moments that a copy can tell of, both included."""

    first: datetime
    last: datetime


Moved = Callable[[str], str]
"""By an address as it was configured, the one at which the same answers now."""


class Copier(Protocol):
    """Copies what lies at one address into a folder, and brings it back as it was at a moment."""

    async def begin(self, folder: Path) -> str:
        """The folder, which is there and empty, holds a whole copy; its hash. Raises `StoreError` where it cannot."""

    async def resume(self, folder: Path) -> None:
        """It goes on from the copy that is in the folder. Raises `CallerError` where that is not as it was made, or
        `Conflict` where another process goes on from it."""

    async def step(self, folder: Path) -> bool:
        """Whatever was written since is in the folder too; whether there was something. After `begin` or `resume`."""

    async def close(self) -> None:
        """Nothing is held."""

    async def span(self, folder: Path, begun: str) -> Span:
        """What moments the copy that began with that hash can tell of, each file of it as it was made. Raises
        `CallerError` naming one that is not."""

    async def there(self) -> bool:
        """Whether something is there now that would be replaced."""

    async def build(self, folder: Path, begun: str, to: datetime | None, into: Path | None) -> Moved:
        """What was there at that moment, or the last one, answers beside what is there now, or in the folder `into`.

        Raises `Conflict` where what is there now is in use, `StoreError` where it cannot be made, `CallerError` where
        this copier needs a folder to build in.
        """

    async def put(self, *, running: bool) -> Moved:
        """What was built has taken the place of what was there, or stands in its folder; where a server answers for it,
        that goes on only if `running`."""

    async def discard(self) -> None:
        """Nothing is left of what was built and has not taken its place."""

    async def lose(self) -> None:
        """What was put is gone at once, as with its disk, and with it whatever answered for it."""
