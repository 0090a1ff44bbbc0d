"""Holds the environment and Key Vault, as a protocol fake speaks it, to the contract of all secrets."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from services.key_vault_fake import KeyVaultFake

from emma_core import OperatorError
from emma_core.backends import env_secrets, key_vault
from emma_core.testing.secrets_contract import *  # noqa: F403
from emma_core.testing.secrets_contract import NAMES, VALUES


@pytest.fixture
def hidden() -> dict[str, str]:
    return dict(zip(NAMES, VALUES, strict=True))


@pytest.fixture(params=["environment", "file", "vault"])
def new_secrets(request: pytest.FixtureRequest, hidden: dict[str, str], tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if request.param == "vault":
        vault: KeyVaultFake = request.getfixturevalue("vault")
        vault.secrets |= {name.lower(): value for name, value in hidden.items()}
        return lambda: key_vault.open_secrets(vault.address)
    variables = {name.upper().replace("-", "_"): value for name, value in hidden.items()}
    if request.param == "environment":
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return lambda: env_secrets.open_secrets("env:")
    lines = [f'{name}="{value}"' for name, value in variables.items()]
    (tmp_path / "secrets.env").write_text("\n".join(lines), encoding="utf-8")
    return lambda: env_secrets.open_secrets("env:secrets.env")


async def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("ONE=of-the-file\nEMPTY=of-the-file\n")
    monkeypatch.setenv("ONE", "of-the-environment")
    monkeypatch.setenv("EMPTY", "")
    secrets = env_secrets.open_secrets("env:")

    assert [await secrets.read(name) for name in ("one", "empty")] == ["of-the-environment", "of-the-file"]


@pytest.mark.parametrize("content", [None, b"ONE=\xff\xfe\n"], ids=["a folder", "no UTF-8"])
async def test_a_file_that_cannot_be_read_is_one_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "secrets.env"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    with pytest.raises(OperatorError, match=r"Secrets of '.*secrets\.env' cannot be read: "):
        await env_secrets.open_secrets(f"env:{path}").open()


async def test_a_vault_is_asked_for_nothing_before_a_secret_is_read(vault: KeyVaultFake) -> None:
    secrets = key_vault.open_secrets(vault.address)

    await secrets.open()
    await secrets.close()

    assert vault.asked == []


async def refusal(address: str) -> str:
    """What is said where a secret of the vault cannot be read; the same of its state."""
    secrets = key_vault.open_secrets(address)
    await secrets.open()
    try:
        with pytest.raises(OperatorError) as raised:
            await secrets.read("store-key")
        with pytest.raises(OperatorError):
            await secrets.state()
        return str(raised.value)
    finally:
        await secrets.close()


async def test_a_vault_that_is_away_is_one_error(vault: KeyVaultFake) -> None:
    said = await refusal("key-vault://127.0.0.1:9?retries=0")

    assert said.startswith("Key Vault https://127.0.0.1:9: it cannot be reached")


async def test_a_vault_whose_certificate_nobody_vouches_for_is_one_error(vault: KeyVaultFake) -> None:
    said = await refusal(vault.address.partition("?")[0] + "?retries=0")

    assert "its certificate is not to be trusted" in said
    assert vault.asked == []


async def test_an_identity_that_may_not_read_is_one_error(vault: KeyVaultFake) -> None:
    vault.denied |= {"store-key", key_vault._NOBODY}

    said = await refusal(vault.address)

    assert "it refuses this key or identity" in said
    assert "give the identity its role" in said


async def test_a_process_without_an_identity_is_one_error(vault: KeyVaultFake, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.identified = False
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")

    assert "it refuses this key or identity" in await refusal(vault.address)


async def test_what_is_no_vault_is_one_error(certificate: tuple[Path, Path], vault: KeyVaultFake) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope")
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]

        assert "it answered 404" in await refusal(f"key-vault://127.0.0.1:{port}?ca={certificate[0]}&retries=0")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("key-vault:", "does not fit; write 'key-vault://"),
        ("key-vault://acme.vault.azure.net/secrets/x", "does not fit"),
        ("key-vault://user@acme.vault.azure.net", "does not fit"),
        ("key-vault://acme.vault.azure.net:x", "does not fit"),
        ("key-vault://acme.vault.azure.net?tls=off", "'tls' means nothing there"),
        ("key-vault://acme.vault.azure.net?ca=nowhere.pem", "is no file"),
        ("key-vault://acme.vault.azure.net?retries=-1", "write 0 to 10"),
    ],
)
def test_an_address_that_does_not_fit_is_refused(address: str, words: str) -> None:
    with pytest.raises(OperatorError, match="EMMA_SECRETS") as raised:
        key_vault.open_secrets(address)

    assert words in str(raised.value)
