"""Holds the published JSON Schemas to the nouns, and what ships to the schemas it points at."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from emma_core.cli.schemas import NAMES

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "docs" / "schemas"
INDEXES = sorted((ROOT / "rag_content").rglob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_the_published_schema_is_what_the_command_prints(emma, name):
    said = emma("schema", name)

    jsonschema.Draft202012Validator.check_schema(said.json)
    assert said.out == (SCHEMAS / f"{name}.json").read_text(), "run: emma schema --into docs/schemas"
    assert "$id" not in said.json
    assert said.json["title"]
    assert said.json["description"]


def test_every_published_schema_is_one_that_is_listed(emma):
    assert emma("schema", "--list").out.split() == NAMES
    assert sorted(path.stem for path in SCHEMAS.glob("*.json")) == NAMES


def test_all_schemas_can_be_written_into_a_folder(emma, tmp_path):
    emma("schema", "--into", "schemas")

    assert sorted(path.stem for path in (tmp_path / "schemas").iterdir()) == NAMES


@pytest.mark.parametrize("file", INDEXES, ids=lambda file: file.stem)
def test_a_shipped_file_points_at_a_schema_and_fits_it(file):
    said = json.loads(file.read_text())
    schema = file.parent / said["$schema"]

    assert schema.resolve().parent == SCHEMAS
    jsonschema.validate(said, json.loads(schema.read_text()))


@pytest.mark.parametrize(
    "file",
    [*(ROOT / "blueprints").glob("*.yaml"), *(ROOT / "rag_content").rglob("override-templates/*.md")],
    ids=lambda file: file.stem,
)
def test_a_shipped_blueprint_or_template_points_at_a_schema_and_fits_it(file):
    front = file.read_text().removeprefix("---\n").partition("\n---\n")[0]
    schema = file.parent / front.partition("$schema=")[2].partition("\n")[0]
    said = json.loads(json.dumps(yaml.safe_load(front), default=str))

    assert schema.resolve().parent == SCHEMAS
    jsonschema.validate(said, json.loads(schema.read_text()))


def test_fields_are_described_by_the_words_that_stand_under_them(emma):
    rule = emma("schema", "rule").json

    assert rule["properties"]["text"]["description"] == "The words a person reads and retrieval searches."
