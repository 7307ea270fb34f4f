"""Settings, from the environment: each field is UTRESA_<FIELD>."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

# A host or an IPv6 address in brackets, and a port; several with commas between.
_HOST = r"(?:[^\s:,/]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?"


def _address(text: str | None) -> str | None:
    """Kafka's address; nothing is as if it was not set."""
    if text and not re.fullmatch(rf"{_HOST}(?:,{_HOST})*", text):
        raise ValueError("write host:port, several with commas between")
    return text


class Settings(BaseSettings):
    """What a worker or a command needs to know. Defaults are those of a laptop."""

    model_config = SettingsConfigDict(env_prefix="UTRESA_")

    kafka: Annotated[str | None, AfterValidator(_address)] = Field(
        default=None, description="Kafka's address, host:port,…; without it the local broker's"
    )
    group: str = Field(default="utresa", description="The workers' consumer group")
    partitions: int = Field(default=4, ge=1, le=1024, description="Partitions of every topic")
    replicas: int = Field(default=1, ge=1, le=7, description="Replicas of every topic")
    metrics_host: str = Field(default="127.0.0.1", description="Where health and metrics are served")
    metrics_port: int = Field(default=0, ge=0, le=65535, description="Their port; 0 takes any free one")
    data_dir: Path = Field(default=Path("build/worker"), description="Where a worker keeps its own files")
    session_seconds: float = Field(
        default=10.0, ge=1, description="How long a worker may be silent before its partitions go to another"
    )
    stall_seconds: float = Field(default=60.0, ge=1, description="How long a worker may hang before it ends itself")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="From which level to log"
    )
    cut_seconds: float = Field(default=5.0, gt=0, description="How often, at most, a consistent snapshot is taken")
    stale_lag: int = Field(
        default=1000, ge=0, description="How many records may wait for a partition before the figures count as stale"
    )
    audit_log: Path = Field(
        default=Path("build/audit.jsonl"), description="Where look-ups of persons' cases are logged"
    )


def what_is_off(error: ValidationError) -> list[str]:
    """Each setting that cannot be read, with what it says and what it should be."""
    return [
        f"UTRESA_{str(one['loc'][0]).upper()}={one['input']}: {one['msg'].removeprefix('Value error, ')}"
        for one in error.errors()
    ]
