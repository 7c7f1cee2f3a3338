-- One message may have several recipients; what is held or cancelled is kept apart; what became of
-- every message that was ever owed adds up; how each receiver fares.

-- The key of the outbox becomes the message with its recipient, which takes a new table.
create table outbox_new (
    id              integer primary key autoincrement,
    message_id      text not null,
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
    reason          text,
    part            text,
    envelope        text,
    packed          integer not null default 0,
    notice          text,
    fallback        text,
    -- Attempts at it in which postrider itself broke down.
    panics          integer not null default 0
) strict;
insert into outbox_new (id, message_id, kind, origin, receiver, recipient, subject, bytes, state,
                        attempts, created_at, next_attempt_at, finished_at, reason, part, envelope,
                        packed, notice, fallback)
    select id, message_id, kind, origin, receiver, recipient, subject, bytes, state, attempts,
           created_at, next_attempt_at, finished_at, reason, part, envelope, packed, notice, fallback
    from outbox order by id;
-- Numbers are never given twice, also where the last messages were forgotten.
insert into sqlite_sequence (name, seq)
    select 'outbox_new', 0
    where not exists (select 1 from sqlite_sequence where name = 'outbox_new');
update sqlite_sequence
    set seq = max(seq, coalesce((select seq from sqlite_sequence where name = 'outbox'), 0))
    where name = 'outbox_new';
drop table outbox;
alter table outbox_new rename to outbox;

create unique index outbox_by_message on outbox (message_id, recipient);
create index outbox_due on outbox (state, next_attempt_at);
create index outbox_by_origin on outbox (origin, kind, state);
create index outbox_plain on outbox (finished_at) where kind = 'digest' and not packed;
create index outbox_ended on outbox (finished_at, kind) where finished_at is not null;
create index outbox_by_reader on outbox (recipient, state, reason, finished_at, kind, receiver)
    where kind = 'digest' and receiver = 'smtp' and finished_at is not null;
create index outbox_of_notice on outbox (notice) where notice is not null;
create index outbox_untaken on outbox (created_at)
    where notice is not null and fallback is null and state <> 'delivered';
create index outbox_proof on outbox (origin, state, finished_at) where kind = 'proof';
-- What waits for a receiver, in the order in which it is claimed: notifications, then notices and
-- proofs, then digests.
create index outbox_waiting
    on outbox (receiver, (case kind when 'notification' then 0 when 'digest' then 2 else 1 end),
               next_attempt_at)
    where state = 'pending';

-- How many messages were ever owed, and how many of each end were forgotten since.
create table outbox_total (
    what  text primary key,
    count integer not null
) strict, without rowid;
insert into outbox_total (what, count) select 'owed', count(*) from outbox;

-- How each receiver fares.
create table endpoint (
    receiver        text primary key,
    -- When it last took a message.
    taken_at        integer,
    -- Since when it has taken none that was tried, how often it was tried since, and when last.
    failing_since   integer,
    failures        integer not null default 0,
    failed_at       integer,
    said            text,
    -- Since when it gets nothing until somebody enables it, and why.
    disabled_at     integer,
    disabled_why    text
) strict;
