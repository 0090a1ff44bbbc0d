"""One text for one value: the canonical JSON that is hashed and sealed."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def text(value: Any) -> str:
    """JSON with sorted keys, no spaces, and characters as they are (RFC 8785 for ASCII keys and no floats)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256(value: Any) -> str:
    """The SHA-256 of the canonical JSON's UTF-8 bytes, in hex."""
    return hashlib.sha256(text(value).encode()).hexdigest()
