"""A PostgreSQL of this machine, for as long as it is wanted."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_START_S = 30.0


def _program(name: str) -> str:
    """Find a program of PostgreSQL; Debian keeps them off the PATH."""
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(beside[-1]) if beside else None)
    if found is None:
        raise FileNotFoundError(f"{name} is missing: apt-get install postgresql")
    return found


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the options that name the server; a database has still to be named.

    Raises:
        FileNotFoundError: if there is no PostgreSQL on this machine.
        RuntimeError: if it does not start.
    """
    initdb, server, psql = _program("initdb"), _program("postgres"), _program("psql")
    # It refuses to be run by root.
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        who = {"user": "postgres", "group": "postgres", "extra_groups": ()}
    with tempfile.TemporaryDirectory(prefix="race-", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "data"
        if who:
            shutil.chown(folder, "postgres", "postgres")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
        subprocess.run(
            [initdb, "-D", data, "-A", "trust", "-U", "race"], check=True, **quiet, **who
        )
        options = ["-D", data, "-k", folder, "-c", "listen_addresses="]
        with subprocess.Popen([server, *options], **quiet, **who) as process:
            try:
                ask = [psql, "-h", folder, "-U", "race", "-d", "postgres", "-c", "SELECT 1"]
                deadline = time.monotonic() + _START_S
                while subprocess.run(ask, check=False, **quiet).returncode:
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError("PostgreSQL does not start")
                    time.sleep(0.05)
                yield f"host={folder} user=race"
            finally:
                process.terminate()


def new_database(server: str, name: str) -> str:
    """Make a database; return how to connect to it."""
    folder = server.partition("=")[2].split()[0]
    command = [_program("createdb"), "-h", folder, "-U", "race", name]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return f"{server} dbname={name}"
