"""The ports: what Emma needs of the outside, each answered by whatever its address names."""

from emma_core.ports.backup import Copier, Moved, Span
from emma_core.ports.jobs import JobKind, JobRun, Jobs, TenantJobs
from emma_core.ports.judgement import NAMED, Asked, Engine, Group, Guard, Reader, Stretch
from emma_core.ports.knowledge import Embedder, Index, Reranker, TenantIndex, Vectors
from emma_core.ports.objects import Blobs, Cache, Secrets, Signer, TenantBlobs, TenantCache
from emma_core.ports.registry import Registry, Row, TenantRegistry
from emma_core.ports.speech import Model, Words
from emma_core.ports.store import CLOSED, SHELVES, Seal, Store, TenantStore

__all__ = [
    "CLOSED",
    "NAMED",
    "SHELVES",
    "Asked",
    "Blobs",
    "Cache",
    "Copier",
    "Embedder",
    "Engine",
    "Group",
    "Guard",
    "Index",
    "JobKind",
    "JobRun",
    "Jobs",
    "Model",
    "Moved",
    "Reader",
    "Registry",
    "Reranker",
    "Row",
    "Seal",
    "Secrets",
    "Signer",
    "Span",
    "Store",
    "Stretch",
    "TenantBlobs",
    "TenantCache",
    "TenantIndex",
    "TenantJobs",
    "TenantRegistry",
    "TenantStore",
    "Vectors",
    "Words",
]
