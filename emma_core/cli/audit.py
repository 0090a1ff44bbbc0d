"""`emma audit`: what the sealed trail says, whether it holds, and a copy that anybody can verify."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from emma_core.cli import evidence, proving, replaying
from emma_core.cli.options import ListFormat, RolesOption, TenantOption, UserOption, named
from emma_core.errors import CallerError, NotFound, OperatorError

if TYPE_CHECKING:
    from rich.text import Text

    from emma_core.audit import Episode
    from emma_core.cli.show import Format
    from emma_core.nouns import TrailLine

app = typer.Typer(help="Read, verify, replay and export the sealed trail.", no_args_is_help=True)


@app.command()
def show(
    which: Annotated[str | None, typer.Argument(metavar="TURN", help="The turn to tell whole.")] = None,
    turn: Annotated[str | None, typer.Option("--turn", metavar="ID", help="The same, as an option.")] = None,
    conversation: Annotated[
        str | None, typer.Option("--conversation", metavar="ID", help="Only that conversation.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="The newest lines, so many.")] = 50,
    values: Annotated[
        bool | None,
        typer.Option(
            "--values/--no-values", help="The words, facts and values beside the lines too; of one turn they are told."
        ),
    ] = None,
    format: ListFormat = "text",
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Tell the trail turn by turn, or one turn whole: what was asked and found, who decided, when and why.

    Of one turn the values that were compared are told too; `--no-values` leaves them out. In JSON: the sealed events,
    or with --values the stored lines with what lies beside them.

    Examples:

        emma audit show --limit 10

        emma audit show t-0123456789abcdef01234567

        emma audit show --conversation c-1 --values
    """
    turn, conversation = named("TURN", which) or named("--turn", turn), named("--conversation", conversation)
    if turn is not None and format == "text":
        _tell_whole(turn, conversation, values is not False, tenant, user, role)
    else:
        _tell_newest(turn, conversation, limit, bool(values), format, tenant, user, role)


@app.command()
def export(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="A file that is not there yet, or - for stdout.")],
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Write the whole trail as JSON lines, which `emma audit verify --export` verifies anywhere.

    It holds the words and facts of the people it is about: keep it as you keep those.

    Example:

        emma audit export trail.jsonl
    """
    from emma_core import audit
    from emma_core.cli.opening import desk, finish

    async def written(out: TextIO) -> int:
        async with desk(tenant, user, role, reading=True) as opened:
            return await audit.export_trail(await opened.trail(), out)

    if file == "-":
        finish(written(sys.stdout))
        return
    path, part = Path(file), Path(f"{file}.part")
    if path.exists():
        raise CallerError(f"{file!r} is there already; name a file that is not")
    try:
        with part.open("x", encoding="utf-8", newline="\n") as out:
            count = finish(written(out))
        part.replace(path)  # whole, or not there at all
    except OSError as error:
        raise OperatorError(f"{file!r} cannot be written: {error.strerror}; name another place") from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    print(f"{count} lines were written to {file}", file=sys.stderr)


app.command()(proving.verify)
app.command()(proving.checkpoint)
app.command()(proving.prove)
app.command()(proving.key)
app.command()(proving.verifier)
app.command()(evidence.evidence)
app.command()(replaying.replay)
app.command()(replaying.impact)


def _tell_newest(
    turn: str | None,
    conversation: str | None,
    limit: int,
    values: bool,
    format: Format,
    tenant: str | None,
    user: str | None,
    role: Sequence[str] | None,
) -> None:
    """The newest lines stand on the screen, turn by turn or in JSON. Raises `NotFound` where there is none such."""
    from emma_core import audit
    from emma_core.cli import show as screen
    from emma_core.cli.opening import desk, finish

    async def newest() -> list[TrailLine]:
        async with desk(tenant, user, role, reading=True) as opened:
            trail = await opened.trail()
            return (await trail.lines(turn=turn, conversation=conversation, limit=limit, newest_first=True))[::-1]

    lines = finish(newest())
    if not lines and (turn or conversation):
        raise NotFound(_absent(turn, conversation))
    plain = [line.plain() if values else audit.read(line).plain() for line in lines]
    if not screen.listed(plain, format):
        _tell(audit.timeline(lines), {line.seq: line.payload.body for line in lines if line.payload and values})


def _tell_whole(
    turn: str,
    conversation: str | None,
    values: bool,
    tenant: str | None,
    user: str | None,
    role: Sequence[str] | None,
) -> None:
    """The turn stands on the screen. Raises `NotFound` where it is not on this trail, or in another conversation."""
    from emma_core import audit
    from emma_core.cli import history
    from emma_core.cli import show as screen
    from emma_core.cli.opening import desk, finish

    async def found() -> list[TrailLine]:
        async with desk(tenant, user, role, reading=True) as opened:
            return await audit.lines_of(await opened.trail(), turn)

    lines = finish(found())
    if not lines or conversation not in (None, lines[0].conversation):
        raise NotFound(_absent(turn, conversation))
    shown = lines if values else [line.model_copy(update={"payload": None}) for line in lines]
    history.tell(screen.screen(), audit.account(shown))


def _absent(turn: str | None, conversation: str | None) -> str:
    said = " in ".join(f"{what} {id!r}" for what, id in (("turn", turn), ("conversation", conversation)) if id)
    return f"No {said} is on this trail; `emma audit show` tells those there are"


def _tell(episodes: list[Episode], beside: dict[int, str]) -> None:
    """The episodes stand on the screen, with what lies beside their lines where that was asked for."""
    from emma_core.cli import show as screen

    console = screen.screen()
    for episode in episodes:
        console.print(_told(episode))
        for each in episode.events:
            if each.seq in beside:
                console.print(screen.visible(_laid_out(beside[each.seq])), soft_wrap=True)
    if not episodes:
        console.print("The trail is empty here; `emma ask` writes on it.")
    elif turn := next((each.turn for each in reversed(episodes) if each.turn), None):
        console.print(f"One turn whole: emma audit show {screen.visible(turn)}", style="dim", soft_wrap=True)


def _laid_out(payload: str) -> str:
    """The payload for people; one that somebody broke as it lies there."""
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return payload


def _told(episode: Episode) -> Text:
    from rich.text import Text

    from emma_core.cli.show import visible

    what = episode.turn or {"checked": "check", "decided": "decision"}.get(kind := episode.events[0].kind, kind)
    said = Text(visible(f"{what}  {episode.conversation or ''}"), "bold")
    if episode.verdict:
        said.append(visible(f"  {episode.verdict}"), "yellow" if episode.verdict != "clear" else "green")
    for each in episode.events:
        said.append(f"\n  #{each.seq:<5} {each.kind:<10} {each.at[:19].replace('T', ' ')}  ", "not bold")
        said.append(visible(each.caller), "not bold")
    for finding in episode.findings:
        if finding.get("outcome") != "passed":
            lifted = f" (override {finding['override']})" if "override" in finding else ""
            said.append(
                "\n         " + visible(f"{finding.get('outcome')!s:<13}{finding.get('rule')}{lifted}"), "not bold"
            )
    passed = sum(finding.get("outcome") == "passed" for finding in episode.findings)
    said.append(f"\n         passed       {passed} more" if passed else "", "not bold dim")
    for words, style in _ended(episode):
        said.append(f"\n         {visible(words)}", style)
    return said.append("\n")


def _ended(episode: Episode) -> Iterator[tuple[str, str]]:
    """What somebody decided or published, or why the turn was stopped, each with its style."""
    for line in _decisions(episode.decision or {}):
        yield line, "not bold"
    if published := episode.published:
        where = f"{published.get('blueprint')}@{published.get('label') or published.get('version')}"
        to = f" to version {published.get('version')}" if "label" in published else ""
        yield f"{published.get('action')} {where}{to}", "not bold"
    if episode.reason:
        yield f"stopped: {episode.reason}", "not bold red"


def _decisions(outcome: Mapping[str, Any]) -> Iterator[str]:
    """What a sealed decision says: of one override, or rule by rule of a check's findings."""
    from emma_core.cli.show import many

    said = f"{outcome.get('decision')} {{}} as {outcome.get('role')} ({{}})"
    if "override" in outcome:
        yield said.format(outcome.get("rule"), f"override {str(outcome['override'])[:12]}")
    for each in outcome.get("rules", ()):
        yield said.format(each["rule"], f"{many(each['count'], 'finding')} of {str(outcome.get('check'))[:14]}")
