"""Every Azure address at once: Cosmos, PostgreSQL, Blob, Redis, Key Vault, Azure OpenAI, each a loopback server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from services.azure_openai_fake import AzureOpenAIFake
from services.azurite_server import AzuriteServer
from services.cosmos_fake import CosmosFake
from services.cosmos_fake.server import KEY as COSMOS_KEY
from services.key_vault_fake import KeyVaultFake
from services.postgres_server import Addresses
from services.valkey_server import ValkeyServer

_NUMBERS = count(1)


@dataclass(frozen=True)
class AzureSet:
    """The servers, and the variables that name them."""

    cosmos: CosmosFake
    database: Addresses
    azurite: AzuriteServer
    valkey: ValkeyServer
    vault: KeyVaultFake
    model: AzureOpenAIFake
    variables: dict[str, str]
    container: str


@contextmanager
def azure_set(database: Addresses, azurite: AzuriteServer, valkey: ValkeyServer) -> Iterator[AzureSet]:
    """An installation with nothing in it, not even containers and tables; its keys lie in the vault."""
    cosmos, vault, model = CosmosFake(), KeyVaultFake(), AzureOpenAIFake()
    container = f"central-{next(_NUMBERS)}"
    where, _, options = cosmos.address("emma", key="").partition("?key=")
    vault.secrets |= {"cosmos-key": COSMOS_KEY, "blobs-key": azurite.key}
    variables = {
        "EMMA_STORE": f"{where}?key={{secret:cosmos-key}}{options}",
        "EMMA_DATABASE": database.app,
        "EMMA_DATABASE_OWNER": database.owner,
        "EMMA_BLOBS": f"azure-blob://127.0.0.1:{azurite.port}/{azurite.account}/{container}"
        "?key={secret:blobs-key}&tls=off&retries=1",
        "EMMA_CACHE": f"{valkey.address}?patience=30",
        "EMMA_SECRETS": vault.address,
        "EMMA_MODEL": "azure_openai:gpt-4o",
        **vault.environment,
        **model.environment,
    }
    try:
        yield AzureSet(cosmos, database, azurite, valkey, vault, model, variables, container)
    finally:
        model.forget()
        vault.forget()
        cosmos.stop()
