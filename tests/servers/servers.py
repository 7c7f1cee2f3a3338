"""The far sides: Postfix, Exim and smtp-sink, each in a folder of its own and on a port of its own."""

import os
import pathlib
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).parent
LOGIN = ("reports", "s3cret-of-the-test")
# Headers that a server puts before the mail as it came.
OWN_HEADERS = re.compile(
    rb"\A(?:(?:Return-Path|X-Original-To|Delivered-To|Received|Envelope-to|Delivery-date|"
    rb"X-Client-Addr|X-Client-Proto|X-Helo-Args|X-Mail-Args|X-Rcpt-Args):[^\n]*\n(?:[ \t][^\n]*\n)*)+"
)


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def wait_for_port(host, port, process, log=lambda: ""):
    for _ in range(200):
        if process is not None and process.poll() is not None:
            raise AssertionError(f"the server ended with {process.returncode}: {log()}")
        with socket.socket() as trying:
            if trying.connect_ex((host, port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}: {log()}")


def certificates(folder):
    """A certificate authority, and a server's certificate for 127.0.0.1 by it; the authority's PEM."""
    folder.mkdir()

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=authority of the test")
    openssl("req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=mx")
    (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
            "-CAcreateserial", "-extfile", "extensions", "-out", "server.pem")
    # Exim reads the key under its own account.
    (folder / "server.key").chmod(0o644)
    return (folder / "ca.pem").read_text()


def as_sent(stored):
    """A stored mail without what its server added before it, line ends as on the wire."""
    stored = OWN_HEADERS.sub(b"", stored.replace(b"\r\n", b"\n"))
    return stored.replace(b"\n", b"\r\n")


class Server:
    """What the servers have in common."""

    def __init__(self, folder, root):
        self.home = pathlib.Path(folder)
        self.home.mkdir()
        self.home.chmod(0o755)
        self.root = pathlib.Path(root)
        self.host, self.port = "127.0.0.1", free_port()
        self.process = None
        self.environment = dict(os.environ)

    def template(self, name, into, **more):
        text = (HERE / name).read_text()
        values = {"HOME": self.home, "ROOT": self.root, "PORT": self.port, **more}
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        into.write_text(text)

    def spawn(self, *command):
        with open(self.home / "process.log", "ab") as log:
            self.process = subprocess.Popen(
                list(map(str, command)), env=self.environment, cwd=self.home,
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )
        wait_for_port(self.host, self.port, self.process, self.log)

    def log(self):
        texts = [path.read_text(errors="replace") for path in sorted(self.home.glob("*log"))]
        return "\n".join(texts)[-4000:]

    def stop(self):
        if self.process is not None:
            # Its own session: itself and what it started.
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(timeout=20)
            self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stored(self):
        """The mails that lie in its folders, as they were sent."""
        found = sorted(self.home.glob("mail/**/new/*"))
        return [as_sent(path.read_bytes()) for path in found]

    def stored_whole(self):
        """The same with what the server wrote before them."""
        return [path.read_bytes() for path in sorted(self.home.glob("mail/**/new/*"))]

    def wait_for_stored(self, count):
        until = time.monotonic() + 30
        while len(self.stored()) < count and time.monotonic() < until:
            time.sleep(0.1)
        mails = self.stored()
        assert len(mails) == count, f"{len(mails)} mails lie there, not {count}\n{self.log()}"
        return mails


class Postfix(Server):
    """A real Postfix: STARTTLS, then a login by Cyrus SASL; a greylist by a policy service."""

    def __init__(self, folder, root, tls, greylist_s=None):
        super().__init__(folder, root)
        self.tls, self.greylist_s = tls, greylist_s

    def start(self):
        home, root = self.home, self.root
        for name in ["conf", "conf/sasl", "data", "mail", "queue"]:
            (home / name).mkdir()
        for name in ["data", "mail"]:
            shutil.chown(home / name, "postfix", "postfix")
        for name in ["active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
                     "incoming", "private", "saved", "trace", "maildrop", "public"]:
            (home / "queue" / name).mkdir()
            shutil.chown(home / "queue" / name, "postfix", "postfix")
        (home / "queue/pid").mkdir()
        greylist = ""
        if self.greylist_s is not None:
            greylist = f"check_policy_service inet:127.0.0.1:{greylisting(self.greylist_s)},"
        sasl = root / "usr/lib" / f"{os.uname().machine}-linux-gnu" / "sasl2"
        self.template("postfix/main.cf", home / "conf/main.cf", SASL=sasl,
                      TLS=self.tls, GREYLIST=greylist)
        self.template("postfix/master.cf", home / "conf/master.cf")
        (home / "conf/mailboxes").write_text("/^.+@example.com$/ all/\n")
        secrets = home / "conf/sasl/sasldb2"
        (home / "conf/sasl/smtpd.conf").write_text(
            f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\nsasldb_path: {secrets}\n"
        )
        subprocess.run(
            [root / "usr/sbin/saslpasswd2", "-p", "-c", "-f", secrets, "-u", "example.com", LOGIN[0]],
            input=f"{LOGIN[1]}\n".encode(), check=True, env=dict(self.environment, SASL_PATH=str(sasl)),
        )
        shutil.chown(secrets, "postfix", "postfix")
        self.spawn(root / "usr/lib/postfix/sbin/master", "-c", home / "conf", "-d")


def greylisting(after_s):
    """A policy service that takes a recipient only some seconds after it was first asked for; its port."""
    first = {}

    class Policy(socketserver.StreamRequestHandler):
        def handle(self):
            asked = {}
            for line in self.rfile:
                name, found, value = line.decode(errors="replace").strip().partition("=")
                if found:
                    asked[name] = value
                    continue
                to, now = asked.get("recipient", ""), time.monotonic()
                passes = now - first.setdefault(to, now) >= after_s
                answer = "dunno" if passes else "451 4.7.1 greylisted, come back later"
                self.wfile.write(f"action={answer}\n\n".encode())
                asked = {}

    service = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Policy)
    service.daemon_threads = True
    threading.Thread(target=service.serve_forever, daemon=True).start()
    return service.server_address[1]


AUTHENTICATORS = {
    "plain": """plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{@NAME@}}{eq{$auth3}{@PASSWORD@}}}}
  server_set_id = $auth2""",
    "login": """login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if and{{eq{$auth1}{@NAME@}}{eq{$auth2}{@PASSWORD@}}}}
  server_set_id = $auth1""",
}


class Exim(Server):
    """A real Exim: STARTTLS, a login by PLAIN or LOGIN; a greylist by its ACL."""

    def __init__(self, folder, root, tls, login="plain", greylist=False):
        super().__init__(folder, root)
        self.tls, self.login, self.greylist = tls, login, greylist

    def start(self):
        for name in ["spool", "mail"]:
            (self.home / name).mkdir()
            shutil.chown(self.home / name, "Debian-exim", "Debian-exim")
        authenticator = AUTHENTICATORS[self.login].replace("@NAME@", LOGIN[0])
        authenticator = authenticator.replace("@PASSWORD@", LOGIN[1])
        shutil.chown(self.home, "Debian-exim", "Debian-exim")
        self.template("exim/exim.conf", self.home / "exim.conf", TLS=self.tls,
                      GREYLIST="yes" if self.greylist else "no", AUTHENTICATOR=authenticator)
        self.spawn(self.root / "usr/sbin/exim4", "-C", self.home / "exim.conf", "-bdf")


class Sink(Server):
    """smtp-sink with options of one's own; each mail in a file."""

    def __init__(self, folder, root, *options, port=None, host=None):
        super().__init__(folder, root)
        self.options = options
        self.host, self.port = host or self.host, port or self.port

    def start(self):
        (self.home / "mail").mkdir(exist_ok=True)
        shutil.chown(self.home / "mail", "postfix", "postfix")
        self.spawn(self.root / "usr/sbin/smtp-sink", "-u", "postfix", "-d", "mail/%H%M%S.", *self.options,
                   f"{self.host}:{self.port}", "100")

    def stored(self):
        # It puts an empty line behind each mail.
        dumps = [path.read_bytes() for path in sorted(self.home.glob("mail/*"))]
        return [as_sent(dump.removesuffix(b"\n")) for dump in dumps]
