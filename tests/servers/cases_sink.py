"""What postrider makes of a mail server that misbehaves: Postfix's smtp-sink, told to."""

import concurrent.futures

from cases_servers import difference
from rider import Rider
from servers import Sink

PERSON = "ann@example.com"
# Commands that are broken at a time; each has a server and a postrider of its own.
AT_ONCE = 3


def broken_then_mended(place, root, option, command, expected, in_the_end, copies):
    """One attempt at a server that does something wrong, then a server that does not.

    `expected` is how the first attempt must end, `in_the_end` the message's state at last, `copies`
    how many of it the servers have then.
    """
    bad = Sink(place / "bad", root, option, command)
    with Rider(place / "rider", bad.port, [PERSON]) as daemon:
        with bad:
            outcome, said = daemon.wait_for_tries(PERSON, 1)[0]
        assert outcome == expected, f"{option} {command}: {outcome} ({said}), not {expected}"
        good = Sink(place / "good", root, port=bad.port)
        with good:
            daemon.wait_for(**{in_the_end: 1})
        raw, row, tries = daemon.raw(PERSON), daemon.outbox()[PERSON], daemon.tries(PERSON)
    stored = [mail for mail in bad.stored() + good.stored() if same_id(mail, raw)]
    for mail in stored:
        assert mail == raw, f"{option} {command}: {difference([raw], [mail])}"
    low, high = copies
    assert low <= len(stored) <= high, f"{option} {command}: {len(stored)} copies, not {copies}"
    if expected in ("server down", "receiver broken"):
        counted = [one for one, _ in tries if one in ("retry", "uncertain")]
        assert row["attempts"] == len(counted), f"{option} {command}: counted {row['attempts']}"
    return f"{command}: {outcome}, then {in_the_end}, {len(stored)} there"


def same_id(mail, raw):
    return message_id(mail) == message_id(raw)


def message_id(mail):
    lines = mail.split(b"\r\n\r\n")[0].split(b"\r\n")
    return next((line for line in lines if line.lower().startswith(b"message-id:")), None)


def sweep(option, table):
    def case(place, root):
        def one(index_and_row):
            index, (command, expected, in_the_end, copies) = index_and_row
            folder = place / str(index)
            folder.mkdir()
            return broken_then_mended(folder, root, option, command, expected, in_the_end, copies)

        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            return "; ".join(pool.map(one, enumerate(table)))
    return case


def slow(place, root):
    """-W: a server that takes its time gets the mail once, at the first attempt"""
    # -p: it offers no PIPELINING. With it, smtp-sink answers what came behind a delayed command first.
    with Sink(place / "server", root, "-p", "-W", "rcpt:2", "-W", ".:4") as server:
        with Rider(place / "rider", server.port, [PERSON]) as daemon:
            daemon.wait_for(delivered=1)
            tries, raw = daemon.tries(PERSON), daemon.raw(PERSON)
    assert [outcome for outcome, _ in tries] == ["delivered"], tries
    assert server.stored() == [raw], len(server.stored())
    return f"{len(tries)} attempt"


def named(name, case):
    case.__doc__ = name
    return case


ONCE, NEVER, MAYBE_TWICE = (1, 1), (0, 0), (1, 2)
CASES = [
    named("-q: it hangs up without an answer", sweep("-q", [
        ("ehlo", "server down", "delivered", ONCE),
        ("mail", "server down", "delivered", ONCE),
        ("rcpt", "server down", "delivered", ONCE),
        ("data", "server down", "delivered", ONCE),
        (".", "uncertain", "delivered", MAYBE_TWICE),
    ])),
    named("-Q: it says 421 and hangs up", sweep("-Q", [
        ("ehlo", "server down", "delivered", ONCE),
        ("mail", "server down", "delivered", ONCE),
        ("rcpt", "server down", "delivered", ONCE),
        ("data", "server down", "delivered", ONCE),
        (".", "server down", "delivered", MAYBE_TWICE),
    ])),
    named("-r: it refuses for now (4xx)", sweep("-r", [
        ("ehlo", "server down", "delivered", ONCE),
        ("mail", "retry", "delivered", ONCE),
        ("rcpt", "retry", "delivered", ONCE),
        ("data", "retry", "delivered", ONCE),
        (".", "retry", "delivered", MAYBE_TWICE),
    ])),
    named("-f: it refuses for good (5xx)", sweep("-f", [
        ("ehlo", "receiver broken", "delivered", ONCE),
        ("mail", "receiver broken", "delivered", ONCE),
        ("rcpt", "rejected", "rejected", NEVER),
        ("data", "rejected", "rejected", NEVER),
        (".", "rejected", "rejected", (0, 1)),
    ])),
    slow,
]
