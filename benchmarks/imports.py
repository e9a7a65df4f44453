"""How long until a fresh process is ready: imported, client made, first call answered?

``python benchmarks/imports.py``: each client in fresh processes, interleaved, with only what its
own installation brings (httpx loads its command line where rich is installed, for instance);
milliseconds inside the process, from its first statement on. Files are in the system's cache and
compiled. Address: loopback without TLS; a client that builds its TLS context all the same pays for
it here too.
"""

from __future__ import annotations

import random
import statistics
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError

import attrs
from _alone import alone
from _measuring import Cell, Study, arguments, fresh, serving
from _payloads import single

OURS = "billingual (httpx)"
OURS_BLOCKING = "billingual, blocking (httpx)"
OURS_H11 = "billingual (h11)"
OURS_H11_BLOCKING = "billingual, blocking (h11)"
HEAD = """\
import time
T = time.perf_counter()
import sys
BASE, UID = sys.argv[1:]
SEEN = {{}}
def mark(name):
    SEEN[name] = (time.perf_counter() - T) * 1e3
{imported}
mark('imported')
{rest}
SEEN['modules'] = len(sys.modules)
import json
print(json.dumps(SEEN))
"""
BLOCKING = """\
{made}
mark('made')
{called}
mark('first')
"""
AWAITED = """\
import asyncio
async def main():
    {made}
    mark('made')
    {called}
    mark('first')
asyncio.run(main())
"""
GET = "'/api/invoices/' + UID"


@attrs.frozen
class Start:
    """How a client is installed, imported, made and called for the first time."""

    needs: str
    imported: str
    made: str
    called: str

    def program(self, *, blocking: bool) -> str:
        """Return what a process runs."""
        rest = (BLOCKING if blocking else AWAITED).format(made=self.made, called=self.called)
        return HEAD.format(imported=self.imported, rest=rest)


STARTS = {
    OURS: Start(
        "billingual",
        "import billingual",
        "client = billingual.AsyncClient('exante', token='t', base_url=BASE)",
        "await client.get(UID); await client.aclose()",
    ),
    "billingual (aiohttp)": Start(
        "billingual[aiohttp]",
        "import billingual",
        "client = billingual.AsyncClient('exante', token='t', base_url=BASE, transport='aiohttp')",
        "await client.get(UID); await client.aclose()",
    ),
    OURS_BLOCKING: Start(
        "billingual",
        "import billingual",
        "client = billingual.Client('exante', token='t', base_url=BASE)",
        "client.get(UID); client.close()",
    ),
    OURS_H11: Start(
        "billingual",
        "import billingual",
        "client = billingual.AsyncClient('exante', token='t', base_url=BASE, transport='h11')",
        "await client.get(UID); await client.aclose()",
    ),
    OURS_H11_BLOCKING: Start(
        "billingual",
        "import billingual",
        "client = billingual.Client('exante', token='t', base_url=BASE, transport='h11')",
        "client.get(UID); client.close()",
    ),
    "raw httpx.AsyncClient": Start(
        "httpx",
        "import httpx",
        "client = httpx.AsyncClient()",
        f"(await client.get(BASE + {GET})).json(); await client.aclose()",
    ),
    "raw httpx.Client, blocking": Start(
        "httpx",
        "import httpx",
        "client = httpx.Client()",
        f"client.get(BASE + {GET}).json(); client.close()",
    ),
    "raw aiohttp": Start(
        "aiohttp",
        "import aiohttp",
        "client = aiohttp.ClientSession()",
        f"await (await client.get(BASE + {GET})).json(); await client.close()",
    ),
    "raw requests, blocking": Start(
        "requests",
        "import requests",
        "client = requests.Session()",
        f"client.get(BASE + {GET}).json(); client.close()",
    ),
    "stripe (httpx)": Start(
        "stripe[async]",
        "import stripe",
        "http = stripe.HTTPXClient(); "
        "client = stripe.StripeClient('k', http_client=http, base_addresses={'api': BASE})",
        "await client.v1.invoices.retrieve_async(UID); await http.close_async()",
    ),
    "stripe, blocking (requests)": Start(
        "stripe",
        "import stripe",
        "client = stripe.StripeClient('k', base_addresses={'api': BASE})",
        "client.v1.invoices.retrieve(UID)",
    ),
    "openai (httpx2)": Start(
        "openai",
        "import openai",
        "client = openai.AsyncOpenAI(api_key='k', base_url=BASE)",
        f"await client.get({GET}, cast_to=object); await client.close()",
    ),
    "openai, blocking (httpx2)": Start(
        "openai",
        "import openai",
        "client = openai.OpenAI(api_key='k', base_url=BASE)",
        f"client.get({GET}, cast_to=object); client.close()",
    ),
    "azure-core (aiohttp)": Start(
        "azure-core[aio]",
        "from azure.core import AsyncPipelineClient",
        "client = AsyncPipelineClient(BASE)",
        "from azure.core.rest import HttpRequest as Ask; "
        f"(await client.send_request(Ask('GET', BASE + {GET}))).json(); await client.close()",
    ),
    "azure-core, blocking (requests)": Start(
        "azure-core requests",
        "from azure.core import PipelineClient",
        "client = PipelineClient(BASE)",
        "from azure.core.rest import HttpRequest as Ask; "
        f"client.send_request(Ask('GET', BASE + {GET})).json(); client.close()",
    ),
    "elastic-transport (aiohttp)": Start(
        "elastic-transport aiohttp",
        "import elastic_transport as e",
        "client = e.AsyncTransport([e.NodeConfig('http', '127.0.0.1', int(BASE.split(':')[2]))])",
        f"await client.perform_request('GET', {GET}); await client.close()",
    ),
    "elastic-transport, blocking (urllib3)": Start(
        "elastic-transport",
        "import elastic_transport as e",
        "client = e.Transport([e.NodeConfig('http', '127.0.0.1', int(BASE.split(':')[2]))])",
        f"client.perform_request('GET', {GET}); client.close()",
    ),
    "google-api-core (aiohttp)": Start(
        "google-api-core google-auth[aiohttp]",
        "from google.api_core.retry import AsyncRetry; "
        "from google.auth.aio.transport.sessions import AsyncAuthorizedSession; "
        "from google.auth.aio.credentials import StaticCredentials",
        "client = AsyncAuthorizedSession(StaticCredentials(token='k'))",
        f"await (await client.request('GET', BASE + {GET})).read(); await client.close()",
    ),
    "botocore, blocking": Start(
        "botocore",
        "import botocore.session",
        "client = botocore.session.Session().create_client('dynamodb', endpoint_url=BASE, "
        "region_name='eu-central-1', aws_access_key_id='k', aws_secret_access_key='s')",
        "client.get_item(TableName='invoices', Key={'uid': {'S': UID}})",
    ),
}


def started(study: Study, base: str, uid: str, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Start all clients that are installed, in an order drawn anew for each round."""
    seen: dict[str, list[dict[str, float]]] = {}
    with ExitStack() as closing:
        only: dict[str, str] = {}
        for name, start in STARTS.items():
            try:
                only[name] = closing.enter_context(alone(start.needs))
            except PackageNotFoundError as problem:
                study.leave_out(name, problem)
        for turn in range(rounds + 1):
            for name in random.sample(sorted(only), len(only)):
                text = STARTS[name].program(blocking="blocking" in name)
                try:
                    found = fresh("-c", text, base, uid, only=only[name], timeout_s=60)
                except RuntimeError as problem:
                    if name.startswith("billingual"):
                        raise
                    study.leave_out(name, problem)
                    del only[name]
                    seen.pop(name, None)
                    continue
                if turn:  # the first one fills caches
                    seen.setdefault(name, []).append(found)
    return seen


def main() -> None:
    """Measure, show and keep."""
    options = arguments(__doc__, rounds=15)
    study = Study("imports", "How long until a fresh process has its first response?")
    study.settings |= {"rounds": options.rounds}
    uid, body = single()
    with serving(body=body) as base:
        seen = started(study, base, uid, options.rounds)
    steps = ("imported", "made", "first", "modules")
    middle = {
        name: {step: statistics.median(each[step] for each in turns) for step in steps}
        for name, turns in seen.items()
    }
    rows: list[list[Cell]] = [
        [name, *(middle[name][step] for step in steps[:3]), int(middle[name]["modules"])]
        for name in sorted(middle, key=lambda name: middle[name]["first"])
    ]
    heads = ["client", "imported ms", "client made ms", "first response ms", "modules"]
    study.table("milliseconds since the process began, one after another", heads, rows)
    study.goal("import billingual", middle[OURS]["imported"], 60.0, "ms")
    study.goal("import billingual, client made", middle[OURS]["made"], 100.0, "ms")
    for name, turns in seen.items():
        if not name.startswith(("billingual", "raw")):
            mine = seen[OURS_H11_BLOCKING if "blocking" in name else OURS_H11]
            # Within rounds: what else the machine does then slows both sides down.
            pairs = zip(mine, turns, strict=True)
            ratio = statistics.median(one["first"] / other["first"] for one, other in pairs)
            study.goal(f"first response over h11, beside {name}", ratio, 1.0)
    study.close(quick=options.quick)


if __name__ == "__main__":
    main()
