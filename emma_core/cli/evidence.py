"""`emma audit evidence`: one turn as a page for somebody who has no Emma, which verifies itself in a browser."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emma_core.cli import proving
from emma_core.cli.options import RolesOption, TenantOption, UserOption, named

if TYPE_CHECKING:
    from emma_core.audit import Evidence


def evidence(
    turn: Annotated[str, typer.Argument(metavar="TURN", help="The turn's id.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="An HTML file that is not there yet.")],
    values: Annotated[
        bool, typer.Option("--values/--no-values", help="With the words, facts and values, or the sealed lines alone.")
    ] = True,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", metavar="FILE", help="Prove it under that checkpoint.")
    ] = None,
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Write one turn as one page that verifies itself in a browser, without Emma and without a network.

    It holds the words and facts of the person whose turn it is, unless --no-values leaves them out: keep it as you keep
    those. Whoever reads it compares its key with `emma audit key`. Where no checkpoint is past the turn yet, one is
    signed.

    Examples:

        emma audit evidence t-0123456789abcdef01234567 -o evidence.html

        emma audit evidence t-0123456789abcdef01234567 -o evidence.html --no-values
    """
    from emma_core.cli import evidence_html
    from emma_core.cli.opening import desk, finish

    proving.free(output)
    note = None if checkpoint is None else proving.read_note(checkpoint)

    async def proved() -> Evidence:
        async with desk(tenant, user, role, reading=True) as opened:
            return await opened.proofs.evidence(named("TURN", turn) or "", values=values, checkpoint=note)

    found = finish(proved())
    proving.write(output, evidence_html.page(found).encode())
    print(f"Turn {found.turn} was written to {output}; open it in a browser", file=sys.stderr)
