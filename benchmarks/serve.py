"""`cfedge serve` under a closed loop of clients: answers a second, latency, and what HTTP costs
beside `Engine.predict`.

Server and clients have a core each where there are two; the engine alone is timed on the server's.
Each client keeps one connection and asks again as soon as it is answered, one text at a time.
Rounds are interleaved; the median round is quoted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import record
from latency import ten_tasks

from cfedge import Engine
from cfedge.bundle.files import write

_CLI = "from cfedge.cli import main; main()"
CLIENTS = (1, 2, 8, 32)
ROOT = Path(__file__).parents[1]


async def client(port: int, texts: list[str], until: float, times: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    row = 0
    while time.perf_counter() < until:
        body = json.dumps({"text": texts[row % len(texts)]}).encode()
        head = (
            "POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type:"
            f" application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        start = time.perf_counter()
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = next(
            line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:")
        ).split(b":")[1]
        await reader.readexactly(int(length))
        times.append(1e3 * (time.perf_counter() - start))
        assert answer.startswith(b"HTTP/1.1 200"), answer
        row += 1
    writer.close()
    await writer.wait_closed()


async def loop(port: int, clients: int, texts: list[str], seconds: float) -> dict[str, float]:
    times: list[float] = []
    start = time.perf_counter()
    await asyncio.gather(
        *[client(port, texts[one::clients], start + seconds, times) for one in range(clients)]
    )
    return {
        "answers_per_second": len(times) / (time.perf_counter() - start),
        **record.quantiles(times),
    }


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--bundle", type=Path, help="ten tasks that are there already")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    texts = [text for text, _ in record.clinc150()[0]["test"]]
    texts = [texts[row] for row in np.random.default_rng(0).permutation(len(texts))]
    with tempfile.TemporaryDirectory() as temporary:
        bundle = options.bundle
        if bundle is None:
            bundle = Path(temporary) / "bundle"
            write(ten_tasks(Path(temporary) / "ws"), bundle)
        os.sched_setaffinity(0, {cores[0]})  # the server inherits it
        engine = Engine.open(bundle)
        engine.warm_up()
        command = [
            sys.executable,
            "-c",
            _CLI,
            "serve",
            str(bundle),
            "--port",
            "0",
            "--workers",
            "1",
            "--json",
        ]
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        try:
            assert server.stdout is not None
            port = int(json.loads(server.stdout.readline())["url"].rsplit(":", 1)[1])
            rounds: dict[str, list[dict[str, float]]] = {
                "engine": [],
                **{f"{clients} clients": [] for clients in CLIENTS},
            }
            for _ in range(options.rounds):
                os.sched_setaffinity(0, {cores[0]})
                times = []
                until = time.perf_counter() + options.seconds
                while time.perf_counter() < until:
                    start = time.perf_counter()
                    engine.predict([texts[len(times) % len(texts)]])
                    times.append(1e3 * (time.perf_counter() - start))
                rounds["engine"].append(
                    {"answers_per_second": 1e3 * len(times) / sum(times), **record.quantiles(times)}
                )
                os.sched_setaffinity(0, {cores[-1]})
                for clients in CLIENTS:
                    before = cpu_seconds(server.pid)
                    found = asyncio.run(loop(port, clients, texts, options.seconds))
                    found["server_cpu_ms_per_answer"] = (
                        1e3 * (cpu_seconds(server.pid) - before) / found["n"]
                    )
                    rounds[f"{clients} clients"].append(found)
        finally:
            server.send_signal(signal.SIGTERM)
            ended = server.wait(30)
    assert ended == 0
    figures = {
        name: {key: float(np.median([one[key] for one in found])) for key in found[0]}
        for name, found in rounds.items()
    }
    for name, found in figures.items():
        print(name, found)
    record.write(
        "serve",
        {
            "unit": "ms",
            "rounds": options.rounds,
            "seconds": options.seconds,
            "workers": 1,
            **figures,
        },
        threads=1,
    )


if __name__ == "__main__":
    main()
