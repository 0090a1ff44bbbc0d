"""A store that stops before one of its writes, as a process does that is killed there."""

from __future__ import annotations

from typing import Any

from emma_core.errors import StoreError

WRITES = {"append", "put", "delete", "replace_payloads", "import_lines"}


class Stumbling:
    """Any store; its `at`th write from now on never happens, and nor does one after it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.at: int | None = None
        self.written = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def for_tenant(self, tenant: str) -> Any:
        return StumblingHandle(self, self._inner.for_tenant(tenant))


class StumblingHandle:
    """One tenant of it."""

    def __init__(self, store: Stumbling, inner: Any) -> None:
        self._store, self._inner = store, inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in WRITES:
            return found

        async def write(*given: Any, **more: Any) -> Any:
            self._store.written += 1
            if self._store.at is not None and self._store.written >= self._store.at:
                raise StoreError("stopped here")
            return await found(*given, **more)

        return write
