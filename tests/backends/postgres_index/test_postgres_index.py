"""Holds the index in PostgreSQL to the contract of all indexes."""

from __future__ import annotations

from index_cases.apart import *  # noqa: F403
from index_cases.canaries import *  # noqa: F403
from index_cases.verbs import *  # noqa: F403
