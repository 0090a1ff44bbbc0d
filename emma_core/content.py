"""Reads content folders and blueprints: files in, checked nouns out, or an error with file and place."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from emma_core import misfits, shapes, wording
from emma_core.errors import AuthorError, BlueprintError
from emma_core.hookspecs import hookimpl
from emma_core.nouns import Blueprint, FactSpec, Noun, OverrideTemplate, PackIndex, RuleSet
from emma_core.rules.tokens import KEYWORDS

N = TypeVar("N", bound=Noun)

WORDING_NAMES = ("rule", "finding", "values")
"""What an override template's words may name."""
FOLDERS = ("blueprints", "override-templates", "rules", "tables")
"""The folders of content that are read; a file in them that is not read is a mistake."""


@dataclass(frozen=True)
class Content:
    """All that one content folder says."""

    rulesets: tuple[tuple[str, RuleSet], ...]
    """With the file each was read from, relative to the folder."""
    on_demand: dict[str, Path]
    """Files of rule sets that are read when they are first named, by name and edition."""
    facts: dict[str, dict[str, FactSpec]]
    roles: dict[str, str]
    templates: tuple[OverrideTemplate, ...]
    tables: dict[str, frozenset[str]]
    """Reference tables by name, for `in_table`."""
    blueprints: tuple[Blueprint, ...]


def content_of(file: str, *, checkout: str | None = None) -> Callable[[], Path]:
    """A pack's whole `register_content`: the folder `content` beside `file`, or in an editable checkout the folder
    `checkout` (relative to `file`'s)."""
    here = Path(file).resolve().parent

    @hookimpl
    def register_content() -> Path:
        beside = here / "content"
        return (here / checkout).resolve() if checkout and not beside.is_dir() else beside

    return register_content


def load(folder: Path) -> Content:
    """What the folder holds: `*.json` at its top (an index or one rule set each), `override-templates/*.md` and
    blueprints (`*.yaml` at its top or under `blueprints/`). Raises `AuthorError`, for a file that is not read too."""
    if not folder.is_dir():
        raise AuthorError(f"{folder}: there is no such folder of content")
    rulesets: list[tuple[str, RuleSet]] = []
    on_demand: dict[str, Path] = {}
    facts: dict[str, dict[str, FactSpec]] = {}
    roles: dict[str, str] = {}
    for path in sorted(folder.glob("*.json")):
        found, index = _index(path)
        if twice := sorted(set(roles) & set(index.roles)):
            raise AuthorError(f"{path.name}: roles: {twice[0]!r} is declared twice in this folder")
        roles |= index.roles
        on_demand |= {name: _of_folder(path, file, "on_demand") for name, file in index.on_demand.items()}
        rulesets += [(str(file.relative_to(folder)), ruleset) for file, ruleset in found]
        for model, specs in index.facts.items():
            if model in facts:
                raise AuthorError(f"{path.name}: facts: model {model!r} is declared twice in this folder")
            facts[model] = specs
    templates = sorted(folder.glob("override-templates/*.md"))
    agents = sorted([*folder.glob("*.yaml"), *folder.glob("blueprints/*.yaml")])
    tables = sorted(folder.glob("tables/*.txt"))
    named = {*(folder / file for file, _ in rulesets), *on_demand.values()}
    _all_read(folder, {*templates, *agents, *tables, *named, *folder.glob("*.json")})
    return Content(
        rulesets=tuple(rulesets),
        on_demand=on_demand,
        facts=facts,
        roles=roles,
        tables={path.stem: _table(path) for path in tables},
        templates=tuple(map(_template, templates)),
        blueprints=tuple(map(read_blueprint, agents)),
    )


def together(loaded: Sequence[Content]) -> Content:
    """The content of several folders as one."""
    return Content(
        rulesets=tuple(pair for each in loaded for pair in each.rulesets),
        on_demand={name: path for each in loaded for name, path in each.on_demand.items()},
        facts={model: specs for each in loaded for model, specs in each.facts.items()},
        roles={role: title for each in loaded for role, title in each.roles.items()},
        tables={name: values for each in loaded for name, values in each.tables.items()},
        templates=tuple(one for each in loaded for one in each.templates),
        blueprints=tuple(one for each in loaded for one in each.blueprints),
    )


def read_blueprint(path: Path) -> Blueprint:
    """The blueprint in a YAML file. Raises `BlueprintError`."""
    try:
        blueprint = _noun(Blueprint, _yaml(_text(path), path.name), path.name)
        if blueprint.answer is not None:
            shapes.check(blueprint.answer.schema_, f"{path.name}: answer.schema")
    except AuthorError as error:
        raise BlueprintError(str(error)) from error
    if blueprint.id != path.stem:
        raise BlueprintError(f"{path.name}: id: {blueprint.id!r} must be the file's name, {path.stem!r}")
    return blueprint


def digest(folders: Iterable[Path], patterns: tuple[str, ...] = ("**/*",)) -> list[tuple[str, str]]:
    """Every file's path in its folder with the SHA-256 of its bytes, in order; what a pack's hash is made of."""
    return [
        (path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest())
        for folder in folders
        for path in sorted({path for pattern in patterns for path in folder.glob(pattern)})
        if path.is_file() and "__pycache__" not in path.parts
    ]


def read_json(text: str, where: str) -> Any:
    """The JSON value of a text in which no key stands twice. Raises `AuthorError` with line and column."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen = dict(pairs)
        if len(seen) < len(pairs):
            twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
            raise AuthorError(f"{where}: key {twice!r} stands twice in one object; keep one")
        return seen

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=lambda name: _no_number(name, where))
    except json.JSONDecodeError as error:
        raise AuthorError(f"{where}: line {error.lineno} col {error.colno}: not JSON: {error.msg}") from error
    except RecursionError as error:
        raise AuthorError(f"{where}: not read: nested too deeply") from error
    except ValueError as error:  # Python reads no whole number of thousands of digits
        raise AuthorError(f"{where}: a number in it is too long to be read; shorten it") from error


def _all_read(folder: Path, read: set[Path]) -> None:
    """No file of the known folders was passed over. Raises `AuthorError` naming one that was."""
    for path in sorted([*folder.glob("*"), *(path for name in FOLDERS for path in folder.glob(f"{name}/**/*"))]):
        name = path.relative_to(folder).as_posix()
        if path in read or path.name.startswith((".", "~")) or path.name.endswith("~") or path.stem.isupper():
            continue  # hidden files, an editor's copies, README and its like are for people
        if path.is_dir():
            near = difflib.get_close_matches(path.name, FOLDERS, n=1, cutoff=0.75) if path.parent == folder else []
            if near and near[0] != path.name:
                raise AuthorError(f"{name}/: this folder is not read; did you mean {near[0]!r}?")
        elif path.parent != folder:
            says = "name it under 'rulesets' in an index" if path.suffix == ".json" else "see how content is laid out"
            raise AuthorError(f"{name}: this file is not read; {says}, or take it away")
        elif path.suffix in (".yml", ".md"):
            said = "call it .yaml" if path.suffix == ".yml" else "move it into 'override-templates'"
            raise AuthorError(f"{name}: this file is not read; {said}, or take it away")


def read_ruleset(name: str, files: Mapping[str, Path]) -> RuleSet:
    """The rule set of that name and edition, with the rules of the edition it extends. Raises `AuthorError`."""
    file = files[name]
    ruleset = _ruleset(read_json(_text(file), file.name), file.name)
    if f"{ruleset.ruleset}@{ruleset.edition}" != name:
        raise AuthorError(f"{files[name].name}: it holds {ruleset.ruleset}@{ruleset.edition}; the index says {name}")
    if ruleset.extends is None:
        return ruleset
    if ruleset.extends not in files or ruleset.extends == name:
        raise AuthorError(f"{files[name].name}: extends: no rule set {ruleset.extends!r} is in the index's 'on_demand'")
    base = read_ruleset(ruleset.extends, {other: path for other, path in files.items() if other != name})
    own = {rule.id: rule for rule in ruleset.rules}
    inherited = {rule.id for rule in base.rules}
    if strays := sorted(set(ruleset.without) - inherited):
        raise AuthorError(f"{files[name].name}: without: {ruleset.extends} has no rule {strays[0]!r}")
    kept = [own.pop(rule.id, rule) for rule in base.rules if rule.id not in ruleset.without]
    return ruleset.model_copy(update={"rules": (*kept, *own.values())})


def _index(path: Path) -> tuple[list[tuple[Path, RuleSet]], PackIndex]:
    raw = read_json(_text(path), path.name)
    if isinstance(raw, dict) and "ruleset" in raw:
        return [(path, _ruleset(raw, path.name))], PackIndex()
    index = _noun(PackIndex, raw, path.name)
    for model, specs in index.facts.items():
        for name, spec in specs.items():
            _declared(name, spec, f"{path.name}: facts: {model}: {name}")
    files = [(_of_folder(path, name, "rulesets"), name) for name in index.rulesets]
    return [(file, _ruleset(read_json(_text(file), name), name)) for file, name in files], index


def _of_folder(index: Path, name: str, key: str) -> Path:
    file = (index.parent / name).resolve()
    if not file.is_relative_to(index.parent.resolve()) or not file.is_file():
        raise AuthorError(f"{index.name}: {key}: {name!r} is no file of this folder")
    return index.parent / name


def _table(path: Path) -> frozenset[str]:
    """The values of a table, one a line; a line that starts with `#` says where they come from."""
    lines = _text(path).splitlines()
    if not any(line.startswith("#") for line in lines):
        raise AuthorError(f"{path.name}: line 1: a table says where it comes from; begin with a line '# source, date'")
    return frozenset(line for line in lines if line and not line.startswith("#"))


def _ruleset(raw: Any, where: str) -> RuleSet:
    ruleset = _noun(RuleSet, raw, where)
    if not ruleset.rules and ruleset.extends is None:
        raise AuthorError(f"{where}: rules: there is none; write one, or extend another edition")
    for rule in ruleset.rules:
        if twice := next((each for each in rule.applies_to if rule.applies_to.count(each) > 1), None):
            raise AuthorError(f"{where}: {rule.id}: applies_to: {twice!r} stands twice; keep one")
    return ruleset


def _declared(name: str, spec: FactSpec, where: str) -> None:
    """A rule can name the fact, and its values mean something. Raises `AuthorError`."""
    if name in KEYWORDS or name in ("date", "filter"):
        raise AuthorError(f"{where}: the rule language keeps the word {name!r} for itself; choose another name")
    if "values" in spec.model_fields_set and not spec.values:
        raise AuthorError(f"{where}: values: an empty list lets nothing in; write the words it may be, or no list")
    if spec.values and spec.type not in ("text", "list"):
        raise AuthorError(f"{where}: values: only a text or a list has them, and this is a {spec.type}")


def _template(path: Path) -> OverrideTemplate:
    parts = re.match(r"\A---\r?\n(.*?)\r?\n---\r?\n(.*)\Z", _text(path), re.DOTALL)
    if parts is None:
        raise AuthorError(f"{path.name}: line 1: an override template opens with front matter between two lines of ---")
    front = _yaml(parts[1], path.name)
    if not isinstance(front, dict):
        raise AuthorError(f"{path.name}: line 2: the front matter must be keys and values")
    template = _noun(OverrideTemplate, {**front, "words": parts[2].strip()}, path.name)
    wording.check(template.words, WORDING_NAMES, where=path.name)
    return template


def _noun(noun: type[N], raw: Any, where: str) -> N:
    """The noun that a plain value says; the first thing that does not fit is named with its place."""
    try:
        return noun.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        first = error.errors()[0]
        place = misfits.place(first["loc"])
        said = misfits.words(first)
        if first["type"] == "extra_forbidden":
            known = sorted({name.rstrip("_") for name in _keys(noun, first["loc"][:-1])})
            near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
            said = f"no such key; did you mean {near[0]!r}?" if near else f"no such key; there are {known}"
        raise AuthorError(f"{where}: {_named(raw, first['loc'])}{place}: {said}") from error


def _keys(noun: type[Noun], path: tuple[int | str, ...]) -> list[str]:
    """The keys that the object at a path may have, as its JSON Schema says."""
    schema = noun.model_json_schema(by_alias=True)
    at = schema
    for part in path:
        at = at.get("items", {}) if isinstance(part, int) else at.get("properties", {}).get(part, {})
        if not at:
            return []
        if "$ref" in at:
            at = schema["$defs"][at["$ref"].rsplit("/", 1)[-1]]
    return list(at.get("properties", {}))


def _named(raw: Any, path: tuple[int | str, ...]) -> str:
    """The id of the rule that a path runs through, so that a person finds it."""
    if len(path) > 1 and path[0] == "rules" and isinstance(path[1], int) and isinstance(raw["rules"][path[1]], dict):
        return f"{raw['rules'][path[1]].get('id', 'a rule without id')}: "
    return ""


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AuthorError(f"{path.name}: byte {error.start}: not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise AuthorError(f"{path}: cannot be read: {error.strerror}") from error


def _no_number(name: str, where: str) -> Any:
    raise AuthorError(f"{where}: {name} is no number; write a decimal")


class _Yaml12(yaml.SafeLoader):
    """YAML with the 1.2 core schema: `no` is a word, dates are texts, and no key stands twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The node; an alias is refused, since a few of them can stand for gigabytes."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases are not read; write the value out", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping, its keys being texts that stand once."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, key in enumerate(keys):
            mark = node.value[index][0].start_mark
            if not isinstance(key, str):
                raise yaml.MarkedYAMLError(problem=f"key {key!r} must be a text", problem_mark=mark)
            if key in keys[:index]:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} stands twice", problem_mark=mark)
        return super().construct_mapping(node, deep=deep)


_Yaml12.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _Yaml12.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml.load(text, Loader=_Yaml12)  # a SafeLoader: it makes plain values only
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1} col {mark.column + 1}: " if mark else ""
        raise AuthorError(f"{where}: {place}not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise AuthorError(f"{where}: not YAML: {error}") from error
    except ValueError as error:  # Python reads no whole number of thousands of digits
        raise AuthorError(f"{where}: a number in it is too long to be read; shorten it") from error
