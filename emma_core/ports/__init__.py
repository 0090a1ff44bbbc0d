"""The ports: what Emma needs of the outside, each answered by whatever its address names."""

from emma_core.ports.judgement import NAMED, Asked, Engine, Group, Guard, Reader, Stretch
from emma_core.ports.objects import Blobs, Cache, Secrets, TenantBlobs, TenantCache
from emma_core.ports.registry import Registry, Row, TenantRegistry
from emma_core.ports.speech import Index, Model
from emma_core.ports.store import SHELVES, Seal, Store, TenantStore

__all__ = [
    "NAMED",
    "SHELVES",
    "Asked",
    "Blobs",
    "Cache",
    "Engine",
    "Group",
    "Guard",
    "Index",
    "Model",
    "Reader",
    "Registry",
    "Row",
    "Seal",
    "Secrets",
    "Store",
    "Stretch",
    "TenantBlobs",
    "TenantCache",
    "TenantRegistry",
    "TenantStore",
]
