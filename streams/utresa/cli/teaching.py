"""What the help says beside each command: for whom it is, examples to copy, and what the exit codes mean."""

from __future__ import annotations

# For whom a command is: the panels of `utresa --help`, in the order in which they are first used.
TRY = "Try it"
READ = "Read the figures"
SEND = "Send events"
RUN = "Run it"

EXIT_CODES = (
    "Exit codes: 0 done; 1 something was refused, failed or does not agree; 2 the command's words or a setting are "
    "off; 130 Ctrl-C."
)
FIRST_STEPS = "\n".join(
    (
        "First steps:",
        "  utresa demo                  # all of it, on this machine",
        "  utresa COMMAND --help        # what a command does, with examples",
        "  utresa doctor                # what is wrong, and what to do about it",
        "  utresa --install-completion  # Tab completes commands, editions, measures",
        "",
        EXIT_CODES,
    )
)


def examples(*lines: str) -> str:
    """Commands to copy, for the end of a command's help; `tests/` runs or parses each."""
    return "\n".join(("Examples:", *(f"  {line}" for line in lines)))
