"""deploy/topics: the pages and the AsyncAPI document are what the registry gives, and their examples are true."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from utresa.catalogue.__main__ import made
from utresa.catalogue.examples import plain
from utresa.codec import Refused, decode, read_value
from utresa.topics import DEAD_LETTERS, INPUT_TOPICS, INPUTS, PUBLISHED
from utresa_connectors import jsonlines

ROOT = Path(__file__).parents[2]
TOPICS = ROOT / "deploy" / "topics"
MODULES = ROOT / "build" / "asyncapi"
PARSE = Path(__file__).parent / "parse_asyncapi.cjs"
HEX_CHARACTERS = 48

made_once = cache(made)


def page(topic: str) -> str:
    return (TOPICS / f"{topic}.md").read_text()


def json_of(text: str) -> Any:
    """The page's block of JSON."""
    [block] = re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return json.loads(block)


def bytes_of(text: str) -> bytes:
    """The page's bytes, which stand left of what they say."""
    [block] = re.findall(r"^```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return bytes.fromhex("".join(row[:HEX_CHARACTERS] for row in block.splitlines()))


def test_what_is_generated_is_current() -> None:
    there = {path.name: path.read_text() for path in TOPICS.iterdir() if path.name != "examples.jsonl"}
    stale = {name for name in there.keys() | made_once(TOPICS).keys() if there.get(name) != made_once(TOPICS).get(name)}
    assert not stale, "make docs"


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_the_example_of_an_input_is_accepted_from_its_bytes_and_from_its_json(topic: str) -> None:
    text = page(topic)
    line = json_of(text)
    headers = [(name, value.encode()) for name, value in line["headers"].items()]
    event = decode(topic, line["key"].encode(), bytes_of(text), headers)
    assert event == jsonlines.parse(json.dumps(line).encode())
    assert any(jsonlines.parse(one) == event for one in (TOPICS / "examples.jsonl").read_bytes().splitlines())


@pytest.mark.parametrize("topic", [topic.name for topic in PUBLISHED if topic not in DEAD_LETTERS])
def test_the_example_of_an_output_says_what_its_bytes_say(topic: str) -> None:
    text = page(topic)
    assert plain(read_value(bytes_of(text))) == json_of(text)


@pytest.mark.parametrize("topic", [topic.name for topic in DEAD_LETTERS])
def test_the_example_of_a_dead_letter_is_refused_as_it_says(topic: str) -> None:
    text = page(topic)
    headers = json_of(text)
    own = [(name, value.encode()) for name, value in headers.items() if name.startswith("ce_")]
    with pytest.raises(Refused) as refused:
        decode(headers["utresa_topic"], b"", bytes_of(text), own)
    assert refused.value.reason == headers["utresa_reason"]


# AsyncAPI


def parsed(*files: Path) -> list[Any]:
    """What the official parser makes of each file."""
    node = shutil.which("node")
    if node is None or not (MODULES / "node_modules").exists():
        lacking = "no parser of AsyncAPI: make asyncapi-needs, which needs npm. Debian: sudo apt-get install npm"
        if os.environ.get("CI"):
            pytest.fail(lacking)
        pytest.skip(lacking)
    done = subprocess.run(
        [node, PARSE, MODULES, *files], capture_output=True, text=True, timeout=300, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def lost_channel(document: Any) -> None:
    document["operations"]["receive.sis.exit.v1"]["channel"]["$ref"] = "#/channels/sis.exit.v2"


def no_avro(document: Any) -> None:
    document["components"]["messages"]["sis.exit.v1"]["payload"]["schema"]["fields"][0]["type"] = "text"


def no_binding(document: Any) -> None:
    document["channels"]["sis.exit.v1"]["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] = "delete"


def no_title(document: Any) -> None:
    del document["info"]["title"]


BREAKING: list[Callable[[Any], None]] = [lost_channel, no_avro, no_binding, no_title]


def test_the_official_parser_has_nothing_to_say_of_the_document_and_much_of_a_broken_one(tmp_path: Path) -> None:
    broken = []
    for breaking in BREAKING:
        document = json.loads((TOPICS / "asyncapi.json").read_text())
        breaking(document)
        broken.append(tmp_path / f"{breaking.__name__}.json")
        broken[-1].write_text(json.dumps(document))
    good, *others = parsed(TOPICS / "asyncapi.json", *broken)
    assert good["said"] == []
    assert sorted(good["channels"]) == sorted(topic.name for topic in (*INPUTS, *PUBLISHED))
    errors = {
        file.stem: [one for one in other["said"] if one["severity"] == 0]
        for file, other in zip(broken, others, strict=True)
    }
    assert [name for name, found in errors.items() if not found] == []


def test_the_documents_examples_are_those_of_the_pages() -> None:
    messages = json.loads((TOPICS / "asyncapi.json").read_text())["components"]["messages"]
    for topic in INPUT_TOPICS:
        line = json_of(page(topic))
        assert messages[topic]["examples"] == [{"headers": line["headers"], "payload": line["value"]}]
