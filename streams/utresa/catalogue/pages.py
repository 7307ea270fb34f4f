"""A page of Markdown for each topic that producers send to or readers read, and the page that lists them all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from textwrap import fill
from typing import Any, NamedTuple

from utresa_schemas import Schema, by_name, words

from utresa.catalogue.examples import Example, fields_of, parts
from utresa.topics import CHANGELOGS, INPUTS, INTERNAL, PUBLISHED, Topic

SCHEMAS = "../../schemas/utresa_schemas"
WIDTH = 120
BYTES_A_ROW = 16

MADE = "<!-- Made by `make docs` from the registry of topics, the schemas and examples.jsonl: edit those. -->"


class Reading(NamedTuple):
    """Of a published record: what its key is, and how it is read, paragraph by paragraph."""

    key: str
    how: tuple[str, ...]


AS_EVERY_INPUT = (
    f"The [wire format]({SCHEMAS}/README.md#the-wire-format), [headers]({SCHEMAS}/README.md#the-headers) and "
    f"[partition]({SCHEMAS}/README.md#the-partition) are those of every input."
)
A_REGISTRATION = (
    "A correction is a record with the same record_id and a higher revision, whole; a withdrawal one with `retracted` "
    "true; a tombstone is refused. The order in which records come decides nothing, and one that is sent twice changes "
    "nothing."
)
SENDING = {
    "FeedStatus": "Send one whenever everything has been sent, once a day or once an hour: by it readers know how far "
    "the figures are complete.",
}

KEPT_FOR_EACH_KEY = (
    "Take the last record of each key. Utresa writes no tombstone here; who meets one, a record without a value, takes "
    "what the key stood for as gone."
)
READING: Mapping[str, Reading] = {
    "Statistic": Reading(
        "edition/measure/year/dim=value,…, the dimensions in the order of their names; without any it ends with the "
        "year. It is what `utresa explain` takes",
        (
            f"{KEPT_FOR_EACH_KEY} A figure that becomes nothing is written as 0; one that never was is missing, and is "
            "0 too.",
            "All records of one edition lie in one partition, not in that of their key: read every partition. A record "
            "may come twice, and the last one is the right one ([why](../decisions/0013-statistics-read-back.md)).",
            "Figures come one by one. Those that belong together, as of one moment, are on `utresa.report.v1`; whether "
            "any is about to change is on `utresa.freshness.v1`; what it means is on `utresa.measure.v1`.",
        ),
    ),
    "Report": Reading(
        "edition/year",
        (
            "Each record is whole: every figure of the edition's year, as a recount of exactly the records before "
            "`offsets` gives them ([how](../decisions/0005-cuts.md)). Of several under one key the one with the "
            "greatest version is the newest, whatever the order in which they lie. Figures that are 0 may be missing.",
            "A snapshot is published when something has changed, at most every few seconds. After a rebuild from the "
            "raw topics, versions begin again: then take the last one.",
        ),
    ),
    "Measure": Reading(
        "edition/measure",
        (f"{KEPT_FOR_EACH_KEY} Definitions are published anew when the workers start, and are the same then.",),
    ),
    "Revision": Reading(
        "that of the figure on `utresa.statistics.v1`",
        (
            "Each record is one change of one figure, after its year's report was published, by an event that was sent "
            "after that day. One event may move several figures; read them in the order of the partition. `at` is when "
            "the event was sent ([why](../decisions/0008-revision.md)).",
            "After a crash or a rebuild one may be told twice: same key, same ce_id, same values.",
        ),
    ),
    "Discrepancy": Reading(
        "case_id; of an alert or order without a case alert/… or order/…",
        (
            f"{KEPT_FOR_EACH_KEY} An empty list says that all is resolved. What each code means, and who mends it, is "
            "in the [runbook](../runbook.md#findings).",
        ),
    ),
    "Freshness": Reading(
        "one for all",
        (
            "Take the last record. The figures are stale when `stale` is not empty, and also when now is later than "
            "`at` + `good_for_seconds`: then whoever would have said so has died "
            "([why](../decisions/0021-freshness.md)). Who listens needs no clock: a record that comes meanwhile is "
            "good from then on.",
        ),
    ),
    "Receipt": Reading(
        "ce_id of the event",
        (
            "Each record says what became of one event of this agency. Of one event the last that is not `waiting` "
            "holds; after a crash it may be told again.",
            "What a reason means, and what to do about it, is in the [runbook](../runbook.md#dead-letters).",
        ),
    ),
}
DEAD_LETTER = Reading(
    "that of the refused record",
    (
        "Each record is one that was refused: its key, value and headers as they came, and behind its own headers four "
        "that say where it stood and why it was refused. `utresa dead-letters` shows them and puts back what is "
        "mended; the reasons and their remedies are in the [runbook](../runbook.md#dead-letters).",
    ),
)


def pages(inputs: Mapping[str, Example], outputs: Mapping[str, Example]) -> dict[str, str]:
    """By file name: every page, from an example of each topic."""
    made = {f"{topic.name}.md": _input_page(topic, inputs[topic.name]) for topic in INPUTS}
    made |= {f"{topic.name}.md": _output_page(topic, outputs[topic.name]) for topic in PUBLISHED}
    return {"README.md": _index(), **made}


# The page of a topic


def _input_page(topic: Topic, example: Example) -> str:
    assert topic.record is not None
    schema = by_name[topic.record]
    return _page(
        topic,
        *_about(topic, schema),
        *_field_tables(schema),
        "## Sending",
        f"{AS_EVERY_INPUT} {SENDING.get(topic.record, A_REGISTRATION)}",
        "## A worked example",
        "As a JSON line, in [examples.jsonl](examples.jsonl), for `utresa validate` and `utresa send`; ce_source, "
        "ce_type and ce_specversion may be left out there, and so may what the table says:",
        _json({"topic": topic.name, "key": example.key.decode(), "headers": _texts(example), **_value(example)}),
        f"On Kafka, under the key `{example.key.decode()}` and with those headers, {len(example.value)} bytes:",
        _hex(example),
    )


def _output_page(topic: Topic, example: Example) -> str:
    if topic.record is None:
        return _dead_letter_page(topic, example)
    schema = by_name[topic.record]
    return _page(
        topic,
        *_about(topic, schema),
        *_field_tables(schema),
        "## Reading",
        *READING[topic.record].how,
        f"The value is in the [wire format]({SCHEMAS}/README.md#the-wire-format); there are no headers. Sample readers "
        "in Python and Java are in [samples](../samples/README.md).",
        "## A worked example",
        "What the workers publish of [examples.jsonl](examples.jsonl), under the key "
        f"`{example.key.decode()}`, {len(example.value)} bytes:",
        _hex(example),
        "Which says:",
        _json(fields_of(example)),
    )


def _dead_letter_page(topic: Topic, example: Example) -> str:
    return _page(
        topic,
        f"Records of {_agency(topic)} that were refused, byte for byte.",
        _table(("", ""), _facts(topic, "as it came, in whatever format")),
        "## Reading",
        *DEAD_LETTER.how,
        "## A worked example",
        "What becomes of an event without a ce_time. Its key and value are untouched; its headers are:",
        _json(_texts(example)),
        f"And its value, {len(example.value)} bytes:",
        _hex(example),
    )


def _page(topic: Topic, *blocks: str) -> str:
    return _written(f"# `{topic.name}`", MADE, *blocks, "All topics: [README](README.md).")


def _written(*blocks: str) -> str:
    """Blocks with an empty line between them; prose is filled, all else stays as it is."""
    return "\n\n".join(block if block[0] in "#|`<" else _filled(block) for block in blocks) + "\n"


def _filled(prose: str) -> str:
    """Lines of at most WIDTH, none of which breaks code between backticks or the words of a link."""
    held = "\0".join(part.replace(" ", "\1") if place % 2 else part for place, part in enumerate(prose.split("`")))
    lines = fill(held, WIDTH, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\0", "`").replace("\1", " ")


def _about(topic: Topic, schema: Schema) -> tuple[str, str]:
    record = f"[{schema.name}]({SCHEMAS}/{schema.path}), schema id {schema.id}, ce_type {schema.ce_type}"
    return words.without_source(schema.definition["doc"]), _table(("", ""), _facts(topic, record))


def _facts(topic: Topic, record: str) -> Iterator[tuple[str, str]]:
    yield "value", record
    yield "key", key_in_words(topic)
    yield "partition", "murmur2 of the key" if topic in INPUTS else "the workers choose: read all"
    yield "written by", f"{_agency(topic)} alone" if topic in INPUTS else "the workers alone"
    if topic.name.startswith(("utresa.receipt.", "utresa.dead-letter.")):
        yield "read by", f"{_agency(topic)} alone"
    yield "kept", kept_in_words(topic)
    yield "settings", ", ".join(f"{name}={value}" for name, value in topic.config.items())


def _agency(topic: Topic) -> str:
    return topic.agency if topic in INPUTS else topic.name.split(".")[2]


def key_in_words(topic: Topic) -> str:
    """What the key of the topic's records is."""
    return topic.key or (READING[topic.record] if topic.record else DEAD_LETTER).key


def kept_in_words(topic: Topic) -> str:
    """How long the topic keeps what it has."""
    match topic.policy:
        case "kept":
            return "for ever, all of it"
        case "compacted":
            return "the last record of each key for ever; those before it for a day at least"
        case "latest":
            return "the last record; those before it for some minutes"
    assert topic.retention is not None
    days, hours = topic.retention // timedelta(days=1), topic.retention // timedelta(hours=1)
    return f"{days} days" if days else f"{hours} hour{'s' * (hours > 1)}"


def _field_tables(schema: Schema) -> Iterator[str]:
    yield "## The fields"
    yield _fields(schema.definition)
    for inner in words.records_within(schema.definition):
        yield f"### {inner['name']}"
        yield words.without_source(inner["doc"])
        yield _fields(inner)


def _fields(definition: dict[str, Any]) -> str:
    return _table(
        ("field", "in JSON", "may be left out", "what"),
        ((f"`{one.name}`", one.type, "yes" if one.optional else "no", one.meaning) for one in words.fields(definition)),
    )


# The page of all topics


def _index() -> str:
    return _written(
        "# The topics",
        MADE,
        "What the agencies send, what the figures come out on, and what the workers tell each other. The whole as "
        "AsyncAPI 3, for tools: [asyncapi.json](asyncapi.json). How to send and to read, in files that run: "
        "[samples](../samples/README.md).",
        "## Input",
        "One agency writes one prefix and nothing else. Nothing here is ever compacted or deleted: all else is "
        "recomputed from it.",
        _table(("topic", "record", "key"), ((_link(one), one.record or "", key_in_words(one)) for one in INPUTS)),
        "Events that make one life, one or more for each of these topics, with a correction after the report was "
        "published and a withdrawal, are in [examples.jsonl](examples.jsonl):",
        "```sh\nutresa validate deploy/topics/examples.jsonl\nutresa recount deploy/topics/examples.jsonl\n```",
        "## Output",
        _table(
            ("topic", "record", "kept"),
            ((_link(one), one.record or "as received", kept_in_words(one)) for one in PUBLISHED),
        ),
        "## Between the workers",
        "Nobody else reads or writes these, and what is in them may change with any version. Changelogs hold the rows "
        "that the workers keep.",
        _table(("topic", "kept"), ((f"`{one.name}`", kept_in_words(one)) for one in (*INTERNAL, *CHANGELOGS))),
        "## How a value is written",
        _table(
            ("in JSON", "in Avro"),
            (
                ("text", "string"),
                ("whole number", "int or long"),
                ("day, YYYY-MM-DD", "int, days since 1970-01-01"),
                ("instant, RFC 3339", "long, microseconds since 1970-01-01T00:00:00Z"),
                ("decimal, one place", "bytes, the number of tenths in two's complement, big-endian"),
                ("one of several words", "enum, the place of the word in the schema"),
                ("… or null", "union, in the schema's order"),
            ),
        ),
    )


def _link(topic: Topic) -> str:
    return f"[`{topic.name}`]({topic.name}.md)"


# Parts of a page


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _json(value: Any) -> str:
    return f"```json\n{json.dumps(value, ensure_ascii=False, indent=2)}\n```"


def _texts(example: Example) -> dict[str, str]:
    return {name: value.decode() for name, value in example.headers}


def _value(example: Example) -> dict[str, Any]:
    return {"value": fields_of(example)}


def _hex(example: Example) -> str:
    """The bytes, and beside the first of each field what they say."""
    rows = []
    for part in parts(example.value):
        for start in range(0, len(part.bytes), BYTES_A_ROW):
            row = part.bytes[start : start + BYTES_A_ROW].hex(" ")
            says = "" if start else part.says
            rows.append(f"{row:{BYTES_A_ROW * 3}} {says}".rstrip())
    return "\n".join(("```text", *rows, "```"))
