"""Holds a turn to what a blueprint's own test expects of it."""

from __future__ import annotations

from emma_core.nouns import BlueprintTest, Turn


def unmet(test: BlueprintTest, turn: Turn) -> list[str]:
    """What the test expects and the turn did not bring, each in words; empty where it holds."""
    expect, said = test.expect, []
    if expect.verdict not in (None, turn.verdict):
        said.append(f"verdict: {expect.verdict!r} was expected, and it is {turn.verdict!r}")
    failed = sorted({finding.rule for finding in turn.findings if finding.outcome == "failed"})
    if expect.failed is not None and sorted(set(expect.failed)) != failed:
        said.append(f"failed: {sorted(set(expect.failed))} was expected, and it is {failed}")
    needed = {need.fact for need in turn.needs}
    bare = {fact.rpartition(".")[2] for fact in needed}
    said += [f"needs: nobody asks for {fact!r}" for fact in expect.needs or () if fact not in needed | bare]
    cited = [cite.citation for cite in turn.answer.citations] if turn.answer else []
    for cite in expect.cites or ():
        if not any(cite in each for each in cited):
            said.append(f"cites: the answer does not cite {cite!r}")
    return said
