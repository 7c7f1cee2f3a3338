-- Who hides what, who took what, which records were told, and every notice as it was decided.

-- An incident that has ended lives on until nobody is owed anything about it.
alter table incident add column live integer not null default 0;
update incident set live = 1
    where open = 1 or id in (select incident from told where closed = 0);
create index incident_live on incident (live) where live = 1;
-- How often a rule fires for a group.
create index incident_by_group on incident (rule, group_key, id);

create table silence (
    id       text primary key,
    ends_at  integer not null,
    ended_at integer,
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
create index occurrence_untold on occurrence (seen_at) where told = 0;

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

-- Which notice a message tells, and who was told instead once its receiver had not taken it.
alter table outbox add column notice text;
alter table outbox add column fallback text;
create index outbox_of_notice on outbox (notice) where notice is not null;
create index outbox_untaken on outbox (created_at)
    where notice is not null and fallback is null and state <> 'delivered';
-- Proofs that messages reach their receivers.
create index outbox_proof on outbox (origin, state, finished_at) where kind = 'proof';
