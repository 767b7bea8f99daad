# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The numeric tests on a GPU: a few worker processes share the cases; a broken one is replaced."""

import json
import os
import queue
import select
import subprocess
import sys
import threading
import time

from . import ROOT, pipelines

TIMEOUT = 90  # seconds for a case; the slowest takes two
PROGRESS = 10  # seconds between lines that say how far it is


class Worker:
    def __init__(self, folder):
        environment = os.environ | {"PYTHONPATH": str(ROOT / "python"), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "twilight_gpu.worker", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self.receive()

    def receive(self):
        """The next line as JSON; None where the process died or took too long."""
        ready, _, _ = select.select([self.process.stdout], [], [], TIMEOUT)
        line = self.process.stdout.readline() if ready else ""
        return json.loads(line) if line.strip() else None

    def ask(self, name):
        try:
            self.process.stdin.write(name + "\n")
            self.process.stdin.flush()
            return self.receive()
        except (BrokenPipeError, json.JSONDecodeError):
            return None

    def end(self):
        """The exit status, after ending it."""
        status = self.process.poll()
        if status is None:
            self.process.kill()
        self.process.wait()
        return status


def run_shard(folder, names, replies, make_worker):
    """Takes cases from the queue `names` until it is empty."""
    worker = None
    while True:
        try:
            name = names.get_nowait()
        except queue.Empty:
            break
        worker = worker or make_worker(folder)
        reply = worker.ask(name)
        if reply is None:
            status = worker.end()
            why = f"took more than {TIMEOUT} s" if status is None else f"the process ended with status {status}"
            reply = {"case": name, "verdict": "error", "message": why, "lost": True}
        replies.append(reply)
        if reply["lost"]:
            worker.end()
            worker = None
        if reply["verdict"] != "right":
            ops = f" ({', '.join(reply['ops'])})" if reply.get("ops") else ""
            print(f"  {reply['verdict']}: {name}{ops}: {reply['message'][:600]}", flush=True)
    if worker:
        worker.end()


def run(folder, workers=None, only="", make_worker=Worker):
    """{"right", "wrong", "error", "seconds", "failures", "kernels"}"""
    start, names, replies = time.time(), queue.Queue(), []
    chosen = [name for name in pipelines.numeric_cases() if only in name]
    for name in chosen:
        names.put(name)
    count = max(1, min(workers or min(8, os.cpu_count() or 1), len(chosen)))
    print(f"  {len(chosen)} cases in {count} processes", flush=True)
    threads = [threading.Thread(target=run_shard, args=(folder, names, replies, make_worker)) for _ in range(count)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        wait_for(threads, PROGRESS)
        print(f"  {len(replies)} of {len(chosen)}, {time.time() - start:.0f} s", flush=True)
    return summary(chosen, replies) | {"seconds": round(time.time() - start, 1)}


def wait_for(threads, seconds):
    end = time.time() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.time()))


def summary(chosen, replies):
    tally = {verdict: sum(r["verdict"] == verdict for r in replies) for verdict in ("right", "wrong", "error")}
    unanswered = sorted(set(chosen) - {r["case"] for r in replies})
    bad = sorted((r for r in replies if r["verdict"] != "right"), key=lambda r: r["case"])
    failures = [f"{r['case']}: {r['message']}" for r in bad] + [f"{name}: never ran" for name in unanswered]
    kernels = {k["name"] + "|" + r["case"]: k for r in replies for k in r.get("kernels", [])}
    local = sorted(f"{k['op']} in {key.split('|')[1]}: {k['local']} bytes" for key, k in kernels.items() if k["local"])
    return tally | {
        "cases": len(chosen),
        "runs": sum(r.get("runs", 0) for r in replies),
        "replayed": sum(bool(r.get("replayed")) for r in replies),
        "kernels": len(kernels),
        "most_registers": max((k["registers"] for k in kernels.values()), default=0),
        "local_memory": local,
        "failures": failures,
    }
