"""Reads a job from what DBOS keeps of its workflow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from emma_core.nouns import Job, JobState

TOO_OFTEN = "every worker that took it up ended amid it; look into their logs before it is started again"


def job(row: Any) -> Job:
    """The job of a workflow's row, its input and output read."""
    tenant, _, id = row.workflow_id.partition("/")
    kind, told, by = row.input["args"]
    kept: dict[str, Any] = {**(row.attributes or {}), **(row.output or {})}
    ends = row.completed_at if _ended(row) else None
    return Job(
        id=id,
        tenant=tenant,
        kind=kind,
        input=told,
        by=by,
        state=state(row),
        done=kept.get("done", 0),
        of=kept.get("of"),
        made_at=_moment(row.created_at),
        begun_at=_moment(row.dequeued_at) if row.dequeued_at else None,
        ended_at=_moment(ends) if ends else None,
        attempts=_attempts(row),
        outcome=kept.get("outcome", {}),
        error=_error(row) or kept.get("error", ""),
    )


def state(row: Any) -> JobState:
    """What a workflow's status means for its job."""
    cancelled = bool((row.attributes or {}).get("cancel"))
    match row.status:
        case "SUCCESS":
            said: JobState = (row.output or {}).get("state", "done")
            return said
        case "CANCELLED":
            return "cancelled"
        case "PENDING":
            return "stopping" if cancelled else "running"
        case "ENQUEUED" | "DELAYED":
            if cancelled:
                return "stopping" if _attempts(row) else "cancelled"
            return "waiting"
        case _:
            return "failed"


def _ended(row: Any) -> bool:
    return row.status not in ("PENDING", "ENQUEUED", "DELAYED")


def _attempts(row: Any) -> int:
    return int(row.recovery_attempts or 0)


def _error(row: Any) -> str:
    if row.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        return TOO_OFTEN
    return type(row.error).__name__ if row.status == "ERROR" else ""


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
