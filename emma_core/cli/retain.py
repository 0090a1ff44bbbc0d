"""`emma db retain`: destroys what has had its time, and proves that nothing of it is left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import JsonValue

from emma_core.cli import jobs
from emma_core.cli.options import LaterOption, OneFormat
from emma_core.errors import CallerError, OperatorError

if TYPE_CHECKING:
    from rich.console import Console

    from emma_core.tenant_life import Retained


def retain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    proofs: Annotated[
        Path | None, typer.Option("--proofs", metavar="DIR", help="A folder for the proofs, one file each.")
    ] = None,
    later: LaterOption = False,
    format: OneFormat = "text",
) -> None:
    """Destroy what has had its time: offboarded tenants in every store, telemetry, spent keys, jobs that are over.

    How long is said by EMMA_RETAIN_OFFBOARDED_DAYS and EMMA_RETAIN_TELEMETRY_DAYS. Exits 1 where one cannot go.

    Examples:

        emma db retain --dry-run

        emma db retain --proofs proofs
    """
    from emma_core.cli import show
    from emma_core.cli.opening import finish, there
    from emma_core.house import Emma
    from emma_core.settings import load
    from emma_core.tenancy import write_proof

    async def retained() -> Retained:
        there(chosen := load())
        async with Emma.open(chosen, recover=False) as emma:
            return await emma.tenancy.retain(dry_run=dry_run, proved=lambda proof: write_proof(proof, proofs))

    if proofs is not None and not proofs.is_dir():
        raise OperatorError(f"--proofs: there is no folder {str(proofs)!r}; make it first")
    if later:
        return _start(proofs, format, dry_run=dry_run)
    found = finish(retained())
    if format == "json":
        hashes = [{**proof.plain(), "sha256": proof.hash} for proof in found.proofs]
        show.data({**found.plain(), "proofs": hashes})
    else:
        _told(show.screen(), found)
    raise typer.Exit(1 if found.kept else 0)


def _start(proofs: Path | None, format: str, *, dry_run: bool) -> None:
    if dry_run:
        raise CallerError("--later and --dry-run: a job destroys; leave one out")
    told: dict[str, JsonValue] = {"proofs": str(proofs.absolute())} if proofs else {}
    jobs.later("retain", told, None, installation=True, format=format)


def _told(console: Console, found: Retained) -> None:
    from emma_core.cli import show
    from emma_core.cli.tenants import counted

    would = "would be" if found.dry_run else "were"
    for due in found.due if found.dry_run else ():
        console.print(
            show.field(due.tenant, f"would be destroyed, offboarded {_day(due.offboarded_at)}:", *counted(due.holds))
        )
    for proof in found.proofs:
        head = f"; its trail ended at #{proof.head.seq} {proof.head.hash}" if proof.head else ""
        console.print(
            show.field(
                proof.tenant,
                f"is gone{head}",
                "before:",
                *counted(proof.before),
                "after:",
                *counted(proof.after),
                f"proof sha256:{proof.hash}",
            )
        )
    for tenant, why in found.kept.items():
        console.print(show.field(tenant, f"is not destroyed: {why}", style="red"))
    for due in found.waiting:
        console.print(show.field(due.tenant, f"is offboarded, and kept until {_day(due.due_at)}"))
    for what, counts in {
        "documents of telemetry": found.telemetry,
        "spent idempotency keys": found.keys,
        "jobs": found.jobs,
    }.items():
        for tenant, count in counts.items():
            console.print(show.field(tenant, f"{count:,} {what} {would} destroyed"))
    if not (found.due or found.waiting or found.telemetry or found.keys or found.jobs):
        console.print("Nothing has had its time.")


def _day(moment: Any) -> str:
    return f"{moment:%Y-%m-%d}"
