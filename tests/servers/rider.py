"""The real postrider in a folder of its own: a small JSON source, one digest, a fast clock."""

import contextlib
import http.server
import json
import os
import pathlib
import subprocess
import threading
import time

RECORDS = [
    {"id": "1", "shop": "Köln", "at": "2026-11-22T09:00:00Z", "amount": 3},
    {"id": "2", "shop": "Bonn", "at": "2026-11-22T10:00:00Z", "amount": 5},
    {"id": "3", "shop": ". a dot begins it", "at": "2026-11-22T11:00:00Z", "amount": 7},
]
# Where the fast clock begins, in ms since 1970: three minutes before the digest is due.
START = 1795420620000  # 2026-11-23T07:57:00Z
PATIENCE_S = 40

CONFIG = """
[postrider]
timezone = "UTC"
owner = "owner@example.com"
state = "sqlite:state"

[smtp]
host = "{host}"
port = {port}
from = "Postrider <reports@example.com>"
{smtp}

[sources.shop]
kind = "rest"
base_url = "http://127.0.0.1:{source}"
pull_every = "1 min"

[datasets.orders]
source = "shop"
path = "/orders.json"
key = "id"
fields = {{ id = "text", shop = "text", at = "timestamp", amount = "integer" }}

[reports.orders]
title = "What was ordered?"
type = "orders"
period = "yesterday"
date = "orders.at"
group_by = ["orders.shop as Shop"]
columns = ["count() as Orders", "sum(orders.amount) as Amount"]
sort = "Amount desc"
total = true

[digests.daily]
subject = "Orders of yesterday, grüßend"
reports = ["orders"]
schedule = "0 8 * * *"
to = [{to}]
"""


class Clock:
    """The daemon's fast clock, which the source goes by too."""

    def __init__(self, speed):
        self.speed = speed
        self.begin()

    def begin(self):
        self.anchor = int(time.time() * 1000)

    def argument(self):
        return f"{self.anchor},{START},{self.speed}"

    def now_s(self):
        return (START + (time.time() * 1000 - self.anchor) * self.speed) / 1000


def source(clock):
    """Starts a source that answers every request with the records; its port."""

    class Source(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(RECORDS).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(body)

        def date_time_string(self, timestamp=None):
            return super().date_time_string(clock.now_s())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Source)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


class Rider:
    """One life of a postrider whose digest is due in three minutes of its clock."""

    def __init__(self, folder, port, to, smtp='tls = "none"', host="127.0.0.1", speed=60, files=(), wrap=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        for name, text in dict(files).items():
            (self.folder / name).write_text(text)
        people = ", ".join(f'"{person}"' for person in to)
        self.clock = Clock(speed)
        asked = source(self.clock)
        self.config = CONFIG.format(host=host, port=port, to=people, smtp=smtp, source=asked)
        (self.folder / "config.toml").write_text(self.config)
        self.wrap = list(wrap)
        self.daemon = None

    def command(self, *arguments):
        return [os.environ["POSTRIDER"], *arguments, "-c", str(self.folder / "config.toml")]

    def environment(self):
        return {"SMTP_PASSWORD": "s3cret-of-the-test", "PATH": os.environ["PATH"]}

    def start(self, again=False):
        """Starts the daemon; `again`: its clock goes on from where it was."""
        if not again:
            self.clock.begin()
        log = open(self.folder / "daemon.log", "ab")
        command = self.wrap + self.command("run", "--clock", self.clock.argument())
        self.daemon = subprocess.Popen(
            command, env=self.environment(), stdout=log, stderr=log, cwd=self.folder
        )
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """As a service manager does; it must end well."""
        if self.daemon is None:
            return
        self.daemon.terminate()
        code = self.daemon.wait(timeout=PATIENCE_S)
        self.daemon = None
        assert code == 0, f"the daemon left with {code}: {self.log()[-2000:]}"

    def kill(self):
        """SIGKILL: nothing of it runs when this returns."""
        self.daemon.kill()
        self.daemon.wait()
        self.daemon = None

    def wait_for_log(self, text):
        until = time.monotonic() + PATIENCE_S
        while text not in self.log():
            assert time.monotonic() < until and self.daemon.poll() is None, self.log()[-1500:]
            time.sleep(0.05)

    def log(self):
        return (self.folder / "daemon.log").read_text(errors="replace")

    def ask(self, *arguments, raw=False):
        done = subprocess.run(
            self.command(*arguments), env=self.environment(), capture_output=True, cwd=self.folder
        )
        assert done.returncode == 0, (arguments, done.stderr.decode(errors="replace"))
        return done.stdout if raw else done.stdout.decode()

    def outbox(self):
        """The digest's deliveries by recipient, notices to the owner left out."""
        if not (self.folder / "state").exists():
            return {}
        rows = json.loads(self.ask("outbox", "list", "--json"))
        return {row["to"]: row for row in rows if row["kind"] == "digest"}

    def tries(self, recipient):
        """The outcome of each attempt at one recipient, with what the far side said."""
        row = self.outbox()[recipient]
        shown = json.loads(self.ask("outbox", "show", str(row["id"]), "--json"))
        return [(one["outcome"], one["said"] or "") for one in shown["tries"]]

    def raw(self, recipient):
        """A message's bytes as postrider keeps them."""
        return self.ask("outbox", "show", str(self.outbox()[recipient]["id"]), "--raw", raw=True)

    def wait(self, there, what):
        """Waits until `there(outbox)`; the outbox then."""
        until = time.monotonic() + PATIENCE_S
        rows = {}
        while time.monotonic() < until:
            if self.daemon.poll() is not None:
                raise AssertionError(f"the daemon ended: {self.log()[-2000:]}")
            rows = self.outbox()
            if rows and there(rows):
                return rows
            time.sleep(0.1)
        states = {to: (row["state"], row["said"]) for to, row in rows.items()}
        raise AssertionError(f"not {what} in {PATIENCE_S} s: {states}\n{self.log()[-1500:]}")

    def wait_for(self, **states):
        """Waits until as many digest mails are in these states, e.g. `delivered=3`."""

        def there(rows):
            found = [row["state"] for row in rows.values()]
            return all(found.count(state) == count for state, count in states.items())

        return self.wait(there, states)

    def wait_for_tries(self, recipient, count):
        """Waits until so many attempts at a recipient have ended; their outcomes."""

        def there(rows):
            tries = self.tries(recipient) if recipient in rows else []
            return len([one for one in tries if one[0]]) >= count

        self.wait(there, f"{count} attempts at {recipient}")
        return self.tries(recipient)
