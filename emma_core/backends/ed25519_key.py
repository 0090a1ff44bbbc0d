"""Signs with an Ed25519 key, which lies in a file of its owner's only, or is a secret."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from emma_core.errors import OperatorError
from emma_core.ports import Signer


def open_signer(address: str, name: str) -> Signer:
    """The signer at `file:PATH`, whose key is made where there is none, or of a key written as 32 bytes in base64.

    `name`: whose signature it is. Raises `OperatorError` where the key cannot be read, or is none.
    """
    if not name or any(character.isspace() or character == "+" for character in name):
        raise OperatorError(f"EMMA_SIGNING_NAME: {name!r} can sign nothing; use a name without spaces and '+'")
    if not address.startswith("file:"):
        return Ed25519Key(name, _read(address, "EMMA_SIGNING_KEY"))
    path = Path(address.removeprefix("file:"))
    try:
        if not path.exists():
            _make(path)
        return Ed25519Key(name, _read(path.read_text(encoding="ascii"), f"'{path}'"))
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(
            f"EMMA_SIGNING_KEY: '{path}' cannot be read or made ({error}); name a file that can be, or a secret"
        ) from error


class Ed25519Key:
    """A key, and its name."""

    def __init__(self, name: str, seed: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes (RFC 8032)."""
        return self._key.sign(message)


def _make(path: Path) -> None:
    """A fresh key lies in the file; where somebody made one meanwhile, that stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(base64.b64encode(os.urandom(32)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)
    except FileExistsError:
        return
    finally:
        part.unlink()


def _read(said: str, where: str) -> bytes:
    try:
        seed = base64.b64decode(said.strip(), validate=True)
    except ValueError:
        seed = b""
    if len(seed) != 32:
        raise OperatorError(f"{where} holds no key; a key is 32 random bytes in base64: openssl rand -base64 32")
    return seed
