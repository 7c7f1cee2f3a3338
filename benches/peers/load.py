"""The first load as somebody would script it: simple-salesforce reads, pandas shapes, SQLite keeps.
Arguments: the org's address, REST or Bulk, consumer key and secret, the database to make. The last
line printed says what it cost."""

import glob
import json
import resource
import sqlite3
import sys
import tempfile
import time

import pandas as pd
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce

AUDIT = ["CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp", "IsDeleted"]
FIELDS = {
    "MessagingSession": [
        "Id", "Name", "Status", "MessagingChannelId", "MessagingEndUserId", "StartTime", "AcceptTime",
        "EndTime", "EndedByType", "AgentType", "Origin", "ChannelType", "ChannelName", "ChannelKey",
        "ChannelLocale", "EndUserLanguage", "EndUserAccountId", "EndUserContactId", "CaseId", "LeadId",
        "OpportunityId", "ConversationId", "SessionKey", "OwnerId", "TargetUserId", *AUDIT,
    ],
    "MessagingSessionMetrics": [
        "Id", "Name", "MessagingSessionId", "MessagingSessionMetricType", "MessagingSessionMetricValue",
        *AUDIT,
    ],
}
TIMES = {"StartTime", "AcceptTime", "EndTime", "CreatedDate", "LastModifiedDate", "SystemModstamp"}
CHUNK = 50_000


class Plain(HTTPAdapter):
    """The library knows TLS alone; the org of the bench is on loopback without."""

    def send(self, request, **kwargs):
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, **kwargs)


def login(url, key, secret):
    form = {"grant_type": "client_credentials", "client_id": key, "client_secret": secret}
    answer = requests.post(f"{url}/services/oauth2/token", data=form, timeout=30).json()
    session = requests.Session()
    session.mount("https://", Plain())
    host = answer["instance_url"].split("://", 1)[1]
    return Salesforce(
        instance=host, session_id=answer["access_token"], session=session, version="62.0"
    )


def store(frame, name, database):
    for column in TIMES & set(frame.columns):
        frame[column] = pd.to_datetime(frame[column], utc=True, format="ISO8601")
    frame.to_sql(name, database, if_exists="append", index=False)
    return len(frame)


def rest(org, name, database):
    rows, stored = [], 0
    for record in org.query_all_iter(f"SELECT {', '.join(FIELDS[name])} FROM {name}", include_deleted=True):
        record.pop("attributes")
        rows.append(record)
        if len(rows) == CHUNK:
            stored += store(pd.DataFrame(rows), name, database)
            rows.clear()
    return stored + (store(pd.DataFrame(rows), name, database) if rows else 0)


def bulk(org, name, database):
    stored = 0
    with tempfile.TemporaryDirectory() as folder:
        soql = f"SELECT {', '.join(FIELDS[name])} FROM {name}"
        getattr(org.bulk2, name).download(soql, path=folder, max_records=100_000, wait=1)
        for file in sorted(glob.glob(f"{folder}/*.csv")):
            for frame in pd.read_csv(file, chunksize=CHUNK):
                stored += store(frame, name, database)
    return stored


def main():
    url, way, key, secret, path = sys.argv[1:6]
    started = time.monotonic()
    org = login(url, key, secret)
    database = sqlite3.connect(path)
    read = {"REST": rest, "Bulk": bulk}[way]
    records = sum(read(org, name, database) for name in FIELDS)
    database.commit()
    took = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({
        "records": records, "stored_s": took, "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024, "now_mb": used.ru_maxrss / 1024,
    }))


main()
