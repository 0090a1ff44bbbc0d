"""Reads the addresses of Azure's services, says who comes to them, and what they say when they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity.aio import DefaultAzureCredential

from emma_core.backends.loopback import is_loopback
from emma_core.errors import Conflict, OperatorError, StoreError

_REFUSED = {401, 403}


@dataclass(frozen=True)
class Account:
    """Where a container is, and how it is reached."""

    url: str
    name: str
    container: str
    query: str = ""
    key: str = field(default="", repr=False)
    ca: str = ""
    """A file of certificates to trust, where the system's are not the ones."""
    retries: int = 3

    def __str__(self) -> str:
        return f"Azure Blob container {self.container!r} of {self.name!r}"


def read_account(address: str) -> Account:
    """The account that `azure-blob://ACCOUNT.blob.core.windows.net/CONTAINER` names. Raises `OperatorError`.

    On loopback, as Azurite has it, the account stands in the path: `azure-blob://127.0.0.1:10000/ACCOUNT/CONTAINER`.
    """
    form = "write 'azure-blob://ACCOUNT.blob.core.windows.net/CONTAINER'"
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise OperatorError(f"EMMA_BLOBS: {address!r} does not fit: {error}; {form}") from error
    said = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    path = [unquote(each) for each in parts.path.split("/") if each]
    local = is_loopback(host)
    if not host or len(path) != (2 if local else 1):
        raise OperatorError(f"EMMA_BLOBS: {address!r} does not fit; {form}")
    if said.get("tls", "on") not in ("on", "off") or (said.get("tls") == "off" and not local):
        raise OperatorError(f"EMMA_BLOBS: {address!r}: tls=off is for this machine only; leave it out")
    known = ("key", "tls", "ca", "retries")
    if strays := [each for each in said if each not in known and each.partition("_")[0] not in ("keep", "tier")]:
        raise OperatorError(
            f"EMMA_BLOBS: {strays[0]!r} means nothing there; there are {list(known)}, keep_… and tier_…"
        )
    if (retries := said.get("retries", "3")) not in map(str, range(11)):
        raise OperatorError(f"EMMA_BLOBS: retries={retries!r} does not fit; write 0 to 10")
    if (ca := said.get("ca", "")) and not Path(ca).is_file():
        raise OperatorError(f"EMMA_BLOBS: ca={ca!r} is no file; name one of certificates")
    name = path[0] if local else host.partition(".")[0]
    scheme = "http" if said.get("tls") == "off" else "https"
    url = f"{scheme}://{parts.netloc.rpartition('@')[2]}" + (f"/{name}" if local else "")
    return Account(
        url, name, container=path[-1], query=parts.query, key=said.get("key", ""), ca=ca, retries=int(retries)
    )


def credential(account: Account, held: AsyncExitStack) -> Any:
    """What the account is entered with: its key, else the identity that this process runs under."""
    if account.key:
        return AzureNamedKeyCredential(account.name, account.key)
    identity = DefaultAzureCredential()
    held.push_async_callback(identity.close)
    return identity


@contextmanager
def azure_told(where: object, refusal: type[OperatorError] = StoreError) -> Iterator[None]:
    """What Azure refuses is one error that says what to do. Raises `Conflict` for what is there or held."""
    try:
        yield
    except ResourceExistsError as error:
        raise Conflict(f"{where}: it refuses: {getattr(error, 'error_code', '')} ({_first(error)})") from error
    except (AzureError, ValueError, OSError) as error:
        raise refusal(f"{where}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """What went wrong, and what to do."""
    said = _first(error)
    code = getattr(error, "status_code", None)
    named = getattr(error, "error_code", "") or ""
    if isinstance(error, ClientAuthenticationError) or code in _REFUSED:
        return f"it refuses this key or identity ({said}); correct the key, or give the identity its role"
    if named == "ContainerNotFound":
        return "there is no such container; run: emma db upgrade"
    if "certificate" in said.lower():
        return (
            f"its certificate is not to be trusted ({said}); correct the address, or name its authority with ?ca=FILE"
        )
    if isinstance(error, ServiceRequestError | ServiceResponseError | OSError):
        return f"it cannot be reached ({said}); see that the address is right and the service is there"
    if isinstance(error, HttpResponseError):
        return f"it answered {code} {named or said}; see the service's own log"
    return f"{said}; correct the address or the key"


def _first(error: Exception) -> str:
    """The first line of what Azure says: below it stand ids of requests."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
