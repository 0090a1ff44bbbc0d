"""Draws evidence as one page that verifies itself in a browser and tells what was verified, and needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from emma_core.cli.show import visible

if TYPE_CHECKING:
    from emma_core.audit import Evidence

_HERE = Path(__file__).parent


def page(evidence: Evidence) -> str:
    """The page. All that it tells is drawn by its script, out of what that verified."""
    script = "".join((_HERE / name).read_text(encoding="utf-8") for name in ("evidence.js", "evidence_page.js"))
    style = (_HERE / "evidence.css").read_text(encoding="utf-8")
    return Template((_HERE / "evidence.html").read_text(encoding="utf-8")).substitute(
        title=escape(visible(f"Turn {evidence.turn}")),
        made=escape(visible(f"Made {evidence.made_at} of tenant {evidence.tenant}.")),
        evidence=_embedded(json.dumps(evidence.plain(), ensure_ascii=True)),
        script=script,
        script_hash=_hash(script),
        style=style,
        style_hash=_hash(style),
    )


def _embedded(data: str) -> str:
    """The JSON in a page: no character of it ends or begins an element."""
    for character in "<>&":
        data = data.replace(character, f"\\u{ord(character):04x}")
    return data


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
