"""P7: eight processes keep to one quota by a real Redis that is killed twice, through a storm."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from billingual.retry import RedisQuota
from billingual.testing import QUOTA_STORE_CHECKS, Check

CONTEST = Path(__file__).parents[2] / "benchmarks" / "_quota.py"


@pytest.fixture(scope="module")
def redis_server() -> Iterator[str]:
    """Run a Redis; return its address."""
    spec = importlib.util.spec_from_file_location("quota_contest", CONTEST)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["quota_contest"] = module
    spec.loader.exec_module(module)
    server = module.Redis()
    server.start()
    yield server.url
    server.kill()


def contest(**how: Any) -> dict[str, Any]:
    """Run a contest in processes of its own."""
    done = subprocess.run(
        [sys.executable, str(CONTEST), json.dumps(how)],
        capture_output=True, text=True, check=True, timeout=400,
    )  # fmt: skip
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


@pytest.mark.timeout(500)
def test_eight_workers_keep_to_one_quota() -> None:
    """For a minute: they use it up, meet next to no 429, and ask the store about once a call."""
    seen = contest(gate="store", seconds=60, restarts=2, storm_s=3)

    assert seen["of_quota"] >= 0.95
    assert seen["refused_part"] <= 0.01
    assert seen["store_calls_per_request"] <= 1.5
    assert not seen["has_token"]


@pytest.mark.timeout(200)
def test_two_busy_workers_of_eight_use_the_quota_up() -> None:
    """What the others do not need goes to them, where a part for each would be lost."""
    seen = contest(gate="store", seconds=10, busy=2)

    assert seen["of_quota"] >= 0.9
    assert seen["refused_part"] <= 0.01


@pytest.mark.timeout(200)
@pytest.mark.parametrize("fault", ["kill", "stop", "replica", "full", "flush"])
def test_a_redis_that_fails_leaves_a_limit(fault: str) -> None:
    """Eight workers go on, each with its part, and share the rate again afterwards."""
    seen = contest(gate="store", seconds=20, restarts=1, fault=fault, away_s=5)

    assert seen["of_quota"] >= 0.7
    # Without a limit it is four fifths. A worker that had to wait for a core is late.
    assert seen["refused_part"] <= 0.05


@pytest.mark.parametrize("check", QUOTA_STORE_CHECKS, ids=str)
def test_a_real_redis_keeps_the_rule(check: Check, redis_server: str) -> None:
    """As the one in memory of the gate does."""
    with redis.Redis.from_url(redis_server) as client:
        check.run(RedisQuota(client))


def test_leases_of_two_processes_do_not_overlap(redis_server: str) -> None:
    """The script is one step: of a thousand leases that two processes take, none overlap."""
    program = (
        "import sys, redis\n"
        "from billingual.retry import RedisQuota\n"
        "store = RedisQuota(redis.Redis.from_url(sys.argv[1]))\n"
        "for _ in range(500):\n"
        "    print(store.acquire('k', rate=0.001, count=1, is_job=False).wait_s)\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, redis_server], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    waits = sorted(float(line) for each in running for line in each.communicate()[0].split())

    assert list(range(1000)) == [int((wait_s + 400) // 1000) for wait_s in waits]
