"""The hall of jobs: started for a tenant or the installation, looked at, cancelled, scheduled, and done by workers."""

from emma_core.jobs.hall import JobHall
from emma_core.jobs.kinds import KINDS, Kind, Tools

__all__ = ["KINDS", "JobHall", "Kind", "Tools"]
