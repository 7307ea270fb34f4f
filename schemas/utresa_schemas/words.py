"""The schemas in words: how each field is written in a JSON line, whether it may be left out, and what it means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from utresa_schemas import Schema

_SIMPLE = {
    "string": "text",
    "boolean": "true or false",
    "int": "whole number, 32 bits",
    "long": "whole number, 64 bits",
    "null": "null",
    "date": "day, YYYY-MM-DD",
    "timestamp-micros": "instant, RFC 3339",
    "decimal": "decimal, one place",
}


class Field(NamedTuple):
    """A field of a record: its name, its type in words, whether it may be left out of a JSON line, and its doc."""

    name: str
    type: str
    optional: bool
    doc: str

    @property
    def meaning(self) -> str:
        """The doc without its source."""
        return without_source(self.doc)


def fields(definition: dict[str, Any]) -> list[Field]:
    """The fields of a record, in the order of the wire."""
    return [
        Field(field["name"], type_in_words(field["type"]), "default" in field, field["doc"])
        for field in definition["fields"]
    ]


def type_in_words(kind: Any) -> str:
    """An Avro type as who writes or reads JSON needs to know it."""
    match kind:
        case list():
            return " or ".join(type_in_words(one) for one in sorted(kind, key=lambda one: one == "null"))
        case {"logicalType": logical}:
            return _SIMPLE[logical]
        case {"type": "enum", "symbols": symbols}:
            return f"one of {', '.join(symbols)}"
        case {"type": "array", "items": items}:
            return f"list of {type_in_words(items)}"
        case {"type": "map", "values": values}:
            return f"object of names, each with a {type_in_words(values)}"
        case {"type": "record", "name": name}:
            return str(name)
    return _SIMPLE[kind]


def records_within(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The records that a record holds, in their order."""
    for field in definition["fields"]:
        kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
        for kind in kinds:
            inner = kind.get("items", kind) if isinstance(kind, dict) else kind
            if isinstance(inner, dict) and inner.get("type") == "record":
                yield inner
                yield from records_within(inner)


def field_in_words(schema: Schema, name: str) -> str | None:
    """A field's type and meaning; None when the record has none of that name."""
    found = {field.name: field for field in fields(schema.definition)}.get(name)
    return f"{name}: {found.type}. {found.meaning}" if found else None


def without_source(doc: str) -> str:
    """A doc without the sentence that names its source."""
    return re.sub(r" ?Source: .*?\.(?= |$)", "", doc, flags=re.DOTALL)
