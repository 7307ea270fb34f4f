"""Random histories in which everything collides: few cases, ids, days and countries, all at a rule's edge.

Every line is valid by the contract; what is random is everything that the contract lets happen.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st

Line = dict[str, Any]
Value = dict[str, Any]
T = TypeVar("T")

# A history's edge: two days that some rule holds apart, and the countries that it may concern.
EDGES = (
    (date(2013, 6, 30), date(2013, 7, 1), ("HR",)),
    (date(2020, 1, 31), date(2020, 2, 1), ("GB",)),
    (date(2022, 12, 31), date(2023, 1, 1), ("HR",)),
    (date(2024, 3, 30), date(2024, 3, 31), ("BG", "RO")),
    (date(2023, 12, 31), date(2024, 1, 1), ()),
    (date(2024, 12, 31), date(2025, 1, 1), ()),
    (date(2024, 2, 28), date(2024, 2, 29), ()),
)
# In both areas; in the territory alone; in neither; and those that moved.
COUNTRIES = ("DE", "FR", "CH", "IS", "IE", "CY", "XK", "AX", "GF", "GI", "AF", "IQ", "HR", "BG", "RO", "GB")

# In code-point order C2 < c10 < c9 < ä1: neither by number nor by alphabet, and not by UTF-16 with the last.
CASE_IDS = ("c9", "c10", "C2", "ä1", "\U0001f9ed", "\uffee")
RECORD_NAMES = ("r9", "r10", "R2", "ö1")
EVENT_NAMES = ("e9", "e10", "E2")
REVISIONS = (1, 1, 1, 2, 2, 3, 2**53, 2**53 + 1)

# Four instants, the first three written in several ways.
CE_TIMES = (
    "2024-06-01T12:00:00Z",
    "2024-06-01T12:00:00.000+00:00",
    "2024-06-01T14:00:00+02:00",
    "2024-06-01T12:00:00.000001Z",
    "2024-06-01T11:00:00.000001-01:00",
    "2024-06-01T23:30:00Z",
    "2024-06-02T01:30:00.00+02:00",
    "2024-06-01T09:00:00+00:00",
)

DECISION_TOPICS = {
    "migrationsverket.decision.v1": ("REMOVAL", "DUBLIN_TRANSFER"),
    "polisen.decision.v1": ("REFUSAL_OF_ENTRY", "COURT_EXPULSION", "DUBLIN_TRANSFER"),
}
# Most measures are of removals and of Dublin transfers, and so are most histories.
KINDS = ("REMOVAL", "REMOVAL", "DUBLIN_TRANSFER", "DUBLIN_TRANSFER", "REFUSAL_OF_ENTRY", "COURT_EXPULSION")
EXIT_TOPICS = ("migrationsverket.exit-registration.v1", "polisen.exit-registration.v1")
CASE_TOPICS = (
    *DECISION_TOPICS,
    "migrationsverket.return-case.v1",
    "migrationsverket.case-handover.v1",
    "polisen.enforcement-case.v1",
    *EXIT_TOPICS,
    "polisen.travel-order.v1",
)
OUTCOME_TOPIC = "kriminalvarden.transport-outcome.v1"
SIS_TOPIC = "sis.exit.v1"

# What a history has much of: the topics whose records meet in some rule.
CROWDS = (
    (*DECISION_TOPICS, *EXIT_TOPICS),
    (*EXIT_TOPICS, "polisen.enforcement-case.v1"),
    (*EXIT_TOPICS, "polisen.enforcement-case.v1", SIS_TOPIC),
    (*EXIT_TOPICS, "migrationsverket.case-handover.v1"),
    ("migrationsverket.return-case.v1", "migrationsverket.case-handover.v1", "polisen.enforcement-case.v1"),
    ("polisen.travel-order.v1", OUTCOME_TOPIC),
)
EVIDENCE = ("BORDER_CONTROL", "TRAVEL_DOCUMENTS", "SIS", "SKATTEVERKET", "SKATTEVERKET", "OTHER")


def random_history(rng: Random) -> list[Line]:
    """One history: 1 to 6 cases with their alerts and orders, revised, retracted, repeated and shuffled."""
    return _History(rng).lines()


def random_histories(seed: int, count: int) -> list[list[Line]]:
    """`count` histories, the same for the same seed; the n-th does not depend on the others."""
    return [random_history(Random(f"{seed}/{n}")) for n in range(count)]


def random_question(rng: Random) -> tuple[date | None, int | None]:
    """An as-of day and a horizon to ask for, each often left out."""
    days = [day for edge in EDGES[2:] for day in edge[:2]]
    as_of = rng.choice(days) if rng.random() < 0.6 else None
    return as_of, rng.choice([None, None, 2022, 2024, 2026])


def histories() -> st.SearchStrategy[list[Line]]:
    """The same histories as a Hypothesis strategy, so that a failing one is made smaller."""
    return st.randoms(use_true_random=False).map(random_history)


class _History:
    """Draws one history from few days, countries and ids, chosen first."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        first, second, countries = rng.choice(EDGES)
        other_days = [day for edge in rng.sample(EDGES, rng.choice((0, 0, 0, 1, 2))) for day in edge[:2]]
        self.days = [first, second, *other_days]
        self.countries = [*countries, *rng.sample(COUNTRIES, rng.randint(1, 3))]
        self.kinds = rng.sample(KINDS, rng.choice((1, 1, 2, 5)))
        a_mean_is_taken = self.kinds == ["DUBLIN_TRANSFER"]
        self.case_ids = rng.sample(CASE_IDS, 6 if a_mean_is_taken else rng.choice((1, 1, 2, 2, 3)))
        self.alerts = ("alert9", "alert10")[: rng.randint(1, 2)]
        self.orders = ("order9", "order10", "Order2", "order1")[: rng.randint(1, 4)]
        self.charters = ("ch1", "ch2")[: rng.choice((1, 1, 2))]
        self.crowd = EXIT_TOPICS if a_mean_is_taken else rng.choice(CROWDS)
        self.evidence = rng.sample(EVIDENCE, rng.choice((1, 2, 3)))
        self.unrest = rng.choice((0, 0.2, 0.6))

    def lines(self) -> list[Line]:
        """Every registration's revisions, some twice, in any order."""
        lines = [line for topic in CASE_TOPICS for key in self.case_ids for line in self._records(topic, key)]
        lines += [line for key in self.alerts for line in self._records(SIS_TOPIC, key)]
        lines += [line for key in self.orders for line in self._records(OUTCOME_TOPIC, key)]
        lines += [line for line in lines if self._chance(0.05)]
        lines += self._feed_status()
        self.rng.shuffle(lines)
        return lines

    def _records(self, topic: str, key: str) -> Iterator[Line]:
        for name in self.rng.sample(RECORD_NAMES, self._count(topic)):
            yield from self._revisions(topic, key, f"{key}-{name}")

    def _count(self, topic: str) -> int:
        """How many registrations a key has: most cases have a decision, and a few topics have a crowd."""
        if topic in DECISION_TOPICS and not any(kind in DECISION_TOPICS[topic] for kind in self.kinds):
            return 0
        if topic in self.crowd:
            return self.rng.randint(1, 3)
        return self.rng.choice((1, 1, 1, 0) if topic in DECISION_TOPICS else (0, 0, 1))

    def _revisions(self, topic: str, key: str, record_id: str) -> Iterator[Line]:
        registered_on = self._day()
        for n in range(self.rng.randint(2, 3) if self._chance(self.unrest) else 1):
            if n and self._chance(0.15):
                registered_on = self._day()
            value = {
                "record_id": record_id,
                "revision": self.rng.choice(REVISIONS),
                "retracted": self._chance(self.unrest / 3),
                "registered_on": registered_on,
                "revised_on": self._day() if n else registered_on,
                **self._fields(topic, key),
            }
            yield self._line(topic, key, f"{record_id}-{self.rng.choice(EVENT_NAMES)}", value)

    def _line(self, topic: str, key: str, event_id: str, value: Value) -> Line:
        headers = {"ce_id": f"{topic}/{event_id}", "ce_time": self.rng.choice(CE_TIMES)}
        return {"topic": topic, "key": key, "headers": headers, "value": self._written(value)}

    def _written(self, value: Value) -> Value:
        """As a JSON line has it: ISO dates, and what is null or false by default left out as often as not."""
        return {
            name: field.isoformat() if isinstance(field, date) else field
            for name, field in value.items()
            if not (field is None or (name == "retracted" and field is False)) or self._chance(0.5)
        }

    def _feed_status(self) -> list[Line]:
        if self._chance(0.8):
            return []
        agency = self.rng.choice(("migrationsverket", "polisen", "kriminalvarden", "sis"))
        value = {"agency": agency, "through": "2024-06-01T12:00:00Z"}
        return [self._line(f"{agency}.feed-status.v1", agency, "status", value)]

    def _fields(self, topic: str, key: str) -> Value:
        """A record's own fields. The key is a SisExit's alert, an outcome's order, every other's case."""
        if topic == SIS_TOPIC:
            return self._sis_exit(key)
        if topic == OUTCOME_TOPIC:
            return self._transport_outcome(key)
        by_case = {
            "decision": self._decision,
            "return-case": self._return_case,
            "case-handover": self._case_handover,
            "enforcement-case": self._enforcement_case,
            "exit-registration": self._exit_registration,
            "travel-order": self._travel_order,
        }
        agency, record_type, _ = topic.split(".")
        return {"case_id": key, **by_case[record_type](agency)}

    def _decision(self, agency: str) -> Value:
        own = DECISION_TOPICS[f"{agency}.decision.v1"]
        return {
            "kind": self.rng.choice([kind for kind in self.kinds if kind in own]),
            "decided_on": self._day(),
            "final_on": self._perhaps(self.days),
            "immediate_enforcement": self._chance(0.2),
            "withdrawn_application": self._chance(0.1),
            "home_country": self._perhaps(self.countries),
            "destination_countries": self._some(self.countries),
            "residence_countries": self._some(self.countries),
            "sis_alert_ids": self._some(self.alerts),
            "criminal_actor": self._chance(0.5),
        }

    def _return_case(self, _: str) -> Value:
        reasons = ("OWN_EXIT", "HANDED_OVER", "WRITTEN_OFF", "OTHER")
        return {"opened_on": self._day(), **self._closing(reasons)}

    def _case_handover(self, _: str) -> Value:
        return {"handed_over_on": self._day(), "reason": self.rng.choice(("ABSCONDED", "COERCION"))}

    def _enforcement_case(self, _: str) -> Value:
        bases = ("HANDOVER", "OWN_DECISION", "RE_ENCOUNTER", "RE_ENCOUNTER", "COURT_EXPULSION")
        reasons = ("EXIT", "PERMIT_GRANTED", "DUBLIN_DEADLINE_EXPIRED", "PRESCRIBED", "OTHER")
        return {"opened_on": self._day(), "basis": self.rng.choice(bases), **self._closing(reasons)}

    def _closing(self, reasons: Sequence[str]) -> Value:
        return {"closed_on": self._perhaps(self.days), "close_reason": self._perhaps(reasons)}

    def _exit_registration(self, _: str) -> Value:
        return {
            "exit_on": self._day(),
            "destination_country": self._perhaps(self.countries),
            "enforcing_authority": self._perhaps(("MIGRATIONSVERKET", "POLISEN"), 0.4),
            "manner": self._perhaps(("BY_POLICE", "OWN_EXIT")),
            "evidence": self.rng.choice(self.evidence),
        }

    def _travel_order(self, _: str) -> Value:
        return {
            "order_id": self.rng.choice(self.orders),
            "ordered_on": self._day(),
            "destination_country": self._perhaps(self.countries),
            "cancelled_on": self._perhaps(self.days, 0.3),
        }

    def _transport_outcome(self, order_id: str) -> Value:
        reasons = "DENIED_BOARDING DEFICIENT_DOCUMENTS FLIGHT_CANCELLED TRANSIT_PROBLEM NOT_RECEIVED OTHER"
        return {
            "order_id": order_id,
            "performed": self._chance(0.8),
            "outcome_on": self._day(),
            "destination_country": self._perhaps(self.countries, 0.4),
            "reason": self._perhaps(reasons.split()),
            "charter_id": self._perhaps(self.charters, 0.8),
            "frontex": self._chance(0.4),
        }

    def _sis_exit(self, sis_alert_id: str) -> Value:
        return {
            "sis_alert_id": sis_alert_id,
            "exit_on": self._day(),
            "left_schengen": self._chance(0.7),
            "confirming_country": self.rng.choice(("DE", "NO", "FI")),
        }

    def _day(self) -> date:
        """One of the history's few days, or now and then the day before or after it."""
        return self.rng.choice(self.days) + timedelta(days=self.rng.choice((0, 0, 0, 0, 0, 0, -1, 1)))

    def _perhaps(self, choices: Sequence[T], probability: float = 0.6) -> T | None:
        return self.rng.choice(choices) if self._chance(probability) else None

    def _some(self, choices: Sequence[T]) -> list[T]:
        return self.rng.choices(choices, k=self.rng.choice((0, 1, 1, 2)))

    def _chance(self, probability: float) -> bool:
        return self.rng.random() < probability
