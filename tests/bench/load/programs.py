"""The two C programs: the load client, and the bare loop that shows what the machine allows."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.integration.processes import ROOT

CACHE = ROOT / ".cache" / "bench"
SERVER_CORE, CLIENT_CORE = 0, 1
_CORES = os.sched_getaffinity(0)
_HAS_TWO = {SERVER_CORE, CLIENT_CORE} <= _CORES


class Missing(Exception):
    """Something cannot be installed here; its text says what."""


@cache
def compiled(name: str) -> Path:
    """The program of that name beside this file, compiled where its source is newer.

    Raises:
        Missing: there is no C compiler.
    """
    source, program = Path(__file__).with_name(f"{name}.c"), CACHE / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run([ROOT / "tests" / "install", "gcc", "build-essential"], check=False)
        if shutil.which("gcc") is None:
            raise Missing("gcc cannot be installed")
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["gcc", "-O2", "-w", "-o", program, source], check=True)
    return program


def on_server_core() -> list[str]:
    """What stands before a command, so that it has one core for itself; nothing where there is only one."""
    return ["taskset", "-c", str(SERVER_CORE)] if _HAS_TWO else []


@contextmanager
def on_client_core() -> Iterator[None]:
    """This process, and what it starts meanwhile, leave the server's core alone."""
    if _HAS_TWO:
        os.sched_setaffinity(0, {CLIENT_CORE})
    try:
        yield
    finally:
        os.sched_setaffinity(0, _CORES)
