"""Feed the reader of predicates what atheris makes up: `python tests/prove/fuzz_parser.py -runs=1000000`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_SEEDS = (
    "dti <= 0.45 AND (zip IN ('', 'NA') OR is_number(zip) AND number(zip) >= 0)",
    "NOT verified = CASE WHEN applied > DATE '2024-02-29' THEN TRUE ELSE has_any(tags, 'a', 'b') END",
    "matches(zip, '(.*[^0-9-])?[0-9]{3}([^0-9-].*)?') OR - dti * 2 BETWEEN -1 AND ratio(dti, 3)",
)


def main() -> int:
    """Feeds until `-runs` is used up; anything but a tree or an error with a place is a crash."""
    try:
        import atheris
    except ImportError:
        print("fuzz_parser: atheris is not installed; run: pip install atheris", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["emma_core.rules"]):
        read = _reader()
    for seed in _SEEDS:
        read(seed)

    def feed(data: bytes) -> None:
        made = atheris.FuzzedDataProvider(data)
        read(made.ConsumeUnicode(sys.maxsize) if made.ConsumeBool() else data.decode("latin-1"))

    with TemporaryDirectory() as corpus:
        for index, seed in enumerate(_SEEDS):
            # an even last byte is what `feed` takes for plain text
            (Path(corpus) / str(index)).write_bytes(seed.encode() + b" ")
        atheris.Setup([*sys.argv, "-max_len=400", corpus], feed)
        atheris.Fuzz()
    return 0


def _reader() -> Callable[[str], None]:
    """Reads and checks a text, with the rule language imported here so that it can be instrumented."""
    from emma_core.nouns import FactSpec
    from emma_core.rules import BUILTINS, LanguageError, parse, types

    kinds: dict[str, Any] = {"dti": "number", "zip": "text", "applied": "date", "verified": "bool", "tags": "list"}
    facts = {name: FactSpec(type=kind, title=name) for name, kind in kinds.items()}

    def read(text: str) -> None:
        try:
            types.check(parse(text), facts, BUILTINS)
        except LanguageError as error:
            lines = text.split("\n")
            if not (1 <= error.line <= len(lines) and 1 <= error.column <= len(lines[error.line - 1]) + 1):
                raise AssertionError(f"{text!r}: a place outside it: {error.line}, {error.column}") from error

    return read


if __name__ == "__main__":
    sys.exit(main())
