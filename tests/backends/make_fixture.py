"""Writes the small database that later versions must still open: python tests/backends/make_fixture.py FILE."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from emma_core.backends.sql.registry import open_registry
from emma_core.backends.sqlite import open_store
from emma_core.nouns import Tenant
from emma_core.testing.samples import note, sealing


async def make(path: Path) -> None:
    if path.exists():
        raise SystemExit(f"{path} exists; a fixture that was ever released is never written again")
    store, registry = open_store(f"sqlite:///{path}"), open_registry(f"sqlite:///{path}")
    await store.open()
    await registry.open()
    await registry.create(Tenant(id="acme", title="Acme", created_at="2026-11-23T00:00:00Z"))
    for tenant in ("default", "acme"):
        handle = store.for_tenant(tenant)
        for number in range(1, 4):
            seal = sealing(tenant, number, turn=f"t{number}", conversation="c")
            await handle.append(seal, puts=[(note(f"n{number}", group="c", of=tenant, text="é🏠"), "")])
    await registry.close()
    await store.close()


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1]).absolute()))
