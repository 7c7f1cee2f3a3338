-- Up to when the daemon is known to have worked: written every minute. A clock that is earlier is
-- wrong, and a file that is older than what the daemon said elsewhere has lost commits.
create table life (
    id      integer primary key check (id = 1),
    seen_at integer not null
) strict;
