"""Closes words under a person's key and opens them again, by AES-256-GCM, which also notices a changed text."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from emma_core.errors import OperatorError
from emma_core.ports import CLOSED

_NONCE = 12
_BYTES = 32


class Changed(Exception):
    """What lies there is not what was closed under this key and for this place."""


class Cipher:
    """Closes and opens under one key."""

    def __init__(self, key: bytes) -> None:
        # a command that reads no words need not wait for them
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.key = key
        self._aes = AESGCM(key)
        self._refused = (InvalidTag, ValueError)

    def close(self, text: bytes, place: str) -> str:
        """The text as only this key opens it, and only for this place."""
        nonce = os.urandom(_NONCE)
        return CLOSED + base64.b64encode(nonce + self._aes.encrypt(nonce, text, _encoded(place))).decode()

    def open(self, closed: str, place: str) -> bytes:
        """The text that was closed. Raises `Changed` where it is another, or was closed for another place."""
        try:
            raw = binascii.a2b_base64(closed[len(CLOSED) :], strict_mode=True)
            return self._aes.decrypt(raw[:_NONCE], raw[_NONCE:], _encoded(place))
        except self._refused as error:
            raise Changed from error


def pseudonym(key: bytes, subject: str) -> str:
    """What stands for a person's id wherever it is stored: nobody without the key can tell whose it is, or guess."""
    return hmac.new(key, _encoded(subject), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Masters:
    """The keys that wrap the keys of persons: the first closes, each opens what it closed; none where none is named."""

    keys: Sequence[bytes] = ()

    @property
    def first(self) -> str:
        """Which one closes, by a name that tells nothing of it; empty where there is none."""
        return _name(self.keys[0]) if self.keys else ""

    def wrap(self, key: bytes, place: str) -> dict[str, str]:
        """The key as it may lie in a store."""
        if not self.keys:
            return {"key": base64.b64encode(key).decode(), "by": ""}
        return {"key": Cipher(self.keys[0]).close(key, place), "by": self.first}

    def unwrap(self, said: dict[str, str], place: str) -> bytes:
        """The key. Raises `OperatorError` where its master key is not among these, `Changed` where it was changed."""
        if not said["by"]:
            return base64.b64decode(said["key"])
        for master in self.keys:
            if _name(master) == said["by"]:
                return Cipher(master).open(said["key"], place)
        raise OperatorError(
            f"EMMA_MASTER_KEY: what persons said is kept under the master key {said['by']}, and"
            f" {'it is ' + self.first if self.keys else 'none is named'}; name that one too, after a comma"
        )


def masters(setting: str) -> Masters:
    """The master keys that the setting names, one after the other. Raises `OperatorError` for one that is none."""
    return Masters([_master(each.strip()) for each in setting.split(",")] if setting.strip() else ())


def _master(said: str) -> bytes:
    said = unquote(said)  # a secret that is one of several stands there as a part of a URL does
    for read in (bytes.fromhex, lambda text: base64.b64decode(text, validate=True)):
        try:
            key: bytes = read(said)
        except ValueError:
            continue
        if len(key) == _BYTES:
            return key
    raise OperatorError(
        f"EMMA_MASTER_KEY: a master key is {_BYTES} random bytes as base64 or hex, and this is not; make one with:"
        " openssl rand -base64 32"
    )


def _name(master: bytes) -> str:
    return hmac.new(master, b"name of this master key", hashlib.sha256).hexdigest()[:16]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # a name that no store takes is refused by the store
