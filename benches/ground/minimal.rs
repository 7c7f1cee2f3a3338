//! The least code that reads an org's pages and stores them: fixed structs, one prepared insert, big
//! transactions. What postrider does more is what it is measured for.

use rusqlite::types::{ToSql, ToSqlOutput};
use rusqlite::{Connection, params};
use serde::Deserialize;

/// Pages of one transaction.
const PAGES_A_TRANSACTION: usize = 100;

/// Gives the body behind a target.
pub(crate) type Fetch<'a> = dyn Fn(&str) -> anyhow::Result<Vec<u8>> + 'a;

/// One page as its struct says, records borrowed from the body.
#[derive(Deserialize)]
struct Page<'a, R> {
    #[serde(rename = "nextRecordsUrl", borrow)]
    next: Option<&'a str>,
    records: Vec<R>,
}

/// Milliseconds since 1970 UTC, from `2026-05-29T06:00:00.000+0000` and nothing else.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "&str")]
pub(crate) struct Stamp(pub(crate) i64);

impl TryFrom<&str> for Stamp {
    type Error = &'static str;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let bytes: &[u8; 28] = text.as_bytes().try_into().map_err(|_| "no instant")?;
        let number = |at: usize, digits: usize| {
            let digits = &bytes[at..at + digits];
            digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit.wrapping_sub(b'0')))
        };
        let (year, month, day) = (number(0, 4), number(5, 2), number(8, 2));
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
        let seconds = ((days * 24 + number(11, 2)) * 60 + number(14, 2)) * 60 + number(17, 2);
        Ok(Stamp(seconds * 1000 + number(20, 3)))
    }
}

impl ToSql for Stamp {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

/// Makes a table and gives the statement that fills it.
pub(crate) fn create(db: &Connection, table: &str, columns: &[&str]) -> rusqlite::Result<String> {
    let names = columns.join(", ").replacen("Id,", "Id PRIMARY KEY,", 1);
    db.execute_batch(&format!("CREATE TABLE {table} ({names})"))?;
    let marks = vec!["?"; columns.len()].join(", ");
    Ok(format!("INSERT INTO {table} VALUES ({marks})"))
}

/// A fixed struct, its table, and the loop over its pages. Columns have the names of the fields.
macro_rules! records {
    ($module:ident of $table:literal { $first:ident: $first_kind:ty, $($field:ident: $kind:ty),* $(,)? }) => {
        pub(crate) mod $module {
            use super::*;

            /// The columns, as they are asked for and stored; `IsDeleted` is the last.
            pub(crate) const COLUMNS: &[&str] =
                &[stringify!($first), $(stringify!($field),)* "IsDeleted"];

            #[derive(Deserialize)]
            #[expect(non_snake_case, reason = "the fields are named as Salesforce names them")]
            struct Record<'a> {
                $first: $first_kind,
                $($field: $kind,)*
                IsDeleted: bool,
            }

            /// Reads all pages from `first` on into a table of its own.
            pub(crate) fn read(
                db: &mut Connection,
                first: String,
                fetch: &Fetch<'_>,
            ) -> anyhow::Result<u64> {
                let insert = create(db, $table, COLUMNS)?;
                let mut next = Some(first);
                let mut records = 0;
                while next.is_some() {
                    let transaction = db.transaction()?;
                    let mut insert = transaction.prepare_cached(&insert)?;
                    for _ in 0..PAGES_A_TRANSACTION {
                        let Some(target) = next.take() else { break };
                        let body = fetch(&target)?;
                        let page: Page<'_, Record<'_>> = serde_json::from_slice(&body)?;
                        for record in &page.records {
                            insert.execute(params![
                                record.$first, $(record.$field,)* record.IsDeleted
                            ])?;
                        }
                        records += page.records.len() as u64;
                        next = page.next.map(str::to_owned);
                    }
                    drop(insert);
                    transaction.commit()?;
                }
                Ok(records)
            }
        }
    };
}

records!(session of "MessagingSession" {
    Id: Option<&'a str>,
    Name: Option<&'a str>,
    Status: Option<&'a str>,
    MessagingChannelId: Option<&'a str>,
    MessagingEndUserId: Option<&'a str>,
    StartTime: Option<Stamp>,
    AcceptTime: Option<Stamp>,
    EndTime: Option<Stamp>,
    EndedByType: Option<&'a str>,
    AgentType: Option<&'a str>,
    Origin: Option<&'a str>,
    ChannelType: Option<&'a str>,
    ChannelName: Option<&'a str>,
    ChannelKey: Option<&'a str>,
    ChannelLocale: Option<&'a str>,
    EndUserLanguage: Option<&'a str>,
    EndUserAccountId: Option<&'a str>,
    EndUserContactId: Option<&'a str>,
    CaseId: Option<&'a str>,
    LeadId: Option<&'a str>,
    OpportunityId: Option<&'a str>,
    ConversationId: Option<&'a str>,
    SessionKey: Option<&'a str>,
    OwnerId: Option<&'a str>,
    TargetUserId: Option<&'a str>,
    CreatedDate: Option<Stamp>,
    CreatedById: Option<&'a str>,
    LastModifiedDate: Option<Stamp>,
    LastModifiedById: Option<&'a str>,
    SystemModstamp: Option<Stamp>,
});

records!(metric of "MessagingSessionMetrics" {
    Id: Option<&'a str>,
    Name: Option<&'a str>,
    MessagingSessionId: Option<&'a str>,
    MessagingSessionMetricType: Option<&'a str>,
    MessagingSessionMetricValue: Option<i64>,
    CreatedDate: Option<Stamp>,
    CreatedById: Option<&'a str>,
    LastModifiedDate: Option<Stamp>,
    LastModifiedById: Option<&'a str>,
    SystemModstamp: Option<Stamp>,
});
