"""Takes turns for a drill, and says each once it is acknowledged, until it is killed."""

from __future__ import annotations

import asyncio
import itertools
import sys

from emma_core import settings
from emma_core.house import Emma

AT_ONCE = 4


def main() -> None:
    """Turns are taken until the process ends."""
    asyncio.run(_take())


async def _take() -> None:
    chosen = settings.load()
    async with Emma.open(chosen, recover=False) as emma:
        desk = emma.tenant(chosen.tenant)
        numbers = itertools.count(1)

        async def take() -> None:
            for number in numbers:
                turn = await desk.ask("drill", f"Is number {number} kept?", conversation=f"c-{number % 7}")
                sys.stdout.write(f"{turn.id}\n")
                sys.stdout.flush()

        await asyncio.gather(*(take() for _ in range(AT_ONCE)))
