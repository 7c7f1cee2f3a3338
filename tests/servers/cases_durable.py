"""What is on disk before a mail leaves, and what happens when the disk says no: by strace."""

import concurrent.futures
import os
import re
import shutil
import signal
import subprocess

from rider import Rider
from servers import Sink

PERSON = "ann@example.com"
# Syncs of the state file's log that are made to fail: from the first, the second, ... on.
SYNCS = range(1, 13)


def traced(trace, *more):
    # -D: the daemon stays our child, so that signals reach it.
    return ["strace", "-D", "-f", "-yy", "-s", "20000", "-o", str(trace), *more]


def calls(trace):
    """Completed calls in order of completion: name, arguments, result."""
    begun, found = {}, []
    for line in trace.read_text(errors="replace").splitlines():
        pid, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            begun[pid] = rest[: -len("<unfinished ...>")]
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", rest)
        if resumed:
            rest = begun.pop(pid, "") + resumed.group(1)
        call = re.match(r"(\w+)\((.*)\)\s+=\s+(-?\d+)", rest)
        if call:
            found.append((call.group(1), call.group(2), int(call.group(3))))
    return found


def on_disk_first(place, root):
    """A message and that an attempt at it begins are synced to disk before its first byte leaves"""
    trace = place / "trace"
    names = "trace=fsync,fdatasync,pwrite64,sendto,write,writev,recvfrom,read"
    with Sink(place / "server", root) as server:
        with Rider(place / "rider", server.port, [PERSON], speed=30, wrap=traced(trace, "-e", names)) as daemon:
            daemon.wait_for(delivered=1)
            message_id = daemon.outbox()[PERSON]["message_id"]
    owed = dirty = synced = sent_after = 0
    answered = recorded = False
    for name, arguments, result in calls(trace):
        log = "state.db-wal>" in arguments
        if name == "pwrite64" and log and message_id in arguments:
            owed, dirty = owed + 1, dirty + 1
            recorded = answered
        elif name in ("fsync", "fdatasync") and log and result == 0:
            synced, dirty = synced + 1, 0
        elif name in ("sendto", "write", "writev") and "TCP:" in arguments and message_id in arguments:
            assert owed >= 2, "it left before it was owed and marked as being sent"
            assert dirty == 0, "it left while its row was not yet on disk"
            sent_after = synced
        elif name in ("recvfrom", "read") and "TCP:" in arguments and '"250 2.0.0' in arguments and sent_after:
            answered = True
    assert sent_after, "the message was not seen to leave"
    assert answered and recorded and dirty == 0, "its delivery was not written to disk"
    return f"{sent_after} syncs before it left, {synced} in all"


def dying_disk(place, root):
    """The disk fails from the n-th sync on: nothing leaves unrecorded, and nothing is lost"""

    def one(number):
        home = place / str(number)
        home.mkdir()
        fault = f"inject=fsync,fdatasync:error=EIO:when={number}+"
        with Sink(home / "server", root) as server:
            daemon = Rider(home / "rider", server.port, [PERSON])
            # The first start makes the files; what fails is a daemon that runs.
            daemon.start()
            daemon.stop()
            daemon.wrap = traced(home / "trace", "-e", "trace=fsync,fdatasync", "-e", fault)
            daemon.start()
            ended = wait_or_kill(daemon, 8)
            then = len(server.stored())
            kept = len(re.findall(r'outcome="delivered"', daemon.log()))
            shutil.rmtree(home / "nothing", ignore_errors=True)
            daemon.wrap, daemon.daemon = [], None
            begun_again = daemon.clock.begin
            daemon.clock.begin = lambda: None
            daemon.start()
            daemon.clock.begin = begun_again
            daemon.wait_for(delivered=1)
            raw, tries = daemon.raw(PERSON), [outcome for outcome, _ in daemon.tries(PERSON)]
            daemon.stop()
            mails = [mail for mail in server.stored() if mail.count(b"Orders") and mail == raw]
        assert 1 <= len(mails) <= 2, f"from sync {number} on: {len(mails)} copies"
        assert len(mails) == 1 or "uncertain" in tries, f"from sync {number} on: {tries}"
        check = subprocess.run(
            ["python3", "-c", "import sqlite3,sys; print(sqlite3.connect(sys.argv[1]).execute('pragma integrity_check').fetchone()[0])",
             str(home / "rider/state/state.db")], capture_output=True, text=True, check=True).stdout.strip()
        assert check == "ok", f"from sync {number} on: {check}"
        return f"{number}: {ended}, {then} left then, {len(mails)} in all"

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        return "; ".join(pool.map(one, SYNCS))


def wait_or_kill(daemon, seconds):
    """How a daemon on a dying disk fares: it ends by itself, or it is killed after a while."""
    try:
        code = daemon.daemon.wait(timeout=seconds)
        return f"left with {code}"
    except subprocess.TimeoutExpired:
        os.kill(daemon.daemon.pid, signal.SIGKILL)
        daemon.daemon.wait()
        return "ran on"


CASES = [on_disk_first, dying_disk]
