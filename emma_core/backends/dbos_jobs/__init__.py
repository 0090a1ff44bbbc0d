"""The embedded jobs: durable workflows of DBOS, in a file beside the store or a schema of its own in PostgreSQL."""

from emma_core.backends.dbos_jobs.jobs import DbosJobs, open_jobs

__all__ = ["DbosJobs", "open_jobs"]
