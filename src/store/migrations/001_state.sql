-- state.db: precious. Slots, runs, incidents, what each receiver was told, the ledger, the outbox.
-- Instants are milliseconds since 1970 UTC.

create table schedule (
    digest           text primary key,
    pattern          text not null,
    considered_until integer not null
) strict;

-- One slot, one run: whoever inserts the row, runs.
create table slot (
    digest     text not null,
    planned_at integer not null,
    run        text,
    skipped    text,
    primary key (digest, planned_at)
) strict;

create table run (
    id              text primary key,
    digest          text not null,
    planned_at      integer not null,
    made_at         integer not null,
    definition_hash text not null,
    subject         text not null,
    trigger         text not null,
    outcome         text not null,
    detail          text
) strict;
create index run_by_digest on run (digest, planned_at);

create table rule_state (
    rule            text primary key,
    evaluated_until integer not null,
    detail          text
) strict;

create table incident (
    id        text primary key,
    rule      text not null,
    group_key text not null,
    state     text not null,
    body      text not null,
    open      integer not null
) strict;
create unique index incident_open on incident (rule, group_key) where open = 1;

create table told (
    incident text not null,
    receiver text not null,
    closed   integer not null,
    body     text not null,
    primary key (incident, receiver)
) strict;
create index told_owed on told (closed, incident);

create table ledger (
    id      integer primary key,
    at      integer not null,
    kind    text not null,
    subject text not null,
    text    text not null
) strict;
create index ledger_by_subject on ledger (subject, id);

create table outbox (
    id              integer primary key autoincrement,
    message_id      text not null unique,
    kind            text not null,
    origin          text not null,
    receiver        text not null,
    recipient       text not null,
    subject         text not null,
    bytes           blob not null,
    state           text not null,
    attempts        integer not null default 0,
    created_at      integer not null,
    next_attempt_at integer,
    finished_at     integer,
    reason          text
) strict;
create index outbox_due on outbox (state, next_attempt_at);
create index outbox_by_origin on outbox (origin);

create table attempt (
    delivery    integer not null,
    n           integer not null,
    started_at  integer not null,
    finished_at integer,
    outcome     text,
    words       text,
    primary key (delivery, n)
) strict, without rowid;

-- A receiver as a whole waits: server down, or broken until somebody mends it.
create table hold (
    receiver text primary key,
    until    integer not null,
    reason   text not null,
    broken   integer not null
) strict;

-- A dataset of which the owner was told that its source gives nothing: told once, and once when it
-- is back, whatever restarts in between.
create table source_down (
    dataset text primary key,
    since   integer not null
) strict;
