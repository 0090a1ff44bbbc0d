"""The job that destroys what has had its time, tenant by tenant, each whole or not yet."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from emma_core.jobs.places import AbsolutePath
from emma_core.nouns import Noun
from emma_core.ports import JobKind, JobRun
from emma_core.runtime import House
from emma_core.tenancy import Proof, write_proof
from emma_core.tenant_life import TenantLife


class RetainInput(Noun):
    """Where the proofs go."""

    proofs: AbsolutePath | None = None
    """A folder that is there, for the proofs, one file each."""


def make(house: House, tools: object) -> JobKind:
    """How retention is done in this house."""

    async def work(run: JobRun) -> dict[str, JsonValue]:
        said = RetainInput.model_validate(run.job.input)
        hashes: dict[str, JsonValue] = {}

        def proved(proof: Proof) -> None:
            write_proof(proof, Path(said.proofs) if said.proofs else None)
            hashes[proof.tenant] = proof.hash
            run.progress(len(hashes))

        with run.unbroken():  # a tenant that is being destroyed is destroyed whole
            found = await TenantLife(house).retain(
                dry_run=False, by=run.job.by, proved=proved, stop=lambda: run.stopping
            )
        counts = {"telemetry": found.telemetry, "keys": found.keys, "jobs": found.jobs}
        gone: dict[str, JsonValue] = {what: sum(by_tenant.values()) for what, by_tenant in counts.items()}
        kept: list[JsonValue] = [*sorted(found.kept)]
        return {"destroyed": hashes, "kept": kept, **gone}

    return JobKind(work)
