"""deploy/bench.md, from what the parts have measured: whatever it says."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench import results
from tests.bench.machine import BUILD
from tests.bench.results import middle, spaced

PEER = ("kafka-streams", "kafka-streams-eos")
LESS_ROUNDS = 3
A_MILLION = 1_000_000
WARM_RECORDS = 200_000

HEAD = """\
# How fast it is

Made by `make bench` from what was measured; a part that is measured again (`make bench PART=latency`) replaces its own
figures. How it is made fair, and what it does not show: [decision 32](decisions/0032-bench.md).\
"""

Found = Mapping[str, Any]


class Target(NamedTuple):
    """What issue 6 asks for, and what there is."""

    what: str
    wanted: str
    found: str
    met: bool


def page(directory: Path = BUILD) -> str:
    """The whole page; a part that was never measured is said to be missing."""
    parts = {name: results.part(name, directory) for name in SECTIONS}
    lines = [HEAD, *_targets(parts)]
    for name, section in SECTIONS.items():
        found = parts[name]
        lines += [f"\n## {TITLES[name]}\n"]
        lines += section(found) if found else ["Not measured yet."]
        lines += [f"\n{_where(found)}"] if found else []
    return "\n".join(lines) + "\n"


def last_line(directory: Path = BUILD) -> str:
    """The ratios, for who has waited."""
    found = results.part("throughput", directory)
    return _ratios(results.speeds(found)) if found else "No throughput has been measured."


# Targets


def _targets(parts: Mapping[str, Found | None]) -> Iterator[str]:
    found = list(targets(parts))
    met = sum(one.met for one in found)
    yield f"\n## Targets\n\nMet: {met} of the {len(found)} targets of issue 6 that these runs can judge.\n"
    yield "| what | wanted | measured | |"
    yield "|---|---|---|---|"
    for one in found:
        yield f"| {one.what} | {one.wanted} | {one.found} | {'met' if one.met else '**not met**'} |"


def targets(parts: Mapping[str, Found | None]) -> Iterator[Target]:
    """Those that the parts at hand say something about."""
    if throughput := parts.get("throughput"):
        yield from _throughput_targets(results.speeds(throughput))
    if latency := parts.get("latency"):
        most_ms = {1_000: 50, 5_000: 100}
        for one in latency["rates"]:
            if (most := most_ms.get(one["rate"])) is not None:
                p99 = one.get("p99_ms")
                what, shown = f"Latency at {spaced(one['rate'])} events/s, p99", f"{p99:.0f} ms" if p99 else "never"
                yield Target(what, f"at most {most} ms", shown, p99 is not None and p99 <= most)
    if (recovery := parts.get("recovery")) and recovery["rows"] >= A_MILLION:
        ready, of = recovery["ready_seconds"], spaced(recovery["rows"])
        yield Target(f"{of} rows ready", "at most 15 s", f"{ready:.0f} s", ready <= 15)
    if (scale := parts.get("scale")) and (kib := scale["sizes"][-1]["kib_a_case_of_five"]) is not None:
        yield Target("Memory a case of five records", "at most 1.5 KiB", f"{kib:.2f} KiB", kib <= 1.5)
    if recount := parts.get("recount"):
        largest = recount["sizes"][-1]
        speed, what = largest["records_per_second"], f"recount of {spaced(largest['records'])} records"
        yield Target(what, "at least 60 000 records/s", f"{spaced(speed)} records/s", speed >= 60_000)


def _throughput_targets(speeds: Mapping[str, Sequence[int]]) -> Iterator[Target]:
    medians = {name: middle(each) for name, each in speeds.items()}
    best = max((medians[name] for name in PEER if name in medians), default=None)
    for ours, title in (("utresa", "whole"), ("job", "this job alone")):
        one, two = medians.get(f"{ours}-1"), medians.get(f"{ours}-2")
        compared = [
            (two, best, 1.8, f"Two workers ({title}) to Kafka Streams' best"),
            (one, best, 1.0, f"One worker ({title}) to Kafka Streams' best"),
            (one, medians.get("faust"), 30.0, f"One worker ({title}) to Faust's agent"),
            (one, medians.get("quix"), 4.0, f"One worker ({title}) to Quix Streams"),
        ]
        for speed, peer, wanted, what in compared:
            if speed and peer:
                yield Target(what, f"at least {wanted:g}", f"{speed / peer:.2f}", speed / peer >= wanted)
    with_them, without = medians.get("utresa-1"), medians.get("utresa-1-no-receipts")
    if with_them and without:
        cost = 1 - with_them / without
        yield Target("Receipts cost of the throughput", "less than a third", f"{cost:.0%}", cost < 1 / 3)


# Parts


def _throughput(found: Found) -> Iterator[str]:
    speeds = results.speeds(found)
    medians = {name: middle(each) for name, each in speeds.items()}
    titles = {run["name"]: run["title"] for run in found["runs"]}
    yield _wrapped(
        f"{spaced(found['records'])} records of {spaced(found['cases'])} cases, {found['rounds']} interleaved rounds; "
        "a fourth is sent ahead and not counted. Events a second, and the median beside that of Kafka Streams at least "
        "once:"
    )
    yield "\n| | min | median | max | ratio | processor s a million | MiB |"
    yield "|---|---|---|---|---|---|---|"
    for name, title in titles.items():
        if each := speeds.get(name):
            base = medians.get(PEER[0])
            ratio = f"{medians[name] / base:.2f}" if base else ""
            mib = max(run["peak_mib"] for run in found["runs"] if run["name"] == name and "peak_mib" in run)
            shown = " | ".join(spaced(one) for one in (min(each), medians[name], max(each)))
            yield f"| {title} | {shown} | {ratio} | {_processor(found, name)} | {spaced(mib)} |"
    for run in found["runs"]:
        if "failure" in run:
            yield f"\n**Round {run['round'] + 1} of {run['title']} failed**: {run['failure']}"
    if any(len(each) < LESS_ROUNDS for each in speeds.values()):
        yield f"\n**Fewer than {LESS_ROUNDS} rounds: these are no medians to rest on.**"
    if found["records"] < WARM_RECORDS * 0.9:
        yield f"\n**With fewer than {spaced(WARM_RECORDS)} records Java is not warm: Kafka Streams is shown too slow.**"
    yield from _behind(found)
    yield "\nWhat each does not do of what a worker does:\n"
    for title, lacks in found["lacks"].items():
        yield _wrapped(f"- {title}: {lacks}", "  ")
    yield f"\n{_wrapped(_ratios(speeds))}"


def _behind(found: Found) -> Iterator[str]:
    """The stages behind the one that is measured, which only whole workers have."""
    runs = [run for run in found["runs"] if run["name"].startswith("utresa") and "failure" not in run]
    later = {
        title: middle([run["settled_seconds"] / run["seconds"] for run in runs if run["title"] == title])
        for title in dict.fromkeys(run["title"] for run in runs)
    }
    if later:
        shown = ", ".join(f"{title} {times:.2f}" for title, times in later.items())
        yield f"\n{_wrapped(f'Until totals and statistics have followed too it takes so many times as long: {shown}.')}"


def _processor(found: Found, name: str) -> str:
    """Without the broker's; empty where the system does not say."""
    runs = [run for run in found["runs"] if run["name"] == name and run.get("processor_seconds")]
    return f"{middle([run['processor_seconds'] / run['records'] * 1e6 for run in runs]):.0f}" if runs else ""


def _ratios(speeds: Mapping[str, Sequence[int]]) -> str:
    medians = {name: middle(each) for name, each in speeds.items()}
    base = medians.get(PEER[0])
    if not base:
        return "Kafka Streams was not measured: no ratios."
    ratios = ", ".join(f"{name} {speed / base:.2f}" for name, speed in medians.items())
    return f"Ratios to Kafka Streams at least once: {ratios}."


def _latency(found: Found) -> Iterator[str]:
    yield _wrapped(
        f"One worker; from before an event is handed to the producer until a reader of `utresa.statistics.v1` has the "
        f"figure that counts it; {found['seconds']} s at each rate, after a quarter as long that is not counted."
    )
    yield "\n| events/s offered | as offered | probes | p50 ms | p99 ms | max ms |"
    yield "|---|---|---|---|---|---|"
    for one in found["rates"]:
        begin = f"| {spaced(one['rate'])} | {spaced(one['offered'])} |"
        if "late_seconds" in one:
            yield f"{begin} | | not all within {one['late_seconds']:.0f} s | |"
        else:
            times = " | ".join(f"{one[name]:.0f}" for name in ("p50_ms", "p99_ms", "max_ms"))
            yield f"{begin} {one['probes']} | {times} |"


def _recovery(found: Found) -> Iterator[str]:
    ready, published = found["ready_seconds"], found["published_seconds"]
    yield _wrapped(
        f"A worker that has nothing takes over {spaced(found['rows'])} rows of {found['records_a_row']:.1f} records: "
        f"ready after {ready:.1f} s, the figures of all rows published after {published:.1f} s. The process then had "
        f"at most {found['kib_a_row']:.2f} KiB a row."
    )


def _recount(found: Found) -> Iterator[str]:
    yield _wrapped(f"`{found['command']}` over the topics, with its start.")
    yield "\n| records | cases | s | records/s | peak MiB |"
    yield "|---|---|---|---|---|"
    for one in found["sizes"]:
        cells = [spaced(one[name]) for name in ("records", "cases")]
        cells += [f"{one['seconds']:.1f}", spaced(one["records_per_second"]), spaced(one["peak_mib"])]
        yield f"| {' | '.join(cells)} |"
    smaller, larger = found["sizes"][0], found["sizes"][-1]
    if larger["cases"] > smaller["cases"]:
        kib = (larger["peak_mib"] - smaller["peak_mib"]) * 1024 / (larger["cases"] - smaller["cases"])
        yield f"\nOne more case takes {kib:.1f} KiB, in all its processes together."


def _scale(found: Found) -> Iterator[str]:
    yield _wrapped(
        "In memory, one process, processor time, no broker: decode, fold, encode rows and partials. Memory is what a "
        "worker that has taken the rows over keeps of each: key, row, what it counts as, what is found in it."
    )
    yield "\n| records | cases | records a case | events/s | KiB a case | KiB a case of five records |"
    yield "|---|---|---|---|---|---|"
    for one in found["sizes"]:
        cells = [spaced(one[name]) for name in ("records", "cases")]
        cells += [f"{one['records_a_case']:.1f}", spaced(one["events_per_second"]), f"{one['kib_a_case']:.2f}"]
        cells.append("" if one["kib_a_case_of_five"] is None else f"{one['kib_a_case_of_five']:.2f}")
        yield f"| {' | '.join(cells)} |"
    yield "\n| editions | events/s |\n|---|---|"
    for name, speed in found["editions"].items():
        yield f"| {name} | {spaced(speed)} |"


SECTIONS = {
    "throughput": _throughput,
    "latency": _latency,
    "recovery": _recovery,
    "recount": _recount,
    "scale": _scale,
}
TITLES = {
    "throughput": "Throughput",
    "latency": "Latency",
    "recovery": "Recovery",
    "recount": "Recount",
    "scale": "Scale",
}


def _where(found: Found) -> str:
    machine = found["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return _wrapped(
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB, load "
        f"{machine['load_before']} when it began, {found['ran_seconds'] / 60:.1f} minutes; {versions}."
    )


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
