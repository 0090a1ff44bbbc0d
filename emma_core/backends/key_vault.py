"""Reads secrets in Azure Key Vault, as the identity that this process runs under."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.core.exceptions import ResourceNotFoundError
from azure.identity.aio import DefaultAzureCredential
from azure.keyvault.secrets.aio import SecretClient

from emma_core.backends.azure_account import azure_told
from emma_core.backends.loopback import is_loopback
from emma_core.errors import OperatorError
from emma_core.ports import Secrets

_NOBODY = "emma-doctor-asks-for-what-is-not-there"


def open_secrets(address: str) -> Secrets:
    """The secrets of `key-vault://VAULT.vault.azure.net`, by TLS. Raises `OperatorError` where it does not fit."""
    form = "write 'key-vault://VAULT.vault.azure.net'"
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise OperatorError(f"EMMA_SECRETS: {address!r} does not fit: {error}; {form}") from error
    said = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if not host or parts.username or parts.path not in ("", "/"):
        raise OperatorError(f"EMMA_SECRETS: {address!r} does not fit; {form}")
    if strays := sorted(set(said) - {"ca", "retries"}):
        raise OperatorError(f"EMMA_SECRETS: {strays[0]!r} means nothing there; there are ['ca', 'retries']")
    if (retries := said.get("retries", "3")) not in map(str, range(11)):
        raise OperatorError(f"EMMA_SECRETS: retries={retries!r} does not fit; write 0 to 10")
    if (ca := said.get("ca", "")) and not Path(ca).is_file():
        raise OperatorError(f"EMMA_SECRETS: ca={ca!r} is no file; name one of certificates")
    more: dict[str, Any] = {"retry_total": int(retries), "connection_timeout": 5, "read_timeout": 10}
    if is_loopback(host):  # a token's audience is held against the vault's host, and this machine is no vault
        more["verify_challenge_resource"] = False
    if ca:
        more["connection_verify"] = ca
    return KeyVaultSecrets(f"https://{parts.netloc}", more)


class KeyVaultSecrets:
    """One vault; nobody asks it for anything before a secret is read."""

    def __init__(self, url: str, more: dict[str, Any]) -> None:
        self._url = url
        self._more = more
        self._held: AsyncExitStack | None = None
        self._client: SecretClient | None = None

    def __str__(self) -> str:
        return f"Key Vault {self._url}"

    async def open(self) -> None:
        """Ready; a vault that is away is told when a secret is read."""
        if self._client is None:
            self._held = AsyncExitStack()
            identity = await self._held.enter_async_context(DefaultAzureCredential())
            self._client = await self._held.enter_async_context(SecretClient(self._url, identity, **self._more))

    async def close(self) -> None:
        """Nothing is held."""
        held, self._held, self._client = self._held, None, None
        if held is not None:
            await held.aclose()

    async def read(self, name: str) -> str:
        """The secret of that name, its newest version. Raises `OperatorError` where it cannot be read."""
        value = await self._found(name.replace("_", "-").replace(".", "-"))
        if not value:
            raise OperatorError(f"{self}: there is no secret {name!r}; add it, or correct the name")
        return value

    async def state(self) -> str:
        """Which vault it is. Raises `OperatorError` where it does not let this identity read."""
        await self._found(_NOBODY)
        return f"{self} answers, and lets this identity read"

    async def _found(self, name: str) -> str | None:
        if self._client is None:
            raise OperatorError(f"{self} is not open; open it first")
        with azure_told(self, OperatorError):
            try:
                return (await self._client.get_secret(name)).value
            except ResourceNotFoundError as error:
                if getattr(error.error, "code", "") != "SecretNotFound":  # something else than a vault answered
                    raise
                return None
