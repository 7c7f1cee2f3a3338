-- Who hides what, who took what, which records were told, and every notice as it was decided.

-- An incident that has ended lives on until nobody is owed anything about it.
alter table incident add column live integer not null default 0;
update incident set live = 1
    where open = 1 or id in (select incident from told where closed = 0);
create index incident_live on incident (live) where live = 1;

create table silence (
    id       text primary key,
    ends_at  integer not null,
    ended_at integer,
    told_to  integer,
    body     text not null
) strict;

create table ack (
    incident text primary key,
    until    integer not null,
    body     text not null
) strict;

-- Records that event rules have seen. The key outlives the body, so that nothing is told twice,
-- also where the records are pulled anew.
create table occurrence (
    rule    text not null,
    record  text not null,
    seen_at integer not null,
    told    integer not null,
    body    text,
    primary key (rule, record)
) strict, without rowid;
create index occurrence_by_time on occurrence (told, seen_at);

-- Every notice, from which the message to another receiver can be made, and which explains itself.
create table notice (
    key      text primary key,
    receiver text not null,
    thread   text not null,
    rule     text not null,
    kind     text not null,
    at       integer not null,
    reason   text not null,
    body     text not null
) strict;
create index notice_by_receiver on notice (receiver, at);
create index notice_by_thread on notice (thread, at);
create index notice_by_rule on notice (rule, at);

-- When an incident fired: what is looked at again once records have had time to come late.
alter table incident add column fired_at integer;
update incident set fired_at = json_extract(body, '$.fired_at');
-- How often a rule fires for a group.
create index incident_by_group on incident (rule, group_key, fired_at);
create index incident_fired on incident (rule, fired_at) where fired_at is not null;
-- Up to which slot a rule's windows have been looked at again.
alter table rule_state add column looked_until integer;

-- That late or edited records changed what was told of an incident.
create table correction (
    incident text not null,
    number   integer not null,
    found_at integer not null,
    told     integer not null,
    body     text not null,
    primary key (incident, number)
) strict, without rowid;
create index correction_untold on correction (found_at) where told = 0;
-- How the last heartbeat went.
create table pulse (
    id       integer primary key check (id = 1),
    at       integer not null,
    said     text not null,
    taken_at integer
) strict;
create index notice_by_time on notice (at);
-- What a silence did to an incident (or to a record of an event rule), and how many notices it hid.
create table hidden (
    silence  text not null,
    incident text not null,
    at       integer not null,
    notices  integer not null,
    worse    integer not null,
    body     text not null,
    primary key (silence, incident)
) strict, without rowid;

-- Threads of several incidents, of records, of summaries: how many notices a receiver got in them.
-- They outlive what was told, so that no notice gets the key of another.
create table thread (
    thread   text not null,
    receiver text not null,
    at       integer not null,
    body     text not null,
    primary key (thread, receiver)
) strict, without rowid;

-- Records that one receiver was told while another waits.
create table told_in_part (
    rule     text not null,
    record   text not null,
    receiver text not null,
    primary key (rule, record, receiver)
) strict, without rowid;

-- People said something that decisions must hear of; whoever decides takes the rows away.
create table heard (
    id integer primary key autoincrement
) strict;

-- What waits for a receiver, in the order in which it is claimed: a backlog is never sorted.
create index outbox_waiting on outbox (receiver, kind = 'digest', next_attempt_at)
    where state = 'pending';
-- Which notice a message tells, and who was told instead once its receiver had not taken it.
alter table outbox add column notice text;
alter table outbox add column fallback text;
create index outbox_of_notice on outbox (notice) where notice is not null;
create index outbox_untaken on outbox (created_at)
    where notice is not null and fallback is null and state <> 'delivered';
-- Proofs that messages reach their receivers.
create index outbox_proof on outbox (origin, state, finished_at) where kind = 'proof';
