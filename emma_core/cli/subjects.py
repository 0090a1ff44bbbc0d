"""`emma tenants export --subject` and `erase --subject`: what is held of a person, and its end."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emma_core.cli.options import OneFormat
from emma_core.errors import CallerError, OperatorError

if TYPE_CHECKING:
    from emma_core.subjects import Encrypted, Forgotten, Held

SUBJECT = "The person, as asks name them (`--subject`); where they named none, the conversation."


def take_out(tenant: str, subject: str, folder: Path, format: str) -> None:
    """The folder, new, holds all that is held of that person, for people and for programs."""
    from emma_core.cli import show

    if folder.exists() or folder.is_symlink():
        raise CallerError(f"{str(folder)!r} is there already; name a folder that is not")
    held = _gathered(tenant, subject)
    files = _written(folder, held)
    counts = {"events": len(held.events), "documents": len(held.documents)}
    if format == "json":
        show.data({"tenant": tenant, "files": [str(each) for each in files], **counts})
        return
    console = show.screen()
    console.print(f"What is held of that person stands in {folder}.")
    console.print(show.field("Holds", f"{counts['events']:,} events, {counts['documents']:,} documents"))
    console.print(show.field("Files", *(str(each) for each in files)))


def erase(
    id: Annotated[str, typer.Argument(metavar="ID", help="Which tenant.")],
    subject: Annotated[str, typer.Option("--subject", metavar="ID", help=SUBJECT)],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Kept in the ledger for good: name nobody in it.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether to.")] = False,
    proof: Annotated[Path | None, typer.Option("--proof", metavar="FILE", help="A new file for the proof.")] = None,
    format: OneFormat = "text",
) -> None:
    """Forget a person: their keys are destroyed, and nothing they said, and not their id, is held anywhere any more.

    The trail stays and verifies; a sealed line says beside which lines nothing lies any more. The ledger of erasures
    forgets them again after a restore. Interrupted, give the same command again. It cannot be undone.

    Example:

        emma tenants erase acme --subject borrower-7 --reason "asked on 27 November"
    """
    from emma_core.cli import show
    from emma_core.cli.progress import Steps
    from emma_core.cli.tenants import done

    if proof is not None and (proof.exists() or not proof.parent.is_dir()):
        raise OperatorError(f"--proof: {str(proof)!r} is there already, or its folder is not; name a new file")
    if not yes:
        _ask(id, subject)
    with Steps() as steps:
        told = done(lambda emma: emma.subjects.erase(id, subject, reason=reason, watch=steps.show), reading=True)
    said = {**told.plain(), "sha256": told.hash}
    if proof is not None:
        proof.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if format == "json":
        show.data(said)
    else:
        _tell(told)


def encrypt(format: OneFormat = "text") -> None:
    """Close what was written before persons had keys, and wrap every key under the first of EMMA_MASTER_KEY.

    It may be done while Emma is in use, and again.

    Example:

        emma db encrypt
    """
    from emma_core.cli import show
    from emma_core.cli.progress import Steps
    from emma_core.cli.tenants import done

    with Steps() as steps:
        found = done(lambda emma: emma.subjects.encrypt(watch=steps.show), reading=True)
    if format == "json":
        show.data([each.plain() for each in found])
        return
    for each in found:
        show.screen().print(show.field(each.tenant, *_closed(each)))


def _closed(each: Encrypted) -> list[str]:
    counts = {"payloads closed": each.payloads, "documents closed": each.documents, "keys wrapped": each.keys}
    return [f"{count:,} {what}" for what, count in counts.items() if count] or ["nothing lay open"]


def _ask(tenant: str, subject: str) -> None:
    """Somebody at the terminal says the person's id again. Raises `CallerError` where nobody does."""
    from emma_core.cli.show import visible

    if not sys.stdin.isatty():
        raise CallerError("Nobody is there to be asked whether to forget that person; say --yes")
    typer.echo(
        f"All that tenant {tenant} holds of {visible(subject)} will be gone for good, from backups too once they are"
        " restored.",
        err=True,
    )
    if typer.prompt("Say the person's id again to go on", err=True) != subject:
        raise CallerError("That is another id; nothing was done")


def _gathered(tenant: str, subject: str) -> Held:
    from emma_core.cli.progress import Steps
    from emma_core.cli.tenants import done

    with Steps() as steps:
        return done(lambda emma: emma.subjects.gather(tenant, subject, watch=steps.show), reading=True)


def _written(folder: Path, held: Held) -> list[Path]:
    """The files, which their owner alone may read."""
    from emma_core.cli import subject_page

    texts = {
        "subject.json": json.dumps(held.plain(), indent=2, sort_keys=True) + "\n",
        "subject.html": subject_page.html(held),
    }
    try:
        folder.mkdir(mode=0o700)
        for name, text in texts.items():
            with os.fdopen(
                os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", -1, "utf-8"
            ) as out:
                out.write(text)
    except OSError as error:
        raise OperatorError(f"{str(folder)!r} cannot be written: {error.strerror}; name another place") from error
    return [folder / name for name in texts]


def _tell(told: Forgotten) -> None:
    from emma_core.cli import show

    console = show.screen()
    console.print(f"That person is forgotten; {told.erasure.id} in the ledger says so.")
    console.print(show.field("Before", *(f"{count:,} {what}" for what, count in told.before.items())))
    console.print(show.field("After", *(f"{count:,} {what}" for what, count in told.after.items())))
    lines = ", ".join(f"#{first}" if first == last else f"#{first}-#{last}" for first, last in told.lines)
    console.print(show.field("Lines", lines or "none", *([f"sealed as #{told.sealed}"] if told.sealed else [])))
    if told.stopped:
        console.print(show.field("Stopped", f"{show.many(told.stopped, 'turn')} under way"))
    console.print(show.field("Trail", f"#{told.head.seq} {told.head.hash}" if told.head else "(empty)"))
    console.print(show.field("Proof", f"sha256:{told.hash}"))
