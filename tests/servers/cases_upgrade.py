"""Two builds on one state: the earlier one (POSTRIDER_OLD) owes, the later one sends."""

import hashlib
import os
import subprocess

from rider import Rider
from servers import Sink, free_port

PERSON = "ann@example.com"


def owed_by_the_earlier(place, root):
    """What an earlier build owes is sent by this one; the earlier one then refuses the state"""
    old, new = os.environ.get("POSTRIDER_OLD"), os.environ["POSTRIDER"]
    if not old:
        return "not done: POSTRIDER_OLD names no earlier build"
    port = free_port()
    daemon = Rider(place / "rider", port, [PERSON])
    try:
        os.environ["POSTRIDER"] = old
        daemon.start()
        daemon.wait_for_tries(PERSON, 1)
        raw = daemon.raw(PERSON)
        daemon.stop()
        os.environ["POSTRIDER"] = new
        with Sink(place / "server", root, port=port) as server:
            daemon.start(again=True)
            daemon.wait_for(delivered=1)
            daemon.stop()
            assert server.stored() == [raw], len(server.stored())
        before = fingerprints(daemon.folder / "state")
        os.environ["POSTRIDER"] = old
        refused = subprocess.run(
            daemon.command("run", "--clock", daemon.clock.argument()), env=daemon.environment(),
            capture_output=True, timeout=30, cwd=daemon.folder,
        )
        said = refused.stderr.decode(errors="replace").strip().replace("\n", " ")
        if refused.returncode == 0 or fingerprints(daemon.folder / "state") != before:
            raise AssertionError(f"the earlier build took the state: {refused.returncode} {said}")
        return f"sent once, byte for byte; the earlier build left with {refused.returncode}: {said[-200:]}"
    finally:
        os.environ["POSTRIDER"] = new


def fingerprints(folder):
    return hashlib.sha256((folder / "state.db").read_bytes()).hexdigest()


def two_at_once(place, root):
    """A second daemon on the same state refuses, names the first and disturbs nothing"""
    with Sink(place / "server", root) as server:
        with Rider(place / "rider", server.port, [PERSON]) as daemon:
            daemon.wait_for_log("postrider runs")
            second = subprocess.run(
                daemon.command("run", "--clock", daemon.clock.argument()), env=daemon.environment(),
                capture_output=True, timeout=30, cwd=daemon.folder,
            )
            said = second.stderr.decode(errors="replace").strip().replace("\n", " ")
            assert second.returncode != 0, said
            daemon.wait_for(delivered=1)
            assert server.stored() == [daemon.raw(PERSON)]
    return f"it left with {second.returncode}: {said[-200:]}"


CASES = [owed_by_the_earlier, two_at_once]
