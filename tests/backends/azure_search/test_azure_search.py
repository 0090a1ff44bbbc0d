"""Holds the index of Azure AI Search to the contract of all indexes: over the protocol fake, or a service named."""

from __future__ import annotations

from index_cases.apart import *  # noqa: F403
from index_cases.canaries import *  # noqa: F403
from index_cases.verbs import *  # noqa: F403
