"""Shows the demo's story in five scenes, to somebody who knows neither Emma nor the trade."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from emma_core.cli import proving, turns
from emma_core.cli.show import field, value, visible
from emma_core.cli.story import Played
from emma_core.nouns import Turn


def show(console: Console, played: Played) -> None:
    """The story stands on the screen."""
    story = played.story
    console.print(Text(f"\n{story.title}", "bold"))
    console.print(Padding(story.opening, (0, 0, 1, 0)))
    for number, (title, words, scene) in enumerate(
        (
            ("What was asked", story.scenes.asked, _asked),
            ("Which rules apply", story.scenes.rules, _rules),
            ("What each rule compared, and what the assistant said", story.scenes.compared, _compared),
            ("Who may lift it", story.scenes.decided, _decided),
            ("The proof", story.scenes.proved, _proved),
        ),
        start=1,
    ):
        console.print(Rule(Text(f" {number}  {title} ", "bold"), align="left", style="dim"))
        console.print(Padding(words, (0, 0, 1, 0), style="italic"))
        scene(console, played)
        console.print()
    console.print(Text("Now yours: ", "bold").append(f'emma ask {story.blueprint} "{story.words}"', "not bold cyan"))


def _asked(console: Console, played: Played) -> None:
    turn = played.first
    colour = console.color_system is not None and not console.no_color
    console.print(
        field(
            played.story.asked_by.title.partition(",")[0],
            turns.words(turn, colour=colour),
        )
    )
    read = [f"{fact.name.rpartition('.')[2]} = {value(fact.value)} ({turns.BASES[fact.basis]})" for fact in turn.facts]
    console.print(field("Facts", *read))


def _rules(console: Console, played: Played) -> None:
    turn = played.first
    console.print(turns.retrieved(turn.retrieved, turn.left_out))


def _compared(console: Console, played: Played) -> None:
    turn = played.first
    console.print(turns.findings(turn))
    console.print()
    console.print(turns.verdict(turn))
    answer = turn.answer.text.strip() if turn.answer else turn.stopped or ""
    console.print(field("Assistant", visible(answer)))


def _decided(console: Console, played: Played) -> None:
    story, override = played.story, played.decided
    console.print(field(f"{story.asked_by.user} tries", played.refusal, style="red"))
    until = (override.expires_at or "")[:10]
    console.print(field(f"{story.decided_by.user} grants", f"{override.title}, until {until}, writing down:"))
    for name, text in (override.reasons or {}).items():
        console.print(field("", Text(f"{name.replace('_', ' ')}: ", "dim").append(visible(text), "not dim")))
    console.print(field("Asked again", Text("the same question, in the same conversation; what failed:", "dim")))
    console.print()
    console.print(turns.findings(_unsettled(played)))
    console.print()
    console.print(turns.verdict(played.second))


def _unsettled(played: Played) -> Turn:
    """The second turn with the findings alone that did not pass: what was lifted still says that it failed."""
    failed = tuple(each for each in played.second.findings if each.outcome != "passed")
    return played.second.model_copy(update={"findings": failed})


def _proved(console: Console, played: Played) -> None:
    change = played.story.change
    steps = [f"#{each.seq}  {each.kind:<9} {each.caller:<4} {each.at[11:23]} UTC" for each in played.events]
    console.print(field("Trail", *steps))
    console.print(field("Verified", proving.verdict(played.verified, digits=12)))
    console.print(
        field("On a copy", f"somebody makes {change.from_!r} read {change.to!r}: one byte, in what was asked")
    )
    console.print(field("Verified", proving.verdict(played.tampered)))
