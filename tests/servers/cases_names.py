"""Names of mail servers that do not resolve, answer nobody, or come to mean another machine."""

import pathlib
import socket
import socketserver
import struct
import threading
import time

from rider import Rider
from servers import Sink

PERSON = "ann@example.com"
# A loopback address nobody else listens on; this script has its own view of the files below.
NAMESERVER = "127.0.0.77"
RESOLVER = f"nameserver {NAMESERVER}\noptions timeout:2 attempts:1\n"
HOST = "mail.postrider.test"
# Without TLS a name is allowed at port 25 alone.
MACHINE, PORT = "127.0.0.79", 25


class Names:
    """A name server that knows one name: its address, nothing (NXDOMAIN), or no answer at all."""

    def __init__(self):
        self.address, self.silent, self.asked = None, False, 0
        names = self

        class Query(socketserver.BaseRequestHandler):
            def handle(self):
                names.asked += 1
                if names.silent:
                    return
                data, reply_to = self.request
                reply_to.sendto(names.answer(data), self.client_address)

        self.server = socketserver.ThreadingUDPServer((NAMESERVER, 53), Query)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, query):
        end = query.index(b"\0", 12) + 5
        question, (kind,) = query[12:end], struct.unpack(">H", query[end - 4 : end - 2])
        records = b""
        if self.address and kind == 1:
            records = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(self.address)
        flags = 0x8180 if self.address else 0x8183
        return query[:2] + struct.pack(">HHHHH", flags, 1, bool(records), 0, 0) + question + records

    def __enter__(self):
        pathlib.Path("/etc/resolv.conf").write_text(RESOLVER)
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def until_there(place, root, prepare):
    """A name that does not work is a server that is down; once it does, the mail goes."""
    with Names() as names, Sink(place / "server", root, host=MACHINE, port=PORT) as server:
        prepare(names)
        with Rider(place / "rider", server.port, [PERSON], host=HOST) as daemon:
            begun = time.monotonic()
            outcome, said = daemon.wait_for_tries(PERSON, 1)[0]
            took = time.monotonic() - begun
            assert outcome == "server down" and names.asked, (outcome, said, names.asked)
            assert took < 45, f"{took:.0f} s for a name that is not answered"
            names.silent, names.address = False, MACHINE
            daemon.wait_for(delivered=1)
            row = daemon.outbox()[PERSON]
            assert row["attempts"] == 0 and server.stored() == [daemon.raw(PERSON)], row
            return f"{outcome} ({said}); {names.asked} questions"


def unknown(place, root):
    """The name is unknown (NXDOMAIN), then known: no attempt is counted, no restart is needed"""
    return until_there(place, root, lambda names: None)


def silent(place, root):
    """The name server is silent, then answers: no attempt is counted, no restart is needed"""

    def prepare(names):
        names.silent = True

    return until_there(place, root, prepare)


def moved(place, root):
    """The name means another machine from one attempt to the next: the new one is asked"""
    with Names() as names:
        # Nobody listens there.
        names.address = "127.0.0.78"
        with Sink(place / "server", root, host=MACHINE, port=PORT) as server:
            with Rider(place / "rider", server.port, [PERSON], host=HOST) as daemon:
                outcome, said = daemon.wait_for_tries(PERSON, 1)[0]
                assert outcome == "server down", (outcome, said)
                names.address = MACHINE
                daemon.wait_for(delivered=1)
                assert server.stored() == [daemon.raw(PERSON)]
    return said


CASES = [unknown, silent, moved]
