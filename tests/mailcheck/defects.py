"""Reads mails with Python's email package and prints what is wrong with each, as JSON."""

import email
import email.policy
import json
import sys


def defects(path):
    with open(path, "rb") as file:
        mail = email.message_from_bytes(file.read(), policy=email.policy.SMTP)
    found = []
    for part in mail.walk():
        if not part.is_multipart():
            # Decoding is what finds broken encodings.
            try:
                part.get_content()
            except (KeyError, LookupError, ValueError) as err:
                found.append(f"cannot be decoded: {err!r}")
        found += [repr(defect) for defect in part.defects]
        for name, value in part.items():
            found += [f"{name}: {defect!r}" for defect in value.defects]
    if mail.get_body(("plain",)) is None or mail.get_body(("html",)) is None:
        found.append("no text or no HTML to show")
    return found


json.dump({path: defects(path) for path in sys.argv[1:]}, sys.stdout)
