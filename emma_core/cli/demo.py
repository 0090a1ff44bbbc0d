"""`emma demo`: one turn as a story, played for real and left nowhere."""

from __future__ import annotations

from typing import Annotated

import typer

from emma_core.cli.options import OneFormat


def demo(
    format: OneFormat = "text",
    plain: Annotated[bool, typer.Option("--plain", help="Without colours.")] = False,
) -> None:
    """See one turn as a story: what was asked, which rules held, who may lift what, and the proof.

    It runs offline, in a store of its own that is gone afterwards. In JSON: its two turns.

    Examples:

        emma demo

        emma demo --plain | less
    """
    from emma_core.cli import show, story
    from emma_core.cli.opening import finish

    played = finish(story.play(story.read()))
    if format == "json":
        show.data([played.first.plain(), played.second.plain()])
        return
    from emma_core.cli import scenes

    scenes.show(show.screen(plain=plain), played)
