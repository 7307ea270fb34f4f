"""The local Kafka: one real broker on loopback, started, found again and stopped.

Its data directory is all that is remembered of it: `broker.json` names the process and the ports. A process
id proves nothing by itself, since it may have gone to another program after a crash; a process is the broker
only when its command line ends with this data directory's configuration.

Standard library only: make runs this file with the system's Python, before anything is installed.
"""

import base64
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from string import Template

DATA_DIR = Path("build/kafka")
JARS_DIR = Path("build/kafka-jars")
HOST = "127.0.0.1"
USUAL_PORT = 9092
OLDEST_JAVA = 17  # Kafka 4's broker

# A start takes about 4 s; after a crash 12 s, as the dead broker's session of 9 s has to run out.
START_SECONDS = 90
STOP_SECONDS = 30
FREE_SECONDS = 5.0
FORMAT_SECONDS = 60
# 44 MB of jars over a slow line.
FETCH_SECONDS = 900
POLL_SECONDS = 0.1

JVM_OPTIONS = (
    "-Xms256m",
    "-Xmx1g",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.showThreadName=false",
)

JAVA_REMEDY = "Debian: sudo apt-get install openjdk-17-jre-headless; macOS: brew install --cask temurin"
MAVEN_REMEDY = "Debian: sudo apt-get install maven; macOS: brew install maven"
OWN_KAFKA = "Or set UTRESA_KAFKA=host:port to a Kafka that you have; then neither Java nor Maven is needed."

Say = Callable[[str], None]


class BrokerError(Exception):
    """The local broker cannot be started, reached or stopped; the text names the remedy."""


class BrokerEnded(BrokerError):
    """The broker's process ended before it answered."""


@dataclass(frozen=True)
class Broker:
    """A running local broker: `address` is what clients bootstrap from."""

    address: str
    pid: int
    port: int


@dataclass(frozen=True)
class _Remembered:
    pid: int | None
    port: int
    controller_port: int


def say(line: str) -> None:
    """The usual way to tell of progress: a line on standard error."""
    print(line, file=sys.stderr, flush=True)


def start(data_dir: Path = DATA_DIR, port: int | None = None, *, jars_dir: Path = JARS_DIR, tell: Say = say) -> Broker:
    """Start the broker of `data_dir`, or find it running, and return once it answers.

    Without `port` it is the one of the last start, else 9092; a taken one is replaced by a free one, and 0
    asks for any. Raises BrokerError when Java or Maven is missing, the jars cannot be fetched, or Kafka does
    not come up.
    """
    data_dir, jars_dir = data_dir.resolve(), jars_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    with _locked(data_dir / "lock"):
        found = _running(data_dir)
        if found is not None:
            with suppress(BrokerEnded):  # it was about to end when it was found
                return _wait_until_it_answers(data_dir, found)
        java, jars = _java(), _jars(jars_dir, tell)
        remembered = _choose_ports(_recall(data_dir), port)
        _write_properties(data_dir, remembered)
        _format_if_new(data_dir, java, jars)
        remembered = replace(remembered, pid=_launch(data_dir, java, jars))
        _remember(data_dir, remembered)
        return _wait_until_it_answers(data_dir, remembered)


def stop(data_dir: Path = DATA_DIR) -> bool:
    """Stop the broker of `data_dir` and keep its data. False when none was running."""
    data_dir = data_dir.resolve()
    if not data_dir.is_dir():
        return False
    with _locked(data_dir / "lock"):
        remembered = _running(data_dir)
        if remembered is None or remembered.pid is None:
            return False
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            os.kill(remembered.pid, signal_number)
            if _wait_until_it_ends(data_dir, remembered):
                _remember(data_dir, replace(remembered, pid=None))
                return True
    raise BrokerError(f"Kafka (process {remembered.pid}) outlived SIGKILL: look for a disk that hangs.")


def status(data_dir: Path = DATA_DIR) -> Broker | None:
    """The running broker of `data_dir`, or None. Raises BrokerError when it runs but does not answer."""
    data_dir = data_dir.resolve()
    remembered = _running(data_dir)
    if remembered is None:
        return None
    if not _answers(remembered.port):
        raise _mute(data_dir, remembered)
    return _broker(remembered)


def require_tools(jars_dir: Path = JARS_DIR) -> None:
    """Raise BrokerError naming all that a start would lack: Java, and Maven while there are no jars yet."""
    needs: list[Callable[[], Path]] = [_java]
    if not _jars_home(jars_dir).is_dir():
        needs.append(_maven)
    missing = []
    for need in needs:
        try:
            need()
        except BrokerError as error:
            missing.append(str(error))
    if missing:
        raise BrokerError("\n".join([*missing, OWN_KAFKA]))


# --- what is remembered


def _recall(data_dir: Path) -> _Remembered | None:
    file = data_dir / "broker.json"
    return _Remembered(**json.loads(file.read_text())) if file.exists() else None


def _remember(data_dir: Path, remembered: _Remembered) -> None:
    part = data_dir / "broker.json.part"
    part.write_text(json.dumps(asdict(remembered)) + "\n")
    part.replace(data_dir / "broker.json")


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """One process at a time. Whoever holds it is bounded by the seconds above, so waiting is too."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# --- the process


def _running(data_dir: Path) -> _Remembered | None:
    remembered = _recall(data_dir)
    if remembered is None or remembered.pid is None or not _is_broker(remembered.pid, data_dir):
        return None
    return remembered


def _is_broker(pid: int, data_dir: Path) -> bool:
    return _command_line(pid).endswith(f" kafka.Kafka {_properties(data_dir)}")


def _command_line(pid: int) -> str:
    """The process's command line; empty when there is no such process or it only waits to be reaped."""
    if Path("/proc/self/cmdline").exists():
        try:
            shown = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    else:
        ps = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
        shown = subprocess.run(ps, capture_output=True, check=False).stdout
    return os.fsdecode(shown).rstrip()


def _launch(data_dir: Path, java: Path, jars: Path) -> int:
    """Start Kafka in a session of its own, where a terminal's Ctrl-C does not reach it, and return its pid.

    The shell in between ends at once, so that Kafka is nobody's child here and leaves no zombie when it dies.
    """
    log = data_dir / "broker.log"
    if log.exists():
        log.replace(data_dir / "broker.log.1")
    command = [*_jvm(java, jars, JVM_OPTIONS), "kafka.Kafka", str(_properties(data_dir))]
    script = '"$@" </dev/null >broker.log 2>&1 & echo $!'
    shell = subprocess.run(
        ["sh", "-c", script, "sh", *command],
        cwd=data_dir,
        start_new_session=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    return int(shell.stdout)


def _wait_until_it_answers(data_dir: Path, remembered: _Remembered) -> Broker:
    broker, deadline = _broker(remembered), time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if not _is_broker(broker.pid, data_dir):
            raise BrokerEnded(f"Kafka ended while it started. The reason is in {data_dir / 'broker.log'}")
        if _answers(broker.port):
            return broker
        time.sleep(POLL_SECONDS)
    raise _mute(data_dir, remembered)


def _wait_until_it_ends(data_dir: Path, remembered: _Remembered) -> bool:
    """A process loses its command line a moment before its ports: the next start is to find them free."""
    assert remembered.pid is not None
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        if not _is_broker(remembered.pid, data_dir):
            wait_until_free(remembered.port, remembered.controller_port)
            return True
        time.sleep(POLL_SECONDS)
    return False


def wait_until_free(*ports: int) -> None:
    """Until nobody listens on them any more; not for long, since somebody else may by now."""
    deadline = time.monotonic() + FREE_SECONDS
    while time.monotonic() < deadline:
        with ExitStack() as held:
            if all(_hold(held, port) == port for port in ports):
                return
        time.sleep(POLL_SECONDS)


def _answers(port: int) -> bool:
    """Whether Kafka serves requests on the port: it opens it before it does, so only an answer tells.

    The request is ApiVersions (key 18) version 0, correlation id 1, without a client id.
    """
    request = struct.pack(">hhih", 18, 0, 1, -1)
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.makefile("rb").read(8)
    except OSError:
        return False
    return len(answer) == 8 and struct.unpack(">i", answer[4:])[0] == 1


def _broker(remembered: _Remembered) -> Broker:
    assert remembered.pid is not None
    return Broker(f"{HOST}:{remembered.port}", remembered.pid, remembered.port)


def _mute(data_dir: Path, remembered: _Remembered) -> BrokerError:
    return BrokerError(
        f"Kafka (process {remembered.pid}) runs but does not answer on {HOST}:{remembered.port}. "
        f"Look into {data_dir / 'broker.log'}; `utresa broker stop` ends it."
    )


# --- its configuration


def _choose_ports(last: _Remembered | None, wanted: int | None) -> _Remembered:
    """The ports to listen on: the wanted or remembered ones while they are free, else any free ones."""
    remembered_port, remembered_controller = (last.port, last.controller_port) if last else (USUAL_PORT, 0)
    with ExitStack() as held:
        port = _hold(held, remembered_port if wanted is None else wanted)
        controller_port = _hold(held, remembered_controller)
    return _Remembered(None, port, controller_port)


def _hold(held: ExitStack, port: int) -> int:
    """Bind the port, or a free one where it is taken, until `held` closes; return which."""
    listener = held.enter_context(socket.socket())
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.bind((HOST, 0))
    bound: int = listener.getsockname()[1]
    return bound


def _properties(data_dir: Path) -> Path:
    return data_dir / "server.properties"


def _write_properties(data_dir: Path, ports: _Remembered) -> None:
    template = Template(_deployed("server.properties.template").read_text())
    text = template.substitute(port=ports.port, controller_port=ports.controller_port)
    _properties(data_dir).write_text(text)


def _format_if_new(data_dir: Path, java: Path, jars: Path) -> None:
    """Give an empty data directory its cluster id. meta.properties is written last: it tells a whole one."""
    if (data_dir / "log" / "meta.properties").exists():
        return
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "_")
    tool = [*_jvm(java, jars), "kafka.tools.StorageTool", "format", "--standalone", "--ignore-formatted"]
    command = [*tool, f"--cluster-id={cluster_id}", f"--config={_properties(data_dir)}"]
    done = _run(command, data_dir, FORMAT_SECONDS)
    if done.returncode != 0:
        raise BrokerError(f"Kafka cannot format {data_dir}; remove it if its data may go.\n{_tail(done)}")


def _deployed(name: str) -> Path:
    """A file of deploy/local: beside this module in an installed wheel, in the clone's deploy/ otherwise."""
    here = Path(__file__).resolve().parent
    installed = here / "local" / name
    return installed if installed.exists() else here.parents[1] / "deploy" / "local" / name


# --- Java and the jars


def _java() -> Path:
    java = _tool("java", os.environ.get("JAVA_HOME"))
    if java is None:
        raise BrokerError(f"Java {OLDEST_JAVA} or newer is missing. {JAVA_REMEDY}")
    shown = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', shown)
    if version is None:
        raise BrokerError(f"{java} does not run. {JAVA_REMEDY}")
    if int(version[1]) < OLDEST_JAVA:
        raise BrokerError(f"{java} is Java {version[1]}; Kafka needs {OLDEST_JAVA} or newer. {JAVA_REMEDY}")
    return java


def _maven() -> Path:
    maven = _tool("mvn", os.environ.get("MAVEN_HOME"))
    if maven is None:
        raise BrokerError(f"Maven is missing. {MAVEN_REMEDY}")
    return maven


def _tool(name: str, home: str | None) -> Path | None:
    """The program in the home that the environment names, else on the path."""
    path = f"{home}/bin{os.pathsep}{os.environ.get('PATH', '')}" if home else None
    found = shutil.which(name, path=path)
    return Path(found) if found else None


def _jars_home(jars_dir: Path) -> Path:
    """One directory a pom, so that a changed pom fetches its own jars."""
    return jars_dir / hashlib.sha256(_deployed("pom.xml").read_bytes()).hexdigest()[:12]


def _jars(jars_dir: Path, tell: Say) -> Path:
    """The directory with Kafka's jars, which Maven fills once. It appears only when it is whole."""
    home = _jars_home(jars_dir)
    jars_dir.mkdir(parents=True, exist_ok=True)
    with _locked(jars_dir / "lock"):
        if not home.is_dir():
            tell("Fetching Kafka's jars with Maven, once (44 MB) …")
            _fetch(home)
    return home


def _fetch(home: Path) -> None:
    part = home.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={part}"]
    command = [str(_maven()), "--batch-mode", "--quiet", "--file", str(_deployed("pom.xml")), *goal]
    done = _run(command, home.parent, FETCH_SECONDS)
    if done.returncode != 0:
        raise BrokerError(
            "Maven could not fetch Kafka's jars. It has to reach Maven Central, or a mirror that its "
            f"settings.xml names; then start again.\n{_tail(done)}"
        )
    part.replace(home)


def _jvm(java: Path, jars: Path, options: Sequence[str] = ()) -> list[str]:
    return [str(java), *options, "-cp", f"{jars}/*"]


def _run(command: Sequence[str], directory: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BrokerError(f"{Path(command[0]).name} did not end within {seconds} s; start again.") from error


def _tail(done: subprocess.CompletedProcess[str]) -> str:
    return "\n".join(done.stdout.splitlines()[-20:])


if __name__ == "__main__":
    try:
        require_tools()
    except BrokerError as lacking:
        sys.exit(str(lacking))
