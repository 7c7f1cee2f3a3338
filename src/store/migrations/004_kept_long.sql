-- Messages of digests are kept for as long as their runs: what is asked of them again and again is
-- answered from indexes, which do not hold their bytes.

drop index outbox_by_origin;
create index outbox_by_origin on outbox (origin, kind, state);

-- Those that are not deflated yet.
create index outbox_plain on outbox (finished_at) where kind = 'digest' and not packed;

drop index outbox_ended;
create index outbox_ended on outbox (finished_at, kind) where finished_at is not null;

-- How the mails to each address ended.
create index outbox_by_reader on outbox (recipient, state, reason, finished_at, kind, receiver)
    where kind = 'digest' and receiver = 'smtp' and finished_at is not null;
