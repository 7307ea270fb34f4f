"""Known-bad changes to the stages and the engine: text that occurs once in a file, and what stands there instead.

Each names the tests that have to notice it. Those of the rules are in tests/oracle/mutants.py, as changes to the SQL.
"""

from __future__ import annotations

from typing import NamedTuple

Change = tuple[str, str, str]  # file, text, other text

CASES, CORRELATE = "processors/cases.py", "processors/correlate.py"
TOTALS, PUBLICATION = "processors/totals.py", "processors/publication.py"
WORKER, STORE, BLOCKS, EFFECTS = "engine/worker.py", "engine/store.py", "engine/blocks.py", "engine/effects.py"
CASE, REFERENCE, DRIVER = "domain/case.py", "domain/reference.py", "testing.py"

ORDER = "tests/topology/test_order_of_effects.py::test_should_"
WAY = "tests/topology/test_way_of_the_data.py::test_should_"
PUBLISHED = "tests/topology/test_publication.py::test_"
DRIVEN = "tests/topology/test_driver.py::test_should_"
ENGINE = "tests/broker/test_engine.py::test_should_"

MISHAPS = f"{WAY}publish_the_same_figures_whatever_happens_to_the_worker"
CRASHES = f"{ORDER}lose_nothing_in_a_crash_at_any_effect"
OLDEST = f"{ORDER}load_what_it_held_when_the_oldest_row_of_every_key_is_last"
PAUSED = f"{ORDER}hold_and_load_the_same_though_a_paused_worker_writes_an_older_row_last"
REVISED = f"{ORDER}tell_every_revision_in_a_crash_at_any_effect"
CUTS = f"{PUBLISHED}a_snapshot_leaves_out_what_is_told_of_during_its_cut"
SAME = f"{WAY}publish_what_a_recount_gives"
LIVES = "tests/golden/test_cases.py::test_the_case_counts_towards_what_it_says"
RULES = "tests/oracle/test_differential.py::test_the_domain_and_recount_answer_as_the_sql"


class Mutant(NamedTuple):
    """`caught_by` is pytest's name of a test without its parameters: with some of them it must fail."""

    caught_by: str
    changes: tuple[Change, ...]


def mutant(caught_by: str, *changes: Change) -> Mutant:
    return Mutant(caught_by, changes)


LAST_WINS = "merge=lambda _older, newer: newer,"
RECEIPTS_AFTER = "        self._say(keeping, block, folded, after)\n        await effects.send_all(after)\n"
ACKNOWLEDGE = "                acknowledged = consumer.ack(message)\n"
HOLD = "            with consumer.hold(message):\n"
WRITE = "        await effects.write(TABLE.name, block.partition, folded.rows)\n"

MUTANTS: dict[str, Mutant] = {
    # Loading
    "of a case's rows the last wins on load": mutant(OLDEST, (CASES, "    merge=merge,", f"    {LAST_WINS}")),
    "of a reference's rows the last wins on load": mutant(OLDEST, (CORRELATE, "merge=merge_references,", LAST_WINS)),
    "of the totals' rows the last wins on load": mutant(OLDEST, (TOTALS, "merge=newest,", LAST_WINS)),
    "the driver loads the last row": mutant(
        f"{DRIVEN}lose_rows_when_the_last_of_a_key_wins_on_load",
        (DRIVER, "table.merge(rows[record.key], row) if record.key in rows else row", "row"),
    ),
    "the figures are not rebuilt from the rows": mutant(
        CRASHES, (CASES, "Running(definitions, self.rows.values())", "Running(definitions, ())")
    ),
    "the rows of a revoked partition are kept and used again": mutant(
        MISHAPS,
        (CASES, "del self.keeping[partition]", "pass"),
        (
            CASES,
            "self.keeping[takeover.partition] = Keeping(takeover, self.definitions, self.partitions)",
            "self.keeping.setdefault(takeover.partition, Keeping(takeover, self.definitions, self.partitions))",
        ),
    ),
    # Acknowledging and the order of effects
    "a block is acknowledged before it is handled": mutant(
        CRASHES,
        (
            DRIVER,
            "            await processor.on_block(",
            "            self.log.committed[topic, partition] = first + len(records)\n"
            "            await processor.on_block(",
        ),
    ),
    "an offset is committed that was not handled": mutant(
        MISHAPS,
        (
            DRIVER,
            "await self._handle(blocks)\n                    self.log.committed.update(self._positions)",
            "await self._handle(blocks)\n"
            "                    self.log.committed.update({at: len(log) for at, log in self.log.records.items()})",
        ),
    ),
    "a write is not waited for": mutant(
        "tests/unit/test_effects.py",
        (EFFECTS, "        await asyncio.gather(*acknowledged)\n", ""),
    ),
    "links are sent after the rows": mutant(
        CRASHES, (CASES, "post(folded.letters, LINK.name", "post(folded.receipts, LINK.name")
    ),
    "news is told after the rows": mutant(
        CRASHES, (CORRELATE, "post(done.before, CASE_EVENT.name, news", "post(done.receipts, CASE_EVENT.name, news")
    ),
    "causes are told after the rows": mutant(
        REVISED,
        (
            CASES,
            "post(outbox, PARTIAL.name, [to_totals(some, edition)])",
            "post(folded.receipts, PARTIAL.name, [to_totals(some, edition)])",
        ),
    ),
    "receipts are sent before the rows": mutant(
        f"{ORDER}send_a_receipt_only_when_the_row_that_it_speaks_of_is_durable",
        (CASES, WRITE + RECEIPTS_AFTER, RECEIPTS_AFTER + WRITE),
    ),
    "partials are sent before the rows": mutant(
        f"{ORDER}send_partials_that_are_the_sum_of_the_rows_then_durable",
        (CASES, WRITE, "        keeping.partials(before)\n        await effects.send_all(before)\n" + WRITE),
    ),
    # Folding and adding up
    "a figure is counted up by each event": mutant(
        SAME,
        (
            "processors/running.py",
            "for facts, sign in ((after, 1), (before, -1)):",
            "for facts, sign in ((after, 1),):",
        ),
    ),
    "a registration sent again is another": mutant(
        RULES,
        (
            CASE,
            "old = events[place] if place < len(events) and events[place].identity == event.identity else None",
            "old = None",
        ),
    ),
    "the revision that arrives last holds": mutant(
        RULES, (CASE, "event if old is None else latest(old, event)", "event")
    ),
    "a retraction is ignored": mutant(
        RULES,
        (
            "domain/exits.py",
            "standing = [event for event in case.events if not event.record.retracted]",
            "standing = case.events",
        ),
    ),
    "a claim never ends": mutant(LIVES, (REFERENCE, " if self.key in named_by(claim)", "")),
    "a reference does not hear that it is no longer named": mutant(
        LIVES,
        (
            CASE,
            "    touched = sorted({*named_by(new), *(named_by(old) if old else ())})",
            "    touched = sorted(named_by(new))",
        ),
    ),
    "a partial is added to the one before": mutant(
        MISHAPS, (TOTALS, "            apply(keeping.tally, dict(before.cells), -1)\n", "")
    ),
    "the last partial holds, whoever sent it": mutant(
        PAUSED, ("processors/messages.py", "one if one.version >= other.version else other", "other")
    ),
    # Publishing
    "what has become zero stays as it was": mutant(
        f"{WAY}move_an_exit_when_its_year_is_corrected_and_write_the_old_cell_as_zero",
        (
            PUBLICATION,
            "        for text in known:\n            if text not in records",
            "        for text in ():\n            if text not in records",
        ),
    ),
    "what a predecessor published and did not note is not known": mutant(
        f"{ORDER}write_zero_for_what_was_published_before_a_crash_and_is_no_more",
        (TOTALS, "unnoted = kept.unnoted(block)", "unnoted: dict[bytes, bytes] = {}"),
    ),
    "the causes of revisions are dropped": mutant(
        f"{PUBLISHED}a_correction_after_the_publication_is_a_revision_with_its_cause",
        (
            CASES,
            "            self.reconciliation.compare(",
            "            causes.clear()\n            self.reconciliation.compare(",
        ),
    ),
    "a cut takes in records that lie beyond it": mutant(
        CUTS, ("processors/cuts.py", "if event.offset < cut[event.topic][place]", "if True")
    ),
    "a cut does not look at the claims of other cases": mutant(
        CUTS, ("processors/cuts.py", "\n            raise Inexact\n", "\n            pass\n")
    ),
}

# Of the engine itself, which only a broker can show.
ON_A_BROKER: dict[str, Mutant] = {
    "the store loads the last row": mutant(
        f"{ENGINE}merge_on_load_when_an_older_row_is_last_in_the_changelog",
        (STORE, "rows[key] = merge(held, row)", "rows[key] = row"),
    ),
    "the store keeps the rows of revoked partitions": mutant(
        f"{ENGINE}give_a_worker_the_same_partitions_of_everything_and_drop_the_others",
        (STORE, "        for partition in self.rows.keys() - kept:\n            del self.rows[partition]\n", ""),
    ),
    "the worker acknowledges a block before it is handled": mutant(
        f"{ENGINE}stop_with_1_when_a_write_fails_and_handle_the_events_again",
        (WORKER, ACKNOWLEDGE, ""),
        (WORKER, HOLD, HOLD + ACKNOWLEDGE),
    ),
    "the consumer commits what is read and not what is handled": mutant(
        f"{ENGINE}stop_with_1_when_a_write_fails_and_handle_the_events_again",
        (BLOCKS, "for tp, end in self._handled.items() if end", "for tp, end in self._read.items() if end"),
    ),
}

# One of each kind, which `make test` has the time for.
QUICK = (
    "of a case's rows the last wins on load",
    "the rows of a revoked partition are kept and used again",
    "a block is acknowledged before it is handled",
    "a write is not waited for",
    "links are sent after the rows",
    "receipts are sent before the rows",
    "a figure is counted up by each event",
    "a registration sent again is another",
    "a retraction is ignored",
    "a partial is added to the one before",
    "the last partial holds, whoever sent it",
    "what has become zero stays as it was",
    "the causes of revisions are dropped",
    "a cut takes in records that lie beyond it",
)
