"""Looks at what the house stands on besides its databases: secrets, blobs, the cache and jobs, for `emma doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emma_core.errors import EmmaError, OperatorError

if TYPE_CHECKING:
    from emma_core.packs import Packs
    from emma_core.settings import Settings

Line = tuple[str, str, str, str]
"""What was looked at, how it stands (`ok`, `warn` or `bad`), what is said of it, and what to do."""

PORTS = {
    "blobs": ("bad", "set EMMA_BLOBS to a folder or a container that can be written"),
    "cache": ("warn", "start it, or set EMMA_CACHE=memory:; until then turns go on without it"),
}
"""By port, how bad it is where it cannot be used, and what to do."""


async def standing(found: Packs, chosen: Settings) -> list[Line]:
    """How each stands; where secrets cannot be read, the rest is not looked at."""
    from emma_core.opening import resolved

    lines: list[Line] = []
    try:
        async with resolved(chosen, found) as (secrets, read):
            lines.append(("secrets", "ok", await secrets.state(), ""))
            for port in PORTS:
                lines.append(await _port(port, getattr(read, port), found))
            lines.append(await _jobs(read.jobs_at, found))
    except OperatorError as error:
        lines.append(("secrets", "bad", str(error), "correct EMMA_SECRETS, or what names a secret"))
    return lines


async def _port(port: str, address: str, found: Packs) -> Line:
    """How one of them stands; it is open for as long as that takes to tell."""
    try:
        one = found.backend(port, address)
        try:
            await one.open()
            return port, "ok", await one.state(), ""
        finally:
            await one.close()
    except EmmaError as error:
        bad, do = PORTS[port]
        return port, bad, str(error), do


async def _jobs(address: str, found: Packs) -> Line:
    """How jobs stand; where nobody ever started one, nothing is needed for them."""
    try:
        jobs = found.backend("jobs", address)
        try:
            return "jobs", "ok", await jobs.state(), ""
        finally:
            await jobs.close()
    except EmmaError as error:
        return "jobs", "warn", str(error), "mend it, or set EMMA_JOBS; until then no job is started or done"
