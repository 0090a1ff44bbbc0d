"""Holds the proof that tenants are apart to finding each way in which a store may mix them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emma_core.backends import postgres
from emma_core.backends.sqlite import SqliteStore, SqliteTenantStore, open_store
from emma_core.errors import Conflict, TrailError
from emma_core.testing.two_tenants import prove_apart


def leaking(verb: str) -> type[SqliteTenantStore]:
    """A handle one verb of which reaches the shortest of the tenants whose names begin alike."""

    async def leak(self: SqliteTenantStore, *given: Any, **more: Any) -> Any:
        neighbour = SqliteTenantStore(self._file, self.tenant.partition("-")[0] + "-")
        return await getattr(SqliteTenantStore, verb)(neighbour, *given, **more)

    return type("Leaking", (SqliteTenantStore,), {verb: leak})


@pytest.mark.parametrize(
    "verb", ["get", "put", "delete", "query", "lines", "head", "append", "import_lines", "kinds", "census", "purge"]
)
def test_a_store_that_mixes_tenants_in_one_verb_is_found_out(address: str, verb: str) -> None:
    handle = leaking(verb)

    class Leaky(SqliteStore):
        def for_tenant(self, tenant: str) -> SqliteTenantStore:
            return handle(self._file, tenant)

    opened: list[Leaky] = []

    def new_store() -> Leaky:
        honest: Any = open_store(address)
        opened.append(Leaky(honest._file))
        return opened[-1]

    make: Callable[[], Any] = new_store
    with pytest.raises((AssertionError, Conflict, TrailError)):
        prove_apart(make, examples=200, steps=40, shrink=False)


@pytest.mark.prove
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_tenants_stay_apart_through_twenty_five_thousand_steps(
    backend: str, address: str, request: pytest.FixtureRequest, proof: Callable[..., None]
) -> None:
    where: str = address if backend == "sqlite" else request.getfixturevalue("emma_database").app
    opened = open_store if backend == "sqlite" else postgres.open_store
    prove_apart(lambda: opened(where), examples=500, steps=50)
    proof(f"{backend}: 500 sequences of 50 verbs over three tenants: none found anything of another", backend)
