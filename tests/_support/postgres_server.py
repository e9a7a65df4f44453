"""A PostgreSQL server of this machine, to be killed and started again."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import attrs
import psycopg

__all__ = ["PASSWORD", "PostgresServer", "postgres_server"]

PASSWORD: Final = "canary-of-postgres"
_START_S: Final = 120.0
_USER: Final = "jobs"


def _program(name: str) -> str:
    """Find a program of PostgreSQL in the wheel that the tests install."""
    wheel = find_spec("pgserver")
    assert wheel is not None, "PostgreSQL is missing: pip install pgserver"
    assert wheel.origin is not None
    return str(Path(wheel.origin).parent / "pginstall/bin" / name)


@attrs.define(eq=False)
class PostgresServer:
    """A server with its data in a folder.

    Attributes:
        folder: has all that it keeps.
        port: of the loopback interface.
    """

    folder: Path
    port: int
    who: dict[str, Any]
    process: subprocess.Popen[bytes] | None = None

    def url(self, job: str | None = None, *, password: bool = True) -> str:
        """Return the URL of the database, or of a job in it."""
        secret = f":{PASSWORD}" if password else ""
        return f"postgresql://{_USER}{secret}@127.0.0.1:{self.port}/postgres" + (
            f"#{job}" if job else ""
        )

    def start(self) -> None:
        """Start it, and wait until it can be used."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    _program("postgres"), "-D", self.folder / "data", "-k", self.folder,
                    "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
                ],
                stdout=log, stderr=log, cwd=self.folder, **self.who,
            )  # fmt: skip
        until = time.monotonic() + _START_S
        while True:
            with suppress(psycopg.OperationalError):
                self.ask("SELECT 1")
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until, "PostgreSQL does not start"
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill it and all its processes, as a power cut does."""
        assert self.process is not None
        children = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)],  # noqa: S607 - of every Linux
            capture_output=True,
            text=True,
            check=False,
        ).stdout.split()
        self.process.kill()
        self.process.wait()
        for each in children:
            with suppress(ProcessLookupError):
                os.kill(int(each), signal.SIGKILL)
        # The next one does not start before they are gone.
        while any(Path(f"/proc/{each}").exists() for each in children):
            time.sleep(0.01)
        (self.folder / "data/postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """End it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()

    def ask(self, query: str) -> list[Any]:
        """Run a query as the superuser."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def cut(self) -> int:
        """End all other connections, and return how many there were."""
        return len(
            self.ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        )


def _free_port() -> int:
    """Find a port that the system gives to no program that asks for any, also after a kill."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as free, suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Make a server that asks for a password, and run it."""
    # It refuses to be run by root.
    nobody = pwd.getpwnam("nobody")
    who = {"user": nobody.pw_uid, "group": nobody.pw_gid} if os.geteuid() == 0 else {}
    memory = Path("/dev/shm")  # noqa: S108 - a directory of its own is made there
    with tempfile.TemporaryDirectory(
        prefix="postgres-", dir=memory if memory.is_dir() else None, ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        if who:
            shutil.chown(folder, nobody.pw_uid, nobody.pw_gid)
        (folder / "password").write_text(PASSWORD)
        subprocess.run(
            [
                _program("initdb"), "-D", folder / "data", "-A", "scram-sha-256", "-U", _USER,
                "-E", "UTF8", "--locale", "C.UTF-8", "--pwfile", folder / "password", "-N",
            ],
            check=True, capture_output=True, cwd=folder, **who,
        )  # fmt: skip
        server = PostgresServer(folder, _free_port(), who)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def new_job() -> str:
    """Name a job that no other test has."""
    return f"job-{secrets.token_hex(6)}"
