"""Mails as somebody would script them. Arguments: smtplib or aiosmtplib, host:port, a file with the mail,
how many, over how many sessions (aiosmtplib; smtplib has one)."""

import asyncio
import smtplib
import sys

HOW, ADDRESS, FILE, COUNT, SESSIONS = sys.argv[1:6]
HOST, PORT = ADDRESS.rsplit(":", 1)
FROM, TO = "reports@example.com", "reader@example.com"
with open(FILE, "rb") as file:
    MAIL = file.read()


def with_smtplib(count):
    with smtplib.SMTP(HOST, int(PORT)) as server:
        for _ in range(count):
            server.sendmail(FROM, [TO], MAIL)


async def with_aiosmtplib(count, sessions):
    import aiosmtplib

    async def session(some):
        server = aiosmtplib.SMTP(hostname=HOST, port=int(PORT), start_tls=False)
        await server.connect()
        for _ in range(some):
            await server.sendmail(FROM, [TO], MAIL)
        await server.quit()

    shares = [count // sessions + (n < count % sessions) for n in range(sessions)]
    await asyncio.gather(*(session(share) for share in shares))


if HOW == "smtplib":
    with_smtplib(int(COUNT))
else:
    asyncio.run(with_aiosmtplib(int(COUNT), int(SESSIONS)))
