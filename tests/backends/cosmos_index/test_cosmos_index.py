"""Holds the index on Cosmos DB to the cases of all indexes: over the protocol fake, or an account named."""

from __future__ import annotations

from index_cases.apart import *  # noqa: F403
from index_cases.canaries import *  # noqa: F403
from index_cases.verbs import *  # noqa: F403
