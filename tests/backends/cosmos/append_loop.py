"""Appends to a Cosmos store that moves its lines early, and prints each as it is acknowledged: ADDRESS NAME [COUNT]."""

from __future__ import annotations

import asyncio
import itertools
import sys

from emma_core.backends.cosmos import CosmosStore
from emma_core.backends.cosmos.address import read
from emma_core.backends.cosmos.trail import Sizes
from emma_core.testing.samples import note, sealing


async def append(address: str, name: str, count: int | None) -> None:
    store = CosmosStore(read(address), sizes=Sizes(kept=10, part=64))
    await store.open()
    handle = store.for_tenant("a")
    numbers = itertools.count() if count is None else iter(range(count))

    async def take_turns() -> None:
        for number in numbers:
            id = f"{name}-{number}"
            sealed = await handle.append(sealing("a", number), puts=[(note(id, n=number), "")])
            # one write each, so that what is read back is what was acknowledged
            sys.stdout.write(f"{sealed.seq} {sealed.hash} {id}\n")
            sys.stdout.flush()

    await asyncio.gather(*(take_turns() for _ in range(4)))
    await store.close()


if __name__ == "__main__":
    where, called, *rest = sys.argv[1:]
    asyncio.run(append(where, called, int(rest[0]) if rest else None))
