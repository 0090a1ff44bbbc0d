"""What is done behind a caller's back, and how far it has come."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, JsonValue

from emma_core.nouns.tenancy import Name
from emma_core.nouns.values import Id, Noun

JobState = Literal["waiting", "running", "stopping", "done", "failed", "cancelled"]
"""`stopping`: somebody cancelled it, and it is putting down what it holds."""

INSTALLATION = "*"
"""Whose a job is that no tenant asked for; no tenant can be called so."""

JobId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=120)]


class Job(Noun):
    """A piece of work that outlives the process that asked for it."""

    id: JobId
    tenant: str
    """Whose it is; `*`: the installation's."""
    kind: Id
    """What is done, such as `export`."""
    input: dict[str, JsonValue] = {}
    """What it is told: ids, hashes, paths, and never what a person said."""
    by: Name
    state: JobState
    done: int = 0
    """How much of it is done, as it last said; never more than is."""
    of: int | None = None
    """Of how much; None while nobody can tell."""
    made_at: AwareDatetime
    begun_at: AwareDatetime | None = None
    """When it was last taken up."""
    ended_at: AwareDatetime | None = None
    attempts: int = 0
    """How often it was taken up: more than once where a process ended amid it."""
    outcome: dict[str, JsonValue] = {}
    """What came of it, by the same rule as `input`."""
    error: str = ""
    """Why it failed; what stood in quotes and was not in its input is left out."""

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("done", "failed", "cancelled")


class Schedule(Noun):
    """A job that a tenant has done again and again, at times that a cron expression says."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=60)]
    kind: Id
    input: dict[str, JsonValue] = {}
    """As a job's; `{at}` in a text stands for the moment it was due by that clock, such as `20261127T0600`."""
    cron: str
    """Minute, hour, day, month and weekday, such as `0 6 * * 1-5`."""
    zone: str = "UTC"
    """Whose clock it is read by, such as `America/Chicago`."""
    by: Name
    made_at: AwareDatetime
    last: AwareDatetime | None = None
    """The moment that it was last due and a job was started for."""
