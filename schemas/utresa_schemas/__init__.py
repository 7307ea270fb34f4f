"""The Avro schemas of every record, in and out, under the fixed ids that the wire format carries.

`registry.json` gives each schema file its id. An id is never reused, and the schema behind it never changes,
since the raw records that carry it are kept and read again. See README.md beside this file.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form
from fastavro.types import Schema as ParsedSchema

__all__ = ["Schema", "by_id", "by_name"]


@dataclass(frozen=True, slots=True)
class Schema:
    """One schema under its fixed id.

    `name` is the record's name without the namespace, `path` its file in this package, `definition` the JSON
    as written, `parsed` what fastavro reads and writes with, `fingerprint` the CRC-64-AVRO of the parsing
    canonical form.
    """

    id: int
    name: str
    ce_type: str
    path: str
    definition: dict[str, Any]
    parsed: ParsedSchema
    fingerprint: str


def _json(path: str) -> Any:
    return json.loads(resources.files(__name__).joinpath(path).read_text(encoding="utf-8"))


def _schema(id: int, ce_type: str, path: str) -> Schema:
    definition = _json(path)
    return Schema(
        id=id,
        name=definition["name"],
        ce_type=ce_type,
        path=path,
        definition=definition,
        # Parsed on its own: a named type that two files share stands whole in each.
        parsed=parse_schema(definition),
        fingerprint=fingerprint(to_parsing_canonical_form(definition), "CRC-64-AVRO"),
    )


def _registered() -> Iterator[Schema]:
    """Every schema of the registry, in the order of the ids."""
    for entry in sorted(_json("registry.json"), key=lambda entry: int(entry["id"])):
        yield _schema(**entry)


by_id: Mapping[int, Schema] = MappingProxyType({schema.id: schema for schema in _registered()})
"""Every schema that a record may carry, by the id in its wire format."""

by_name: Mapping[str, Schema] = MappingProxyType({schema.name: schema for schema in by_id.values()})
"""The schema to write each record with: of several under one name, the one with the greatest id."""
