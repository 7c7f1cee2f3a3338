"""What is on disk before a mail leaves, and what happens when the disk says no: by strace."""

import contextlib
import pathlib
import re
import sqlite3
import subprocess
import time

from rider import Rider
from servers import Sink

PERSON = "ann@example.com"


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


class DyingDisk:
    """While it lasts every sync of a running daemon fails, as on a disk that is about to go."""

    def __init__(self, daemon, trace):
        self.pid = daemon.daemon.pid
        self.command = ["strace", "-f", "-p", str(self.pid), "-o", str(trace),
                        "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"]

    def __enter__(self):
        self.strace = subprocess.Popen(self.command, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while not all(self.traced()):
            assert time.monotonic() < until and self.strace.poll() is None, "strace does not attach"
            time.sleep(0.02)

    def traced(self):
        for thread in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                yield "TracerPid:\t0\n" not in (thread / "status").read_text()

    def __exit__(self, *_):
        # It lets the daemon go and ends.
        self.strace.terminate()
        self.strace.wait()


def checked(daemon):
    with contextlib.closing(sqlite3.connect(daemon.folder / "state/state.db")) as state:
        said = state.execute("pragma integrity_check").fetchone()[0]
    assert said == "ok", said


def for_people(server):
    """What arrived, without what the owner is told past the outbox: that the state cannot be written."""
    return [raw for raw in server.stored() if b"\nTo: <owner@example.com>" not in raw]


def dies_before(place, root):
    """Syncs fail before the digest is due: nothing leaves; when the disk is well it goes, once"""
    with Sink(place / "server", root) as server:
        with Rider(place / "rider", server.port, [PERSON]) as daemon:
            daemon.wait_for_log("postrider runs")
            with DyingDisk(daemon, place / "trace"):
                # Its clock has gone on by eight minutes then: the digest is five minutes late.
                time.sleep(8)
                assert for_people(server) == [], "a mail left that nobody could have remembered"
                assert not daemon.outbox(), daemon.outbox()
            failures = (place / "trace").read_text().count("EIO")
            daemon.wait_for(delivered=1)
            raw, tries = daemon.raw(PERSON), [outcome for outcome, _ in daemon.tries(PERSON)]
            checked(daemon)
    assert for_people(server) == [raw] and tries == ["delivered"], (len(server.stored()), tries)
    return f"{failures} syncs failed, then 1 mail at attempt 1, without a restart"


def dies_between(place, root):
    """Syncs fail while a mail is being answered: the answer is not recorded until it can be, and kept"""
    with Sink(place / "server", root, "-W", ".:3") as server:
        with Rider(place / "rider", server.port, [PERSON]) as daemon:
            daemon.wait(lambda rows: rows[PERSON]["state"] == "sending", "on its way")
            with DyingDisk(daemon, place / "trace"):
                until = time.monotonic() + 20
                while not for_people(server) and time.monotonic() < until:
                    time.sleep(0.1)
                # The answer comes after three seconds.
                time.sleep(5)
                state = daemon.outbox()[PERSON]["state"]
                assert state != "delivered", "recorded on a disk that does not sync"
            failures = (place / "trace").read_text().count("EIO")
            daemon.wait_for(delivered=1)
            raw, tries = daemon.raw(PERSON), [outcome for outcome, _ in daemon.tries(PERSON)]
            checked(daemon)
    assert for_people(server) == [raw] and tries == ["delivered"], (len(server.stored()), tries)
    return f"{failures} syncs failed; delivered once, recorded when the disk was well"


CASES = [on_disk_first, dies_before, dies_between]
