"""Sends alerts and a digest by the real postrider to consumers that others have written.

- Standard Webhooks: verified by the reference libraries (v1) and by OpenSSL (v1a), rotation and
  forgeries included.
- Alertmanager's webhooks, version 4: what a real Alertmanager sends is held beside what postrider
  sends, member by member; a relay that reads them (Go's own struct) passes them on to IRC.
- Alertmanager itself takes postrider's alerts.
"""

import argparse
import base64
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

PATIENCE = 180  # seconds; nothing here takes longer
NEW, OLD = ("whsec_" + base64.b64encode(os.urandom(32)).decode() for _ in range(2))
PAIR = Ed25519PrivateKey.generate()
SEED = "whsk_" + base64.b64encode(PAIR.private_bytes_raw()).decode()

CONFIG = """
[postrider]
timezone = "UTC"
state = "sqlite:state"

[sources.desk]
kind = "rest"
base_url = "{here}"
pull_every = "1 min"

[datasets.tickets]
source = "desk"
path = "/tickets"
key = "id"
fields = {{ id = "text", status = "text", team = "text" }}

[report_types.tickets]
from = "tickets"

[reports.open-tickets]
title = "How many tickets are open?"
type = "tickets"
group_by = ["tickets.team as Team"]
columns = ["count() as Tickets"]

[digests.now]
reports = ["open-tickets"]
schedule = "0 0 1 1 *"
to = ["standard"]

[rules.waiting]
title = "Tickets wait"
type = "tickets"
where = "tickets.status = 'open'"
group_by = ["tickets.team as Team"]
value = "count()"
every = "1 min"
levels = [["warning", "> 0"], ["critical", "> 100"]]
labels = {{ service = "desk" }}

[[routes]]
to = [{receivers}]

[receivers.standard]
kind = "webhook"
url = "env:STANDARD_URL"
secrets = ["env:NEW", "env:OLD", "env:PAIR"]

[receivers.version4]
kind = "webhook"
url = "env:VERSION4_URL"
secrets = ["env:NEW"]
shape = "alertmanager"
"""

# Data and Alert of Alertmanager's template package, and what its webhook adds: member, type.
TEXT, PAIRS = "text", "pairs"
DATA = {
    "receiver": TEXT, "status": TEXT, "alerts": "alerts", "groupLabels": PAIRS,
    "commonLabels": PAIRS, "commonAnnotations": PAIRS, "externalURL": TEXT, "version": TEXT,
    "groupKey": TEXT, "truncatedAlerts": "count",
}
ALERT = {
    "status": TEXT, "labels": PAIRS, "annotations": PAIRS, "startsAt": "instant",
    "endsAt": "instant", "generatorURL": TEXT, "fingerprint": TEXT,
}


class Far(http.server.BaseHTTPRequestHandler):
    """The source, and the consumers that only keep what they get."""

    caught: dict = {}
    lock = threading.Lock()
    protocol_version = "HTTP/1.1"

    def answer(self, body=b""):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        teams = ["Billing", "Ümläut & <b>", "Shipping"]
        rows = [{"id": str(n), "status": "open", "team": team} for n, team in enumerate(teams)]
        self.answer(json.dumps(rows).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.lock:
            self.caught.setdefault(self.path, []).append((headers, body))
        self.answer()

    def log_message(self, *_):
        pass

    @classmethod
    def at(cls, path):
        with cls.lock:
            return list(cls.caught.get(path, []))


class Irc(threading.Thread):
    """As much of an IRC server as a relay needs; keeps what is said in the channel."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.said = []
        self.joined = threading.Event()

    def told(self):
        return [words for words in self.said if words.startswith("#desk ")]

    def run(self):
        while True:
            stream, _ = self.listener.accept()
            nick = "relay"
            for line in stream.makefile("r", encoding="utf-8", errors="replace"):
                word, _, rest = line.strip().partition(" ")
                answers = []
                if word == "NICK":
                    nick = rest
                elif word == "USER":
                    answers = [f":irc 001 {nick} :hello", f":irc 376 {nick} :no motto"]
                elif word == "PING":
                    answers = [f":irc PONG irc {rest}"]
                elif word == "JOIN":
                    answers = [f":{nick}!r@irc JOIN {rest}", f":irc 366 {nick} {rest} :all"]
                    self.joined.set()
                elif word in ("PRIVMSG", "NOTICE"):
                    self.said.append(rest)
                for answer in answers:
                    stream.sendall((answer + "\r\n").encode())


def wait(what, ready):
    """Waits until something is there."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = ready()
        if found:
            return found
        time.sleep(0.2)
    sys.exit(f"{what}: not within {PATIENCE} s")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def refused(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return
    sys.exit("the reference library took a forged webhook")


def standard(caught):
    """Every webhook by both shared secrets and by the key pair; no forgery by any."""
    kinds = set()
    for headers, body in caught:
        for secret in (NEW, OLD):
            Webhook(secret).verify(body, headers)
        identity, stamp = headers["webhook-id"], headers["webhook-timestamp"]
        assert "." not in identity, identity
        signatures = headers["webhook-signature"].split(" ")
        versions = [signature.split(",")[0] for signature in signatures]
        assert versions == ["v1", "v1", "v1a"], versions
        made = base64.b64decode(signatures[2].split(",")[1], validate=True)
        content = f"{identity}.{stamp}.".encode() + body
        PAIR.public_key().verify(made, content)
        for forged in (content + b" ", content.replace(stamp.encode(), b"1", 1)):
            try:
                PAIR.public_key().verify(made, forged)
                sys.exit("OpenSSL took a forged webhook")
            except InvalidSignature:
                pass
        refused(NEW, body + b" ", headers)
        refused(NEW, body, headers | {"webhook-id": "msg_other"})
        refused(NEW, body, headers | {"webhook-timestamp": str(int(stamp) - 3600)})
        refused("whsec_" + base64.b64encode(os.urandom(32)).decode(), body, headers)
        payload = json.loads(body)
        assert re.fullmatch(r"[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)*", payload["type"]), payload["type"]
        datetime.fromisoformat(payload["timestamp"])
        assert isinstance(payload["data"], dict)
        kinds.add(payload["type"])
    return kinds


def fits(value, kind, where):
    """Whether a value is what Go's decoder takes for a member, strictly."""
    if kind == PAIRS:
        right = isinstance(value, dict) and all(
            isinstance(name, str) and isinstance(text, str) for name, text in value.items()
        )
    elif kind == "count":
        right = isinstance(value, int) and not isinstance(value, bool) and 0 <= value
    elif kind == "instant":
        right = isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    elif kind == "alerts":
        right = isinstance(value, list) and value
        for alert in value:
            whole(alert, ALERT, "an alert")
            assert alert["status"] in ("firing", "resolved"), alert
            assert re.fullmatch("[0-9a-f]{16}", alert["fingerprint"]), alert
            assert "alertname" in alert["labels"], alert
    else:
        right = isinstance(value, str)
    assert right, f"{where} is not {kind}: {value!r}"


def whole(thing, members, where):
    """Exactly these members, each of its type."""
    assert set(thing) == set(members), f"{where} has {sorted(thing)}"
    for name, kind in members.items():
        fits(thing[name], kind, f"{name} of {where}")


def version4(caught, whose):
    states = set()
    for headers, body in caught:
        assert headers["content-type"] == "application/json", headers
        payload = json.loads(body)
        whole(payload, DATA, f"what {whose} sends")
        assert payload["version"] == "4", payload
        firing = any(alert["status"] == "firing" for alert in payload["alerts"])
        assert payload["status"] == ("firing" if firing else "resolved"), payload
        for name in ("Labels", "Annotations"):
            common = set.intersection(
                *(set(alert[name.lower()].items()) for alert in payload["alerts"])
            )
            told = set(payload["common" + name].items())
            # Ours has the subject of the whole as an annotation besides.
            assert common == {pair for pair in told if pair[0] != "subject"}, payload
        assert set(payload["groupLabels"].items()) <= set(payload["commonLabels"].items()), payload
        states.add(payload["status"])
    return states


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--postrider", required=True)
    for peer in ("node", "alertmanager", "relay"):
        arguments.add_argument(f"--{peer}")
    given = arguments.parse_args()
    started = time.monotonic()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Far)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}"
    folder = Path(tempfile.mkdtemp(prefix="webhooks"))
    running = []
    try:
        check(given, here, folder, running)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
        server.shutdown()
        subprocess.run(["rm", "-rf", folder], check=True)
    print(f"webhooks: all verified in {time.monotonic() - started:.0f} s")


def check(given, here, folder, running):
    receivers, more = ["standard", "version4"], ""
    variables = {
        "NEW": NEW, "OLD": OLD, "PAIR": SEED,
        "STANDARD_URL": f"{here}/standard", "VERSION4_URL": f"{here}/version4",
    }
    log = (folder / "log").open("w")
    if given.alertmanager:
        port = free_port()
        (folder / "alertmanager.yml").write_text(
            "route: {receiver: back, group_wait: 100ms, group_by: [alertname]}\n"
            f"receivers: [{{name: back, webhook_configs: [{{url: '{here}/back'}}]}}]\n"
        )
        running.append(subprocess.Popen(
            [given.alertmanager, f"--config.file={folder}/alertmanager.yml",
             f"--storage.path={folder}/alertmanager", "--cluster.listen-address=",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log))
        variables["ALERTMANAGER_URL"] = alertmanager = f"http://127.0.0.1:{port}"
        receivers.append("alertmanager")
        more += '[receivers.alertmanager]\nkind = "alertmanager"\nurl = "env:ALERTMANAGER_URL"\n'
        wait("Alertmanager", lambda: answers(f"{alertmanager}/-/ready"))
    if given.relay:
        irc, port = Irc(), free_port()
        irc.start()
        (folder / "relay.yml").write_text(
            f"http_host: 127.0.0.1\nhttp_port: {port}\nirc_host: 127.0.0.1\n"
            f"irc_port: {irc.port}\nirc_use_ssl: no\nirc_nickname: relay\n"
            "irc_channels:\n  - name: '#desk'\nmsg_once_per_alert_group: no\n"
            'msg_template: "{{.Status}} {{.Labels.alertname}} {{.Labels.team}} from {{.StartsAt}}"\n'
        )
        running.append(subprocess.Popen(
            [given.relay, "--config", f"{folder}/relay.yml"], stdout=log, stderr=log))
        variables["RELAY_URL"] = f"http://127.0.0.1:{port}/desk"
        receivers.append("relay")
        more += ('[receivers.relay]\nkind = "webhook"\nurl = "env:RELAY_URL"\n'
                 'secrets = ["env:NEW"]\nshape = "alertmanager"\n')
        wait("the relay", irc.joined.is_set)
        wait("the relay's port", lambda: listens(port))
    names = ", ".join(f'"{name}"' for name in receivers)
    (folder / "config.toml").write_text(CONFIG.format(here=here, receivers=names) + more)

    def postrider(*words, **options):
        return subprocess.run([given.postrider, *words, "-c", f"{folder}/config.toml"],
                              env=variables, cwd=folder, capture_output=True, text=True, **options)

    for words in (["check"], *(["receiver", "test", name] for name in receivers)):
        done = postrider(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    daemon = subprocess.Popen([given.postrider, "run", "-c", f"{folder}/config.toml"],
                              env=variables, cwd=folder, stdout=log, stderr=log)
    running.append(daemon)
    # Two by the tests by hand, then three teams' alerts by the daemon.
    wait("the daemon's alerts", lambda: 5 <= len(Far.at("/standard")))
    wait("the daemon's alerts (version 4)", lambda: 5 <= len(Far.at("/version4")))
    done = postrider("send", "now")
    assert done.returncode == 0, f"send: {done.stdout}{done.stderr}"
    wait("the digest", lambda: 6 <= len(Far.at("/standard")))

    caught = Far.at("/standard")
    kinds = standard(caught)
    wanted = {"incident.fired", "incident.resolved"}
    assert wanted < kinds and any("digest" in kind for kind in kinds), kinds
    print(f"webhooks: {len(caught)} ({', '.join(sorted(kinds))}): v1 by two secrets verified by "
          "standardwebhooks for Python, v1a by OpenSSL, 6 forgeries of each refused")
    if given.node:
        lines = folder / "caught"
        lines.write_text("".join(
            json.dumps({"headers": headers, "body": body.decode()}) + "\n"
            for headers, body in caught))
        done = subprocess.run(["node", Path(__file__).with_name("verify.mjs").resolve(), lines,
                               NEW, OLD], cwd=given.node, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        print(f"webhooks: standardwebhooks for JavaScript: {done.stdout.strip()}")
    ours = Far.at("/version4")
    assert version4(ours, "postrider") == {"firing", "resolved"}
    print(f"webhooks: {len(ours)} of Alertmanager's shape, every member of its Go type")
    if given.alertmanager:
        back = wait("Alertmanager's own webhooks", lambda: Far.at("/back"))
        version4(back, "Alertmanager")
        with urllib.request.urlopen(f"{alertmanager}/api/v2/alerts") as answer:
            held = json.load(answer)
        teams = {alert["labels"].get("team") for alert in held}
        assert {"Billing", "Ümläut & <b>", "Shipping"} <= teams, teams
        print(f"webhooks: a real Alertmanager holds {len(held)} of ours, and sends the same shape")
    if given.relay:
        said = wait("the relay's words", lambda: 5 <= len(irc.told()) and irc.told())
        words = "\n".join(said)
        for team in ("Billing", "Ümläut & <b>", "Shipping"):
            assert re.search(f"firing .*{re.escape(team)} from 20", words), words
        print(f"webhooks: a relay read {len(said)} alerts and said them on IRC")


def answers(url):
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status == 200
    except OSError:
        return False


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False


main()
