"""The whole, as somebody would script it: pages from the server, polars, the questions of the shipped
config answered. Nothing is stored. One argument: the server's address. The last line printed says
what it cost."""

import http.client
import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, urlsplit

import polars as pl

SLOT = datetime(2026, 5, 29, 6, tzinfo=timezone.utc)
# Whole days of Berlin, which is two hours ahead in May.
TO = datetime(2026, 5, 28, 22, tzinfo=timezone.utc)
FROM = TO - timedelta(days=7)
MONTH = datetime(2026, 4, 30, 22, tzinfo=timezone.utc)

# Only what the questions need, as a script would have it: the other fields are dropped while parsing.
FIELDS = {
    "MessagingSession": dict(
        Id=pl.String, Name=pl.String, Status=pl.String, MessagingChannelId=pl.String,
        StartTime=pl.String, EndTime=pl.String, EndedByType=pl.String, AgentType=pl.String,
        EndUserAccountId=pl.String,
    ),
    "MessagingSessionMetrics": dict(
        MessagingSessionId=pl.String, MessagingSessionMetricType=pl.String,
        MessagingSessionMetricValue=pl.Int64,
    ),
    "MessagingEndUser": dict(
        Id=pl.String, Name=pl.String, MessagingChannelId=pl.String,
        MessagingConsentStatus=pl.String, AccountId=pl.String,
    ),
    "MessagingChannel": dict(
        Id=pl.String, MasterLabel=pl.String, MessageType=pl.String, PlatformType=pl.String,
    ),
    "Account": dict(Id=pl.String, Name=pl.String),
    "AgentWork": dict(
        Id=pl.String, WorkItemId=pl.String, Status=pl.String, BotId=pl.String,
        RequestDateTime=pl.String, AcceptDateTime=pl.String, SpeedToAnswer=pl.Int64,
        HandleTime=pl.Int64,
    ),
    "ConversationEntry": dict(
        Id=pl.String, ConversationId=pl.String, ActorType=pl.String, MessageStatusCode=pl.String,
    ),
}
STAMPS = ["StartTime", "EndTime", "RequestDateTime", "AcceptDateTime"]


def pages(address, name):
    """The bodies of one object's pages, each asked for when the one before has named it."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc)
    soql = f"SELECT {', '.join(FIELDS[name])} FROM {name} ORDER BY SystemModstamp, Id"
    target = "/services/data/v62.0/queryAll?q=" + quote(soql)
    while target:
        connection.request("GET", target, headers={"Authorization": "Bearer x"})
        body = connection.getresponse().read()
        yield body
        # The address of the next page stands before the records.
        head = body[: body.index(b'"records"')] + b'"records":[]}'
        target = json.loads(head).get("nextRecordsUrl")


def read(address, name):
    """One object as a frame."""
    frames = []
    for body in pages(address, name):
        start = body.index(b'"records":') + len(b'"records":')
        # Faster than a list of dictionaries by far.
        frames.append(pl.read_json(body[start:-1], schema=FIELDS[name]))
    frame = pl.concat(frames)
    stamps = [
        pl.col(field).str.to_datetime("%Y-%m-%dT%H:%M:%S%.3f%z", time_zone="UTC")
        for field in STAMPS
        if field in FIELDS[name]
    ]
    return frame.with_columns(stamps)


def answers(frames):
    """Every question, as a list of frames."""
    session, channel, account = (
        frames["MessagingSession"], frames["MessagingChannel"], frames["Account"],
    )
    metrics = frames["MessagingSessionMetrics"]
    value = pl.col("MessagingSessionMetricValue")

    def metric(kind, name):
        chosen = metrics.lazy().filter(pl.col("MessagingSessionMetricType") == kind)
        return chosen.select("MessagingSessionId", value.alias(name))

    def measured(lazy, kind, name):
        return lazy.join(metric(kind, name), left_on="Id", right_on="MessagingSessionId", how="left")

    def quantile(name, q):
        return pl.col(name).quantile(q, "linear")

    week = session.lazy().filter(pl.col("StartTime").is_between(FROM, TO, closed="left"))
    named = channel.lazy().select(pl.col("Id").alias("MessagingChannelId"), "MasterLabel")
    ended = pl.col("Status") == "Ended"
    out = []

    person = pl.col("AgentType").is_in(["Agent", "BotToAgent"])
    resolved = session.lazy().filter(ended & person)
    out.append(measured(resolved, "AgentMessageCount", "sent").select(
        pl.col("sent").median().alias("Typical"), pl.col("sent").mean().alias("Mean"),
        quantile("sent", 0.9).alias("90 % under"), pl.col("sent").count().alias("Measured"),
        pl.len().alias("Sessions"),
    ))

    both = measured(measured(week.filter(person), "AverageAgentResponseTime", "mean"), "AgentMessageCount", "sent")
    out.append(both.select(
        pl.col("mean").mean().alias("Mean of session means"),
        ((pl.col("mean") * pl.col("sent")).sum()
         / pl.col("sent").filter(pl.col("mean").is_not_null()).sum()).alias("Weighted"),
        pl.col("mean").median().alias("Median"), pl.col("mean").count().alias("Measured"),
        pl.len().alias("Sessions"),
    ))

    longest = measured(week, "MaxAgentResponseTime", "longest").join(named, on="MessagingChannelId")
    out.append(longest.filter(person).group_by("MessagingChannelId", "MasterLabel").agg(
        pl.col("longest").max().alias("Longest"), quantile("longest", 0.95).alias("95 % under"),
        pl.col("longest").count().alias("Measured"), pl.len().alias("Sessions"),
    ).sort("Longest", descending=True, nulls_last=True))

    labelled = account.lazy().select(pl.col("Id").alias("EndUserAccountId"), pl.col("Name").alias("Account"))
    out.append(longest.filter(pl.col("longest").is_not_null())
               .join(labelled, on="EndUserAccountId", how="left")
               .select("Name", "MasterLabel", "Account", "StartTime", "longest")
               .sort("longest", descending=True).head(10))

    out.append(measured(week.filter(ended), "EndUserMessageCount", "received").select(
        pl.col("received").median().alias("Typical"), pl.col("received").mean().alias("Mean"),
        quantile("received", 0.9).alias("90 % under"), pl.col("received").count().alias("Measured"),
        pl.len().alias("Sessions"),
    ))

    out.append(week.filter(ended).group_by("EndedByType").agg(
        pl.len().alias("Sessions"), pl.col("EndedByType").count().alias("Recorded"),
    ).with_columns((pl.col("Recorded") / pl.col("Recorded").sum()).alias("Of recorded")).sort(
        "Sessions", descending=True))

    work = frames["AgentWork"].lazy().filter(pl.col("BotId").is_null()).rename(
        {"Id": "WorkId", "Status": "WorkStatus"})
    bounds = pl.col("EndTime").is_between(FROM, TO, closed="left")
    finished = session.lazy().filter(bounds).join(
        work.filter(pl.col("HandleTime").is_not_null()), left_on="Id", right_on="WorkItemId")
    folded = finished.join(named, on="MessagingChannelId").group_by("Id", "MasterLabel").agg(
        pl.col("HandleTime").sum().alias("handled"), pl.len().alias("parts"),
        (pl.col("EndTime").first() - pl.col("StartTime").first()).dt.total_seconds().alias("lasted"),
    )
    out.append(folded.group_by("MasterLabel").agg(
        pl.col("handled").median().alias("Typical"), pl.col("handled").mean().alias("Mean"),
        (pl.col("handled").sum() / pl.col("parts").sum()).alias("Mean per assignment"),
        pl.col("lasted").median().alias("Start to end"), pl.col("parts").sum().alias("Assignments"),
        pl.len().alias("Sessions"),
    ).sort("Sessions", descending=True))

    counted = pl.col("AgentType").fill_null("Nobody") != "System"
    out.append(week.filter(ended).group_by(pl.col("AgentType").fill_null("Nobody")).agg(
        pl.len().alias("Sessions"), counted.sum().alias("Counted"),
    ).with_columns((pl.col("Counted") / pl.col("Counted").sum()).alias("Share")).sort(
        "Sessions", descending=True))

    accepted = pl.col("AcceptDateTime").is_not_null()
    offered = week.join(work, left_on="Id", right_on="WorkItemId").join(named, on="MessagingChannelId")
    folded = offered.sort("RequestDateTime", "WorkId").group_by("Id", "MasterLabel").agg(
        pl.col("SpeedToAnswer").filter(accepted).first().alias("answer"),
        (pl.col("AcceptDateTime").min() - pl.col("RequestDateTime").min())
        .dt.total_seconds().alias("waited"),
        pl.col("WorkStatus").is_in(["Declined", "DeclinedOnPushTimeout"]).sum().alias("missed"),
    )
    out.append(folded.group_by("MasterLabel").agg(
        pl.col("answer").median().alias("Typical"), pl.col("answer").mean().alias("Mean"),
        quantile("waited", 0.95).alias("Waited in all, 95 % under"),
        pl.col("answer").count().alias("Accepted"),
        pl.col("answer").is_null().sum().alias("Never accepted"),
        pl.col("missed").sum().alias("Missed offers"),
    ).sort("Accepted", descending=True))

    traffic = channel.lazy().join(
        week.select("MessagingChannelId", pl.col("Id").alias("SessionId")),
        left_on="Id", right_on="MessagingChannelId", how="left")
    share = (pl.col("Sessions") / pl.col("Sessions").sum()).alias("Share")
    out.append(traffic.group_by("MessageType").agg(
        pl.col("SessionId").count().alias("Sessions"), pl.col("Id").n_unique().alias("Channels"),
    ).with_columns(share).sort("Sessions", descending=True))
    out.append(traffic.group_by("Id", "MasterLabel", "MessageType").agg(
        pl.col("SessionId").count().alias("Sessions"),
    ).with_columns(share).sort("Sessions", descending=True))

    month = session.lazy().filter(pl.col("StartTime").is_between(MONTH, SLOT, closed="left"))
    out.append(month.group_by("EndUserAccountId").agg(pl.len().alias("Sessions"))
               .with_columns(share).join(labelled, on="EndUserAccountId", how="left")
               .sort("Sessions", descending=True).head(25))

    people = frames["MessagingEndUser"].lazy()
    owners = account.lazy().select(pl.col("Id").alias("AccountId"), pl.col("Name").alias("Account"))
    out.append(people.group_by("AccountId").agg(
        pl.len().alias("Users"), pl.col("MessagingChannelId").n_unique().alias("Channels"),
        (pl.col("MessagingConsentStatus") == "OptedOut").sum().alias("Opted out"),
    ).join(owners, on="AccountId", how="left").sort("Users", descending=True).head(25))
    out.append(people.join(owners, on="AccountId", how="left").join(named, on="MessagingChannelId")
               .select("Account", "Name", "MasterLabel", "MessagingConsentStatus")
               .sort("Account", "Name", nulls_last=True).head(25))

    entries = frames["ConversationEntry"].lazy().rename({"Id": "EntryId"})
    spoken = channel.lazy().join(
        week.select("MessagingChannelId", pl.col("Id").alias("SessionId")),
        left_on="Id", right_on="MessagingChannelId", how="left",
    ).join(entries, left_on="SessionId", right_on="ConversationId", how="left")
    standard = pl.col("PlatformType") == "Standard"
    actor = pl.col("ActorType").replace("EndUser", "End user").fill_null("no messages")
    out.append(spoken.with_columns(
        pl.when(standard).then(actor).otherwise(pl.lit("not measured")).alias("Sender"),
    ).group_by("Id", "MasterLabel", "PlatformType", "Sender").agg(
        pl.col("MessageStatusCode").count().alias("Undelivered"),
        pl.col("EntryId").count().alias("Messages"),
    ).with_columns((pl.col("Undelivered") / pl.col("Messages")).alias("Share")).sort(
        "Undelivered", descending=True))
    out.append(spoken.filter(standard & pl.col("MessageStatusCode").is_not_null())
               .group_by("MasterLabel", "ActorType", "MessageStatusCode").agg(pl.len().alias("Messages"))
               .sort("Messages", descending=True).head(25))

    return pl.collect_all(out)


def main():
    started = time.perf_counter()
    # One thread an object; the large ones decide.
    with ThreadPoolExecutor(len(FIELDS)) as pool:
        frames = dict(zip(FIELDS, pool.map(lambda name: read(sys.argv[1], name), FIELDS)))
    read_s = time.perf_counter() - started
    tables = answers(frames)
    answered_s = time.perf_counter() - started - read_s
    if "--show" in sys.argv:
        for table in tables:
            print(table)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({
        "records": sum(len(frame) for frame in frames.values()),
        "stored_s": read_s,
        "answered_s": answered_s,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
        "now_mb": 0,
    }))


main()
