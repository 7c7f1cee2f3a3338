-- What the tables of the last mail were, of each digest and part ('' where it is not split): a digest
-- that goes out when something changed is held against it.

create table told_tables (
    digest      text not null,
    part        text not null,
    run         text not null,
    fingerprint text,
    primary key (digest, part)
) strict, without rowid;
