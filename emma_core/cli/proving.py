"""`emma audit verify, checkpoint, prove, key, verifier`: whether the trail holds, and what proves it elsewhere."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emma_core.cli.options import OneFormat, RolesOption, TenantOption, UserOption, named
from emma_core.errors import CallerError, NotFound, OperatorError

if TYPE_CHECKING:
    from rich.text import Text

    from emma_core.audit import Checkpointed, Proof, Verification
    from emma_core.audit.verifier import Anchor

_Checkpoints = Annotated[
    list[Path] | None,
    typer.Option("--checkpoint", metavar="FILE", help="A checkpoint that was kept elsewhere; may be repeated."),
]
_Key = Annotated[
    str | None,
    typer.Option("--key", metavar="KEY", help="The checkpoints' public key; default: this house's own."),
]
_Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="A file that is not there yet; default: stdout.")
]


def verify(
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Verify an exported trail, without any store.")
    ] = None,
    checkpoint: _Checkpoints = None,
    key: _Key = None,
    format: OneFormat = "text",
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Verify that no line of the trail was changed, lost, added or moved; exits 1 naming the first that was.

    The trail of a store is held to every checkpoint among its blobs, and to those that are named.

    Examples:

        emma audit verify

        emma audit verify --checkpoint kept/checkpoint-1000.txt

        emma audit verify --export trail.jsonl --checkpoint kept/checkpoint-1000.txt --key emma+1f2e3d4c+Aa…
    """
    from emma_core.cli import show as screen
    from emma_core.cli.opening import desk, finish

    async def verified() -> Verification:
        async with desk(tenant, user, role, reading=True) as opened:
            proofs = opened.proofs
            public = key or (proofs.public_key() if checkpoint else "")
            return await proofs.verify(_anchors(checkpoint or (), public, opened.caller.tenant), key=key)

    found = (
        finish(verified()) if export is None else _exported(export, checkpoint or (), key, named("--tenant", tenant))
    )
    if format == "json":
        screen.data(found.plain())
    else:
        screen.screen().print(verdict(found), soft_wrap=True)
    raise typer.Exit(0 if found.ok else 1)


def checkpoint(
    output: _Output = None,
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Sign the trail as it stands: keep the note where nobody of this installation can write.

    With -o the hash of each line lies beside the note, in FILE.leaves: with it a line that is changed later is named by
    its number.

    Example:

        emma audit checkpoint -o checkpoint.txt
    """
    from emma_core.cli import show as screen
    from emma_core.cli.opening import desk, finish

    if output is not None:
        for file in (output, _beside(output)):
            free(file)

    async def signed() -> Checkpointed:
        async with desk(tenant, user, role) as opened:
            return await opened.proofs.checkpoint(leaves=output is not None)

    made = finish(signed())
    if output is None:
        print(made.note, end="")
        return
    write(_beside(output), made.leaves)
    write(output, made.note.encode())
    print(f"{screen.many(made.size, 'line')} were signed in {output}", file=sys.stderr)


def prove(
    what: Annotated[str, typer.Argument(metavar="TURN|SEQ", help="A turn's id, or a line's number.")],
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", metavar="FILE", help="Prove it under that checkpoint.")
    ] = None,
    output: _Output = None,
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Prove that a line is one of those that were signed, to somebody who sees no other line; of a turn its first.

    Where no checkpoint is past the line yet, one is signed.

    Example:

        emma audit prove 3 -o proof.json
    """
    from emma_core.cli.opening import desk, finish

    if output is not None:
        free(output)
    note = None if checkpoint is None else read_note(checkpoint)

    async def proved() -> Proof:
        async with desk(tenant, user, role) as opened:
            trail = await opened.trail()
            lines = [] if what.isdecimal() else await trail.lines(turn=what, limit=1)
            if not what.isdecimal() and not lines:
                raise NotFound(f"No turn {what!r} is on this trail; `emma audit show` tells those there are")
            return await opened.proofs.prove(lines[0].seq if lines else int(what), checkpoint=note)

    said = json.dumps(finish(proved()).plain(), indent=2) + "\n"
    if output is None:
        print(said, end="")
    else:
        write(output, said.encode())


def key(tenant: TenantOption = None, user: UserOption = None, role: RolesOption = None) -> None:
    """Print the public key with which anybody verifies this installation's checkpoints.

    Example:

        emma audit key > emma.pub
    """
    from emma_core.cli.opening import desk, finish

    async def public() -> str:
        async with desk(tenant, user, role) as opened:
            return opened.proofs.public_key()

    print(finish(public()))


def verifier(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet, such as verify.pyz.")],
) -> None:
    """Write the verifier as one file that any Python 3.11 runs, without Emma and without a network.

    Example:

        emma audit verifier verify.pyz && python -I verify.pyz trail.jsonl
    """
    from emma_core.audit import verifier as alone

    free(file)
    part = file.with_name(f"{file.name}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("__main__.py", "import sys\nfrom verifier.command import main\nsys.exit(main())\n")
            for source in sorted(Path(alone.__file__).parent.glob("*.py")):
                archive.write(source, f"verifier/{source.name}")
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OperatorError(f"'{file}' cannot be written: {error.strerror}; name another place") from error
    print(f"{file} was written; run: python -I {file} --help", file=sys.stderr)


def read_note(file: Path) -> str:
    """The checkpoint in a file. Raises `CallerError` where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CallerError(
            f"Checkpoint '{file}' cannot be read; name a file that `emma audit checkpoint` wrote"
        ) from error


def free(file: Path) -> None:
    """Nothing lies there yet. Raises `CallerError` otherwise."""
    if file.exists():
        raise CallerError(f"'{file}' is there already; name a file that is not")


def write(file: Path, said: bytes) -> None:
    """The file holds this, whole, or is not there."""
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_bytes(said)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OperatorError(f"'{file}' cannot be written: {error.strerror}; name another place") from error


def verdict(found: Verification, *, digits: int = 64) -> Text:
    """The verification in one line: how many lines hold up to which head, or which is the first that does not."""
    from rich.text import Text

    from emma_core.cli import show as screen

    if found.ok:
        lines = screen.many(found.lines, "line")
        erased = f", {screen.many(found.erased, 'payload')} erased" if found.erased else ""
        head = f"; head #{found.head.seq} {found.head.hash[:digits]}" if found.head else ""
        said = f": {lines} of tenant {found.tenant} as sealed{erased}{head}"
        return Text("ok", "bold green").append(said, "not bold")
    said = f" at #{found.bad_seq}: {found.reason} ({screen.many(found.lines, 'line')} before it)"
    return Text("broken", "bold red").append(screen.visible(said), "not bold")


def _exported(export: Path, checkpoints: Sequence[Path], key: str | None, tenant: str | None) -> Verification:
    """What came of a trail in a file, held to checkpoints."""
    from emma_core import audit

    if checkpoints and key is None:
        raise CallerError("--checkpoint beside --export needs --key: the public key that `emma audit key` printed")
    read = audit.read_export(export)
    whose = tenant or read.tenant
    return audit.verify(read.lines(), tenant=whose, head=read.head, anchors=_anchors(checkpoints, key or "", whose))


def _anchors(files: Sequence[Path], key: str, tenant: str) -> list[Anchor]:
    """The checkpoints of files. Raises `CallerError` for one that is not this trail's, or not signed with the key."""
    from emma_core.audit import verifier as alone

    try:
        return [alone.read_anchor(file, key, tenant) for file in files]
    except OSError as error:
        raise CallerError(
            f"Checkpoint '{error.filename}' cannot be read: {error.strerror}; name another file"
        ) from error
    except ValueError as error:
        raise CallerError(f"--checkpoint, --key: {error}") from error


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.leaves")
