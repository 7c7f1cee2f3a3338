-- Runs that can be looked at, made again and sent again; addresses that want no digest any more.

-- What a message of a run was made of: the part of a split digest ('' where it is not split) and
-- the mail's envelope.
alter table outbox add column part text;
alter table outbox add column envelope text;
create index outbox_ended on outbox (finished_at) where finished_at is not null;

-- Since when a receiver waits, and whether somebody was told that it gives no answer.
alter table hold add column since integer not null default 0;
alter table hold add column told integer not null default 0;

-- What the mails of a run were made of: one row a part, '' the whole.
create table archive (
    run         text not null,
    part        text not null,
    made_at     integer not null,
    version     integer not null,
    plain_bytes integer not null,
    picture     text,
    snapshot    blob not null,
    primary key (run, part)
) strict;
create index archive_by_age on archive (made_at);
create index run_by_age on run (made_at);

-- Pictures of snapshots, each once: a logo is the same in every mail.
create table picture (
    hash  text primary key,
    bytes blob not null
) strict;

-- Addresses that get no digest ('' in digest) or not this one; alerts are another matter.
create table suppression (
    address text not null,
    digest  text not null,
    since   integer not null,
    until   integer,
    reason  text not null,
    primary key (address, digest)
) strict, without rowid;

-- Recipients of a run that were owed nothing, and why.
create table withheld (
    run       text not null,
    recipient text not null,
    reason    text not null,
    primary key (run, recipient)
) strict, without rowid;

-- Keys made once: whoever holds a signed link of an earlier mail can still use it.
create table key (
    name  text primary key,
    bytes blob not null
) strict;
