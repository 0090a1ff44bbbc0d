"""Appends to a store and prints each line as it is acknowledged; its arguments: ADDRESS TENANT NAME [COUNT]."""

from __future__ import annotations

import asyncio
import itertools
import sys

from emma_core.backends.sqlite import open_store
from emma_core.testing.samples import note, sealing


async def append(address: str, tenant: str, name: str, count: int | None) -> None:
    store = open_store(address)
    await store.open()
    handle = store.for_tenant(tenant)
    numbers = itertools.count() if count is None else iter(range(count))

    async def take_turns() -> None:
        for number in numbers:
            id = f"{name}-{number}"
            sealed = await handle.append(sealing(tenant, number), puts=[(note(id, n=number), "")])
            # one write each, so that what is read back is what was acknowledged
            sys.stdout.write(f"{sealed.seq} {sealed.hash} {id}\n")
            sys.stdout.flush()

    await asyncio.gather(*(take_turns() for _ in range(8)))
    await store.close()


if __name__ == "__main__":
    address, tenant, name, *rest = sys.argv[1:]
    asyncio.run(append(address, tenant, name, int(rest[0]) if rest else None))
