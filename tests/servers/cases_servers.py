"""What Postfix and Exim make of postrider's mails."""

from rider import Rider
from servers import Exim, Postfix, certificates

PEOPLE = ["ann@example.com", "ben@example.com"]
FAR_AWAY = "jürgen@example.com"
SECURE = 'tls = "starttls"\nca = "file:ca.pem"\nusername = "reports"\npassword = "env:SMTP_PASSWORD"'


def rider(place, server, ca, to=PEOPLE, smtp=SECURE, **more):
    return Rider(place / "rider", server.port, to, smtp, files={"ca.pem": ca}, **more)


def same_bytes(server, daemon, people):
    """What lies at the server is what the outbox holds, byte for byte; each once."""
    kept = sorted(daemon.raw(person) for person in people)
    stored = sorted(server.wait_for_stored(len(people)))
    assert stored == kept, "what arrived is not what was kept:\n" + difference(kept, stored)
    return sum(map(len, kept))


def difference(kept, stored):
    for one, other in zip(kept, stored):
        for number, (a, b) in enumerate(zip(one.split(b"\n"), other.split(b"\n"))):
            if a != b:
                return f"line {number + 1}: kept {a!r}, stored {b!r}"
    return "one is longer"


def carries(server_of):
    def case(place, root):
        ca = certificates(place / "tls")
        with server_of(place / "server", root, place / "tls") as server:
            people = [*PEOPLE, FAR_AWAY]
            with rider(place, server, ca, people) as daemon:
                daemon.wait_for(delivered=3)
                size = same_bytes(server, daemon, people)
                words = {daemon.tries(person)[0][1] for person in people}
            whole = b"".join(server.stored_whole()).decode(errors="replace")
            kinds = sorted({kind for kind in ("ESMTPSA", "UTF8SMTPSA", "esmtpsa", "utf8esmtpsa")
                            if f"with {kind}" in whole})
            assert kinds, f"not by TLS and login: {whole[:600]}"
            return f"3 mails, {size} bytes, with {' and '.join(kinds)}; it said `{words.pop()}`"
    return case


def greylists(server_of):
    def case(place, root):
        ca = certificates(place / "tls")
        with server_of(place / "server", root, place / "tls") as server:
            with rider(place, server, ca) as daemon:
                daemon.wait_for(delivered=2)
                same_bytes(server, daemon, PEOPLE)
                tries = [daemon.tries(person) for person in PEOPLE]
            deferred = [one for one in tries if len(one) > 1]
            assert deferred, f"nobody was greylisted: {tries}"
            for one in deferred:
                outcomes = [outcome for outcome, _ in one]
                assert set(outcomes[:-1]) == {"retry"} and outcomes[-1] == "delivered", outcomes
                assert "451" in one[0][1] and "greylisted" in one[0][1], one
            return f"{len(deferred)} of 2 deferred, delivered at attempt {max(map(len, tries))}"
    return case


def wrong_password(place, root):
    """Postfix refuses the login: the receiver rests, no attempt is counted, no mail goes"""
    ca = certificates(place / "tls")
    with Postfix(place / "server", root, place / "tls") as server:
        smtp = SECURE.replace("env:SMTP_PASSWORD", "file:wrong")
        daemon = Rider(place / "rider", server.port, PEOPLE, smtp, files={"ca.pem": ca, "wrong": "no"})
        with daemon:
            daemon.wait(lambda rows: any(row["said"] for row in rows.values()), "refused")
            rows = daemon.outbox()
            tries = [one for person in PEOPLE for one in daemon.tries(person)]
        assert {row["state"] for row in rows.values()} == {"pending"}, rows
        assert sum(row["attempts"] for row in rows.values()) == 0, rows
        assert {outcome for outcome, _ in tries} == {"receiver broken"}, tries
        assert server.stored() == []
        return tries[0][1]


def stranger(place, root):
    """A certificate by somebody else: nothing is said to such a server"""
    certificates(place / "tls")
    other = certificates(place / "other")
    with Postfix(place / "server", root, place / "tls") as server:
        with rider(place, server, other) as daemon:
            daemon.wait(lambda rows: any(row["said"] for row in rows.values()), "refused")
            tries = [one for person in PEOPLE for one in daemon.tries(person)]
        assert {outcome for outcome, _ in tries} == {"receiver broken"}, tries
        assert server.stored() == [] and "sasl_username" not in server.log()
        return tries[0][1]


def unknown_person(place, root):
    """One address that Postfix does not serve is refused; the others get theirs"""
    ca = certificates(place / "tls")
    with Postfix(place / "server", root, place / "tls") as server:
        people = [*PEOPLE, "nobody@example.com"]
        (server.home / "conf/mailboxes").write_text("/^(ann|ben|owner)@example.com$/ all/\n")
        with rider(place, server, ca, people) as daemon:
            daemon.wait_for(delivered=2, rejected=1)
            outcome, said = daemon.tries("nobody@example.com")[0]
            assert outcome == "rejected" and "550 5.1.1" in said, (outcome, said)
            return said


def exim_by_login(folder, root, tls):
    return Exim(folder, root, tls, login="login")


def named(name, case):
    case.__doc__ = name
    return case


CARRIES = "STARTTLS, login and an international address: mails lie there byte for byte"
POSTFIX = [
    named(CARRIES, carries(Postfix)),
    named("a greylist of 5 s is passed", greylists(lambda *a: Postfix(*a, greylist_s=5))),
    wrong_password,
    stranger,
    unknown_person,
]
EXIM = [
    named(CARRIES + " (AUTH PLAIN)", carries(Exim)),
    named(CARRIES + " (AUTH LOGIN)", carries(exim_by_login)),
    named("its greylist is passed", greylists(lambda *a: Exim(*a, greylist=True))),
]
