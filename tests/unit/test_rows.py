"""Rows of a large table: encoded in memory, but for the last written, and the same to whoever asks."""

from __future__ import annotations

from random import Random

import pytest
from utresa.engine import rows
from utresa.engine.changelog import TableSpec
from utresa.engine.rows import EncodedRows


class Counted:
    """How often a table has decoded and encoded."""

    def __init__(self) -> None:
        self.decoded = self.encoded = 0
        self.spec = TableSpec("words", "test-changelog", self._encode, self._decode, max, large=True)

    def _encode(self, row: str) -> bytes:
        self.encoded += 1
        return row.encode()

    def _decode(self, key: bytes, value: bytes) -> str:
        self.decoded += 1
        return value.decode()


@pytest.mark.parametrize("most_decoded", [0, 1, 3, 100])
def test_should_be_as_a_dict_of_the_decoded_rows(most_decoded: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST_DECODED", most_decoded)
    chance, table, held = Random(most_decoded), Counted(), {b"a": "1", b"b": "2"}
    one = EncodedRows(table.spec, {key: row.encode() for key, row in held.items()})
    for _ in range(50):
        changed = {chance.choice("abcdefgh").encode(): str(chance.random()) for _ in range(chance.randint(0, 4))}
        held.update(changed)
        one.update(changed)
        assert dict(one) == held
        assert list(one.items()) == list(held.items())
        assert (len(one), b"a" in one, b"z" in one, one.get(b"z")) == (len(held), True, False, None)
        assert all(one.get(key) == row for key, row in held.items())


def test_should_decode_what_was_written_last_never_and_encode_it_when_others_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rows, "MOST_DECODED", 2)
    table = Counted()
    one = EncodedRows(table.spec, {b"a": b"1"})
    one.update({b"a": "2", b"b": "1"})
    assert (one[b"a"], one[b"b"]) == ("2", "1")
    assert (table.decoded, table.encoded) == (0, 0)
    one.update({b"c": "1"})
    assert (one[b"b"], one[b"c"], one[b"a"]) == ("1", "1", "2")
    assert (table.decoded, table.encoded) == (1, 1)
