"""Known-bad changes to the stages and the engine: text that occurs once in a file, and what stands there instead.

Each names the tests that have to notice it. Those of the rules are in tests/oracle/mutants.py, as changes to the SQL.
"""

from __future__ import annotations

from typing import NamedTuple

Change = tuple[str, str, str]  # file, text, other text

CASES, CORRELATE = "processors/cases.py", "processors/correlate.py"
TOTALS, KEPT, PUBLICATION = "processors/totals.py", "processors/kept.py", "processors/publication.py"
STAGE, STORE, BLOCKS, EFFECTS = "engine/stage.py", "engine/store.py", "engine/blocks.py", "engine/effects.py"
CHANGELOG, INPUTS, WATCHDOG, THREAD = (f"engine/{name}.py" for name in ("changelog", "inputs", "watchdog", "thread"))
FRESHNESS, RECHECK, RECONCILIATION = (f"processors/{name}.py" for name in ("freshness", "recheck", "reconciliation"))
CASE, REFERENCE, DRIVER = "domain/case.py", "domain/reference.py", "testing/driver.py"
SHARES = "domain/shares.py"

ORDER = "tests/topology/test_order_of_effects.py::test_should_"
WAY = "tests/topology/test_way_of_the_data.py::test_should_"
PUBLISHED = "tests/topology/test_publication.py::test_"
FRESH = "tests/topology/test_freshness.py::test_should_"
RECOUNT = "tests/topology/test_recheck.py::test_should_"
LOOKING = "tests/topology/test_reconciliation.py::test_should_"
DRIVEN = "tests/topology/test_driver.py::test_should_"
ENGINE = "tests/broker/test_engine.py::test_should_"
CHANGELOGS = "tests/unit/test_changelog.py::test_should_"

LATE_FINDINGS = "tests/topology/test_crashes.py::test_should_withdraw_a_finding_that_a_paused_worker_says_late"
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
        CRASHES, (CASES, "running.include(map(assessed, keys))", "pass")
    ),
    "the rows of a revoked partition are kept and used again": mutant(
        MISHAPS,
        (CASES, "del self.keeping[partition]", "pass"),
        (
            CASES,
            "self.keeping[takeover.partition] = await Keeping.rebuilt(",
            "self.keeping[takeover.partition] = self.keeping.get(takeover.partition) or await Keeping.rebuilt(",
        ),
    ),
    "the engine loads the last row": mutant(
        f"{CHANGELOGS}merge_all_records_of_a_key_and_let_no_tombstone_remove_it",
        (CHANGELOG, "merged = spec.merge(spec.decode(key, held) if spec.large else held, row)", "merged = row"),
    ),
    "rows that are lost are not missed": mutant(
        f"{CHANGELOGS}say_what_is_lost",
        (CHANGELOG, "if len(self.rows) < self.owner.rows:", "if False:"),
    ),
    "records that were deleted unread are passed by": mutant(
        "tests/unit/test_inputs.py::test_should_refuse_to_pass_by_records_that_have_gone",
        (INPUTS, "if expires(tp.topic):", "if True:"),
    ),
    "a worker goes on though the group does not confirm its takeover": mutant(
        "tests/unit/test_takeover.py::test_should_be_void_when_the_group_does_not_confirm_it",
        ("engine/worker.py", "confirmed = await self.blocks.confirm(offsets)", "confirmed = True"),
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
        (
            EFFECTS,
            "acknowledged = await asyncio.gather(*(future for _, future in sent))",
            "acknowledged: list[Any] = []",
        ),
        (EFFECTS, "strict=True", "strict=False"),
    ),
    "a record that waited is not answered when it is corrected first": mutant(
        "tests/topology/test_crashes.py::"
        "test_should_answer_a_waiting_record_that_is_corrected_before_its_claim_is_read_again",
        (CORRELATE, "not (before.owner is not None and caught_up)", "before.owner is None"),
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
        (CASES, WRITE, "        await effects.send_all(after)\n" + WRITE),
    ),
    "partials are sent before the rows": mutant(
        f"{ORDER}send_partials_that_are_the_sum_of_the_rows_then_durable",
        (CASES, WRITE, "        await effects.send_all(keeping.words())\n" + WRITE),
    ),
    # Folding and adding up
    "a figure is counted up by each event": mutant(
        SAME,
        (
            "processors/running.py",
            "        for share in before:",
            "        for share in ():",
        ),
    ),
    "a registration sent again is another": mutant(
        RULES,
        (
            CASE,
            "place, old = _find(events, event.topic, record.record_id)",
            "place, old = _find(events, event.topic, record.record_id)[0], None",
        ),
    ),
    "the revision that arrives last holds": mutant(RULES, (CASE, "new = latest(old, event)", "new = event")),
    "a retraction is ignored": mutant(
        RULES,
        (
            "domain/exits.py",
            "        if record.retracted:\n            continue\n",
            "",
        ),
    ),
    "a share is remembered without a condition": mutant(
        SAME,
        (
            SHARES,
            """own = [f"({asked(measure.where)} and ({', '.join(own)},))"]""",
            "own = []",
        ),
    ),
    "a share is remembered without what it is broken down by": mutant(
        SAME, (SHARES, "own += [asked(dimension.of) for dimension in measure.by]", "pass")
    ),
    "a claim never ends": mutant(LIVES, (REFERENCE, " if self.key in named_by(claim)", "")),
    "a reference does not hear that it is no longer named": mutant(
        LIVES,
        (
            CASE,
            "    touched = sorted({*named_by(new), *named_by(old)})",
            "    touched = sorted(named_by(new))",
        ),
    ),
    "a partial is added to the one before": mutant(
        MISHAPS, (KEPT, "    then = dict(before.cells)\n", "    then = dict(before.cells[:0])\n")
    ),
    "the last partial holds, whoever sent it": mutant(
        PAUSED, ("processors/messages.py", "one if one.version >= other.version else other", "other")
    ),
    # Publishing
    "what has become zero stays as it was": mutant(
        f"{WAY}move_an_exit_when_its_year_is_corrected_and_write_the_old_cell_as_zero",
        ("domain/figures.py", "for key in now.keys() | then.keys() if", "for key in now.keys() if"),
    ),
    "what an owner before has published and is zero by now stays as it was": mutant(
        "tests/topology/test_crashes.py::test_should_take_back_a_figure_that_an_earlier_owner_published_and_did_not_live_to_note",
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
    "a finding of a case that comes late stands": mutant(
        LATE_FINDINGS, (CASES, "await effects.send_all(keeping.read_back(block))", "pass")
    ),
    "a finding of a reference that comes late stands": mutant(
        LATE_FINDINGS, (CORRELATE, "done.seen += message.findings", "pass")
    ),
    "a case that was not looked into since the takeover counts as without findings": mutant(
        f"{LOOKING}withdraw_a_finding_of_a_row_that_was_not_looked_into_yet",
        (RECONCILIATION, "if key in self.unread:", "if False:"),
    ),
    "what has become due in rows that were looked into late is not said": mutant(
        f"{LOOKING}find_in_the_end_what_has_become_due_while_rows_were_not_looked_into",
        (RECONCILIATION, "if self.told:", "if False:"),
    ),
    "a cut takes in records that lie beyond it": mutant(
        CUTS, ("processors/cuts.py", "if event.offset < cut[event.topic][place]", "if True")
    ),
    "a cut does not look at the claims of other cases": mutant(
        CUTS, ("processors/cuts.py", "\n            raise Inexact\n", "\n            pass\n")
    ),
    # Freshness, and law 3 in the running worker
    "a partition that was taken over counts as caught up": mutant(
        f"{FRESH}be_stale_from_a_takeover_until_all_is_read_again",
        (FRESHNESS, "if not heard.beat.caught_up:", "if False:"),
    ),
    "the heartbeats of a paused worker count": mutant(
        f"{FRESH}not_hear_a_paused_worker_once_another_has_spoken",
        (FRESHNESS, "beat.epoch < self.heard[place].beat.epoch", "False"),
    ),
    "the judge renews its word without having heard itself": mutant(
        f"{FRESH}let_its_word_expire_while_the_judge_cannot_read",
        (
            FRESHNESS,
            "        if self.turn == self.judged_turn:\n            return None\n",
            "        self.turn += self.turn == self.judged_turn\n",
        ),
    ),
    "a new judge goes by what was said to the one before": mutant(
        f"{FRESH}say_nothing_as_a_new_judge_before_everybody_has_been_heard_anew",
        (FRESHNESS, "if record.offset >= self.first_offset:", "if True:"),
    ),
    "a recount does not follow the rows that change": mutant(
        f"{RECOUNT}find_nothing_while_rows_come_and_change_in_the_middle_of_a_pass",
        (RECHECK, "if self.uncounted is not None and key not in self.uncounted:", "if False:"),
    ),
    "a figure that a recount has found wrong stays": mutant(
        f"{RECOUNT}publish_the_right_figures_again_after_a_partition_of_the_cases_went_wrong",
        (RECHECK, "            await rebuild(running, rows)\n", "            pass\n"),
    ),
}

# Of the engine itself, which only a broker can show.
ON_A_BROKER: dict[str, Mutant] = {
    "the store keeps the rows of revoked partitions": mutant(
        f"{ENGINE}give_a_worker_the_same_partitions_of_everything_and_drop_the_others",
        (STORE, "for partition in self.rows.keys() - kept:", "for partition in ():"),
    ),
    "the worker acknowledges a block before it is handled": mutant(
        f"{ENGINE}stop_with_1_when_a_write_fails_and_handle_the_events_again",
        (STAGE, ACKNOWLEDGE, ""),
        (STAGE, HOLD, HOLD + ACKNOWLEDGE),
    ),
    "the consumer commits what is read and not what is handled": mutant(
        f"{ENGINE}stop_with_1_when_a_write_fails_and_handle_the_events_again",
        (BLOCKS, "for tp, end in self._handled.items() if end", "for tp, end in self._read.items() if end"),
        (BLOCKS, "for tp, end in self._handled.items() if tp", "for tp, end in self._read.items() if tp"),
    ),
    "no heartbeat is sent while the rows load": mutant(
        f"{ENGINE}stay_in_the_group_while_it_takes_over_for_longer_than_its_session",
        (THREAD, "        self._ensure_consumer()._coordinator._start_heartbeat_task()\n", ""),
    ),
    "a paused worker writes on": mutant(
        f"{ENGINE}end_itself_after_a_pause_that_outlasts_its_session",
        (WATCHDOG, "if paused > self.longest_pause_seconds:", "if False:"),
    ),
    "what is noted with a commit is not looked at": mutant(
        f"{ENGINE}notice_that_an_input_was_made_anew",
        (INPUTS, "made_anew = self.committed is None and read > 0", "made_anew = False"),
    ),
}

# One of each kind, which `make test` has the time for.
QUICK = (
    "of a case's rows the last wins on load",
    "rows that are lost are not missed",
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
    "the judge renews its word without having heard itself",
    "a figure that a recount has found wrong stays",
)
