"""Keeps any text where PostgreSQL takes no NUL: another spelling, in the same order of code points."""

from __future__ import annotations

import re

_SPELT = re.compile("\x01([\x01\x02])")


def spell(text: str) -> str:
    """The text with U+0000 as U+0001 U+0001, and U+0001 as U+0001 U+0002; nearly every text is as it was."""
    return text.replace("\x01", "\x01\x02").replace("\0", "\x01\x01") if "\x01" in text or "\0" in text else text


def read(text: str) -> str:
    """The text that was spelt so."""
    return _SPELT.sub(lambda found: "\0" if found[1] == "\x01" else "\x01", text) if "\x01" in text else text
