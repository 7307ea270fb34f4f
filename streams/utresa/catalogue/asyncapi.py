"""The topics as an AsyncAPI 3 document: channels, operations of Utresa, messages with Avro payloads, keys, headers.

JSON, which every reader of AsyncAPI takes and Python writes by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from utresa_schemas import by_name, words

from utresa.catalogue.examples import Example, plain
from utresa.catalogue.pages import kept_in_words, key_in_words
from utresa.codec import HEADERS, read_value
from utresa.topics import AGENCIES, INPUTS, PUBLISHED, Topic

# Raised with what it describes: as a topic's, a new number means that readers have to look.
VERSION = "1.0.0"
AVRO = "application/vnd.apache.avro+json;version=1.9.0"
BINDING = "0.5.0"

_ORIGIN = {
    "utresa_reason": "Why the record was refused: a reason of the runbook's list.",
    "utresa_topic": "The input topic that it came on.",
    "utresa_partition": "The partition that it came in.",
    "utresa_offset": "Its offset there.",
}


def document(inputs: Mapping[str, Example], outputs: Mapping[str, Example]) -> str:
    """The document, from an example of each topic."""
    topics = {topic.name: topic for topic in (*INPUTS, *PUBLISHED)}
    examples = {**inputs, **outputs}
    whole = {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Utresa",
            "version": VERSION,
            "description": "Follows return cases across their agencies and counts them as the joint annual report "
            "does. What the agencies send, and what the figures come out on. The operations are Utresa's: it receives "
            "what agencies send, and sends what readers read.",
            "tags": [{"name": agency, "description": "Topics of this agency alone."} for agency in AGENCIES],
        },
        "defaultContentType": "application/avro",
        "servers": {
            "kafka": {
                "host": "{address}",
                "protocol": "kafka",
                "description": "Your Kafka, or the one that `utresa broker start` starts.",
                "variables": {"address": {"default": "127.0.0.1:9092", "description": "UTRESA_KAFKA"}},
            }
        },
        "channels": {name: _channel(topic) for name, topic in topics.items()},
        "operations": dict(map(_operation, topics.values())),
        "components": {
            "messages": {name: _message(topic, examples[name]) for name, topic in topics.items()},
            "messageTraits": {"cloudevent": {"headers": _cloudevent()}},
        },
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"Kept: {kept_in_words(topic)}.",
        "messages": {_record(topic): {"$ref": f"#/components/messages/{topic.name}"}},
        "tags": [{"name": agency} for agency in AGENCIES if agency in topic.name.split(".")],
        "bindings": {"kafka": {"topicConfiguration": _configuration(topic), "bindingVersion": BINDING}},
    }


def _configuration(topic: Topic) -> dict[str, Any]:
    """The settings that the binding knows, as it wants them."""
    numbers = {name for name in ("retention.ms", "retention.bytes", "max.message.bytes") if name in topic.config}
    return {
        "cleanup.policy": [topic.config["cleanup.policy"]],
        **{name: int(topic.config[name]) for name in sorted(numbers)},
    }


def _operation(topic: Topic) -> tuple[str, dict[str, Any]]:
    action = "receive" if topic in INPUTS else "send"
    channel = f"#/channels/{topic.name}"
    return f"{action}.{topic.name}", {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{_record(topic)}"}],
    }


def _message(topic: Topic, example: Example) -> dict[str, Any]:
    key = {"type": "string", "description": f"UTF-8: {key_in_words(topic)}."}
    binding: dict[str, Any] = {"key": key, "bindingVersion": BINDING}
    if topic.record is None:
        return {
            "name": _record(topic),
            "title": "A refused record",
            "summary": "A record of the agency as it came, byte for byte, with its origin and the reason in headers.",
            "contentType": "application/octet-stream",
            "headers": _object({name: {"type": "string", "description": says} for name, says in _ORIGIN.items()}),
            "bindings": {"kafka": binding},
        }
    schema = by_name[topic.record]
    framed: dict[str, Any] = {"schemaIdLocation": "payload", "schemaIdPayloadEncoding": "confluent"}
    trait = {"traits": [{"$ref": "#/components/messageTraits/cloudevent"}]} if topic in INPUTS else {}
    return {
        "name": topic.record,
        "title": topic.record,
        "summary": words.without_source(schema.definition["doc"]),
        "contentType": "application/avro",
        **trait,
        "payload": {"schemaFormat": AVRO, "schema": schema.definition},
        "bindings": {"kafka": {**binding, **framed}},
        "x-schema-id": schema.id,
        "examples": [dict(_example(example))],
    }


def _example(example: Example) -> Iterator[tuple[str, Any]]:
    if example.headers:
        yield "headers", {name: value.decode() for name, value in example.headers}
    yield "payload", plain(read_value(example.value))


def _record(topic: Topic) -> str:
    return topic.record or "DeadLetter"


def _cloudevent() -> dict[str, Any]:
    """The five headers, as the intake checks them."""
    said: dict[str, dict[str, Any]] = {
        "ce_id": {"description": "The event's id, unique per ce_source.", "minLength": 1, "maxLength": 256},
        "ce_source": {"description": "The agency's name, optionally followed by a system of it."},
        "ce_type": {"description": "The record's type.", "pattern": r"^utresa\.[A-Za-z]+\.v[0-9]+$"},
        "ce_time": {"description": "When the event was made, RFC 3339.", "format": "date-time"},
        "ce_specversion": {"description": "CloudEvents' version.", "const": "1.0"},
    }
    return _object({name: {"type": "string", **said[name]} for name in HEADERS})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}
