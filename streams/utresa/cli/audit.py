"""`utresa audit`: what is published, held against a recount of the raw records at the same offsets."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import Annotated

import typer
from utresa_connectors import asking, auditing, kafka

from utresa import logs
from utresa.audit.auditor import Auditor
from utresa.audit.cases import Behind, in_words
from utresa.audit.cases import as_json as cases_json
from utresa.audit.comparison import Difference, Verdict, verdict_json
from utresa.audit.ledger import Ledger, difference_lines
from utresa.audit.metrics import AuditMetrics
from utresa.cli.common import JsonOption, address, audit_log, err, out, print_json
from utresa.cli.teaching import RUN, examples
from utresa.engine.health import serving
from utresa.explain import AuditFailed
from utresa.settings import Settings

CODES = {"equal": 0, "different": 1, "not-compared": 2}
STATUS_SECONDS = 0.5

app = typer.Typer()
log = logs.logger("audit")


@app.command(
    rich_help_panel=RUN,
    epilog=examples(
        "utresa audit",
        "utresa audit --once            # a table, and an end",
        "utresa audit --once --cases    # and which cases make a difference",
    ),
)
def audit(
    once: Annotated[bool, typer.Option("--once", help="Audit what is published now, and end.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Every snapshot that is kept, and not only the newest of each year.")
    ] = False,
    cases: Annotated[
        bool, typer.Option("--cases", help="Name the cases that make a difference: a look-up, for the audit log.")
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="With --once: for how many seconds to wait until nothing moves.")
    ] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Recount the raw records beside the workers; what they publish must not differ.

    Nothing that the workers keep is used. A snapshot is compared with a recount
    of exactly the records on which it says that it rests, figure by figure, both
    ways. Statistics do not say that. They are compared when nothing moves and
    the snapshots witness that all records are applied.

    It runs until Ctrl-C or SIGTERM, through restarts of Kafka too, and serves
    metrics on UTRESA_METRICS_HOST:UTRESA_METRICS_PORT: utresa_audit_difference
    must stay 0. What differs is printed when it is found; with --json every
    verdict, one object a line. With --once: one table, or one object.

    Exit code: 0 all was equal; 1 something differed; 2 nothing did, but not all
    could be compared.
    """
    session = _Session(Auditor(everything=everything), cases=cases, as_json=as_json)
    failed = ""
    try:
        asyncio.run(session.once(wait) if once else session.stay())
    except (kafka.KafkaUnavailable, PortTaken) as error:
        failed = str(error)
        err.print(failed, style="red", highlight=False, soft_wrap=True)
    pending = session.auditor.pending if once else ""
    raise typer.Exit(CODES[session.ledger.result(failed or pending)])


class PortTaken(Exception):
    """Metrics cannot be served where they should be."""


class _Session:
    """One run of the command."""

    def __init__(self, auditor: Auditor, *, cases: bool, as_json: bool) -> None:
        self.auditor = auditor
        self.cases = cases
        self.as_json = as_json
        self.settings = Settings()
        self.where = address(self.settings)
        self.ledger = Ledger()
        self.metrics = AuditMetrics()
        self.away = False
        self.anew = 0
        self.gone: list[str] = []
        self.metrics.behind.set_function(lambda: auditor.behind)

    async def once(self, wait_seconds: float) -> None:
        """What is there now, shown when all is compared."""
        async with self._status():
            async for verdict in auditing.once(self.where, self.auditor, wait_seconds):
                if verdict is not None:
                    self.ledger.add(verdict)
            if self.cases:
                self.ledger.behind += await self._cases(self.ledger.differences)
        if self.as_json:
            print_json(self.ledger.as_json(self.auditor.pending, self.auditor))
        else:
            out.print(self.ledger.table(self.auditor.pending, self.auditor.gone), highlight=False, soft_wrap=True)

    async def stay(self) -> None:
        """For ever, until a signal; also where the shell has the workers' signals ignored, in the background."""
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with self._served() as metrics, suppress(asyncio.CancelledError):
            async with self._status():
                logs.configure(self.settings.log_level)
                log.info("audit-started", metrics=metrics)
                await self._follow()
        log.info("audit-stopped", **self.ledger.counts)

    @contextmanager
    def _served(self) -> Iterator[str]:
        host, port = self.settings.metrics_host, self.settings.metrics_port
        with ExitStack() as stack:
            try:
                served = stack.enter_context(serving(host, port, self.metrics.registry, self._is_ready))
            except OSError as error:
                raise PortTaken(
                    f"metrics cannot be served on {host}:{port} ({error.strerror}): a worker has it? "
                    "Give each its own UTRESA_METRICS_PORT, or 0 for any."
                ) from error
            yield f"{host}:{served}"

    def _is_ready(self) -> bool:
        return bool(self.ledger.counts) and not self.away

    async def _follow(self) -> None:
        differences: list[Difference] = []
        async for verdict in auditing.follow(self.where, self.auditor, self._went_away):
            if self.away:
                self.away = False
                log.info("kafka-back")
            if verdict is not None:
                self._tell(verdict)
                differences += verdict.differences
                continue
            self._looked()
            if self.cases and differences:
                self._name(await self._cases(differences))
            differences = []

    def _looked(self) -> None:
        self.metrics.looked(self.auditor)
        if self.auditor.anew != self.anew:
            log.warning("recount-begun-anew")
        if self.auditor.gone != self.gone:
            log.warning("raw-records-gone", topics=self.auditor.gone)
        self.anew, self.gone = self.auditor.anew, self.auditor.gone

    def _went_away(self, why: str) -> None:
        if not self.away:
            log.warning("kafka-away", detail=why)
        self.away = True

    def _tell(self, verdict: Verdict) -> None:
        """Figures go to standard output alone; the log has how many."""
        self.ledger.add(verdict)
        self.metrics.note(verdict)
        of_snapshot = {} if verdict.number is None else {"year": verdict.year, "cut": verdict.number}
        about = {"published": verdict.what, "edition": verdict.edition, **of_snapshot}
        if verdict.result == "different":
            log.error("audit-different", **about, figures=len(verdict.differences))
        elif verdict.result != "equal":
            log.warning("audit-not-compared", **about, reason=verdict.result)
        if self.as_json:
            print(json.dumps(verdict_json(verdict), ensure_ascii=False), flush=True)
        else:
            for line in difference_lines(list(verdict.differences)):
                print(line, flush=True)

    # Cases

    async def _cases(self, differences: Sequence[Difference]) -> list[Behind]:
        """The cases behind the figures, once the audit log has that they were asked for; none when that fails."""
        try:
            found = await auditing.cases_behind(self.where, self.auditor, differences)
            log_of_lookups = audit_log()
            for one in found:
                log_of_lookups.write(one.key, len(one.cases), "audit")
        except (asking.NobodyAnswers, kafka.KafkaUnavailable, AuditFailed) as error:
            err.print(f"no cases named: {error}", style="red", highlight=False, soft_wrap=True)
            return []
        return found

    def _name(self, found: Sequence[Behind]) -> None:
        for one in found:
            if self.as_json:
                print(json.dumps(cases_json(one), ensure_ascii=False), flush=True)
            else:
                print("\n".join(f"{one.key}: {line}" for line in in_words(one)), flush=True)

    # The line at the bottom of a terminal

    @asynccontextmanager
    async def _status(self) -> AsyncIterator[None]:
        if not err.is_terminal:
            yield
            return
        with err.status(self._line()) as status:

            async def renew() -> None:
                while True:
                    await asyncio.sleep(STATUS_SECONDS)
                    status.update(self._line())

            renewing = asyncio.create_task(renew())
            try:
                yield
            finally:
                renewing.cancel()

    def _line(self) -> str:
        counts = ", ".join(f"{number} {result}" for result, number in self.ledger.counts.items()) or "nothing compared"
        state = "Kafka is away" if self.away else self.auditor.pending or "statistics compared"
        return f"{counts}; {sum(self.auditor.reached.values())} records, {self.auditor.behind} to go; {state}"
