"""The room of tenants: what a tenant's state lets happen, and how its data leaves, arrives and ends."""

from emma_core.tenancy.states import admit

__all__ = ["admit"]
