"""Puts the pack's content from the checkout into what is built of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ContentHook(BuildHookInterface[Any]):
    """The sdist and the wheel carry the content inside the package; an editable install reads the checkout's copy."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """The content is in the build, or the build stops."""
        inside = Path(self.config["package"], "content")
        # An unpacked sdist has it in place already, and leads to no checkout.
        if version == "editable" or (Path(self.root) / inside).is_dir():
            return
        content = (Path(self.root) / self.config["content"]).resolve()
        if not any(content.glob("*.json")):
            raise FileNotFoundError(
                f"Content of {self.metadata.name!r}: no index (*.json) in '{content}'; build from a full checkout"
            )
        build_data["force_include"][str(content)] = inside.as_posix()
