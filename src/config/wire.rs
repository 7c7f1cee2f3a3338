//! The file as it is written: one struct a table, every field optional, places kept.
//!
//! No `flatten`, `untagged` or `tag`: serde would buffer there, and places would be lost. A kind is
//! plain text. What is missing or means nothing is `lower`'s business.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use toml::Spanned;

mod alerting;

pub(super) use self::alerting::*;

/// Text and where it is.
pub(super) type Text = Spanned<String>;

/// `[postrider]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PostriderToml {
    pub(super) timezone: Option<Text>,
    pub(super) locale: Option<Text>,
    pub(super) week_starts: Option<Text>,
    pub(super) state: Option<Text>,
    pub(super) owner: Option<Text>,
    pub(super) metrics: Option<Text>,
    pub(super) alarm: Option<Text>,
    pub(super) archive: Option<Text>,
    pub(super) public_url: Option<Text>,
    pub(super) watch: Option<bool>,
    pub(super) shutdown_grace: Option<Text>,
    pub(super) heartbeat: Option<Text>,
    pub(super) heartbeat_every: Option<Text>,
    pub(super) ambiguous: Option<Text>,
}

/// `[smtp]`; `auth`, `dkim` and `failover` are taken out before.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SmtpToml {
    pub(super) host: Option<Text>,
    pub(super) port: Option<Spanned<u16>>,
    pub(super) tls: Option<Text>,
    pub(super) username: Option<Text>,
    pub(super) password: Option<Text>,
    pub(super) from: Option<Text>,
    pub(super) envelope_from: Option<Text>,
    pub(super) connections: Option<Spanned<u16>>,
    pub(super) ca: Option<Text>,
}

/// One server of `failover`; `auth` is taken out before.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FailoverToml {
    pub(super) host: Option<Text>,
    pub(super) port: Option<Spanned<u16>>,
    pub(super) tls: Option<Text>,
    pub(super) username: Option<Text>,
    pub(super) password: Option<Text>,
    pub(super) ca: Option<Text>,
}

/// `auth` of a mail server with `kind = "xoauth2"`; `kind` is taken out before.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct XOAuth2Toml {
    pub(super) token_url: Option<Text>,
    pub(super) client_id: Option<Text>,
    pub(super) client_secret: Option<Text>,
    pub(super) refresh_token: Option<Text>,
    pub(super) scope: Option<Text>,
}

/// One key of `dkim`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DkimToml {
    pub(super) domain: Option<Text>,
    pub(super) selector: Option<Text>,
    pub(super) key: Option<Text>,
}

/// `[look]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LookToml {
    pub(super) logo: Option<Text>,
    pub(super) logo_alt: Option<Text>,
    pub(super) accent: Option<Text>,
    pub(super) footer: Option<Text>,
}

/// `[sources.NAME]` with `kind = "salesforce"`; its `auth` is taken out before.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SalesforceToml {
    pub(super) login_url: Option<Text>,
    pub(super) api_version: Option<Text>,
    pub(super) pull_every: Option<Text>,
    pub(super) quota_share: Option<Spanned<f64>>,
    pub(super) history: Option<Text>,
    pub(super) overlap: Option<Text>,
    pub(super) bulk_above: Option<Spanned<CountToml>>,
}

/// `auth` of a Salesforce source with `flow = "client_credentials"`; `flow` is taken out before.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientCredentialsToml {
    pub(super) client_id: Option<Text>,
    pub(super) client_secret: Option<Text>,
}

/// `auth` of a Salesforce source with `flow = "jwt_bearer"`; `flow` is taken out before.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JwtBearerToml {
    pub(super) client_id: Option<Text>,
    pub(super) username: Option<Text>,
    pub(super) private_key: Option<Text>,
    pub(super) audience: Option<Text>,
}

/// `[sources.X]` with `kind = "postrider"`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnToml {
    pub(super) pull_every: Option<Text>,
}

/// `[sources.NAME]` with `kind = "rest"`; its `auth` is taken out before.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RestToml {
    pub(super) base_url: Option<Text>,
    #[serde(default)]
    pub(super) headers: BTreeMap<Text, Text>,
    pub(super) rate: Option<Text>,
    pub(super) pull_every: Option<Text>,
    pub(super) history: Option<Text>,
}

/// `auth` of a REST source; forms that are tables are taken out before.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RestAuthToml {
    pub(super) bearer: Option<Text>,
}

/// `basic` of `auth`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BasicToml {
    pub(super) username: Option<Text>,
    pub(super) password: Option<Text>,
}

/// `header` or `query` of `auth`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PairToml {
    pub(super) name: Option<Text>,
    pub(super) value: Option<Text>,
}

/// `oauth2` of `auth`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OAuth2Toml {
    pub(super) token_url: Option<Text>,
    pub(super) client_id: Option<Text>,
    pub(super) client_secret: Option<Text>,
    pub(super) scope: Option<Text>,
}

/// `[datasets.NAME]` of a Salesforce source; `source` is taken out before.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ObjectToml {
    pub(super) object: Option<Text>,
    #[serde(default)]
    pub(super) fields: BTreeMap<Text, Text>,
    pub(super) label: Option<Text>,
    pub(super) whole: Option<Spanned<bool>>,
    pub(super) dated: Option<Spanned<bool>>,
    pub(super) keep: Option<Text>,
    pub(super) history: Option<Text>,
    pub(super) link: Option<Text>,
}

/// `[datasets.NAME]` of a REST source; `source` and `paging` are taken out before.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableToml {
    pub(super) path: Option<Text>,
    #[serde(default)]
    pub(super) query: BTreeMap<Text, Text>,
    pub(super) records: Option<Text>,
    pub(super) key: Option<Spanned<KeyToml>>,
    pub(super) updated: Option<Text>,
    pub(super) created: Option<Text>,
    pub(super) label: Option<Text>,
    pub(super) fields: Option<Spanned<BTreeMap<Text, Text>>>,
    pub(super) explode: Option<Text>,
    pub(super) overlap: Option<Text>,
    pub(super) window: Option<Text>,
    pub(super) keep: Option<Text>,
    pub(super) history: Option<Text>,
    pub(super) whole: Option<Spanned<bool>>,
    pub(super) dated: Option<Spanned<bool>>,
    pub(super) max_pages: Option<Spanned<u32>>,
    pub(super) max_bad: Option<Spanned<f64>>,
    pub(super) link: Option<Text>,
}

/// `paging` of a REST dataset: exactly one of its shapes.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PagingToml {
    pub(super) next_url: Option<Text>,
    pub(super) link_header: Option<Spanned<bool>>,
    pub(super) cursor: Option<Text>,
    pub(super) parameter: Option<Text>,
    pub(super) more: Option<Text>,
    pub(super) end: Option<Text>,
    pub(super) page: Option<Text>,
    pub(super) first: Option<Spanned<u32>>,
    pub(super) offset: Option<Text>,
    pub(super) size: Option<Spanned<u32>>,
}

/// A field's name, or several in brackets.
pub(super) enum KeyToml {
    One(String),
    Several(Vec<Text>),
}

impl<'de> Deserialize<'de> for KeyToml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<KeyToml, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = KeyToml;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name in quotes or a list of names in brackets")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<KeyToml, E> {
                Ok(KeyToml::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<KeyToml, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(KeyToml::Several(names))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Yes, no, or until a date.
pub(super) enum PausedToml {
    Plain(bool),
    Until(String),
}

impl<'de> Deserialize<'de> for PausedToml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PausedToml, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = PausedToml;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, `false` or a date in quotes")
            }

            fn visit_bool<E: de::Error>(self, paused: bool) -> Result<PausedToml, E> {
                Ok(PausedToml::Plain(paused))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PausedToml, E> {
                Ok(PausedToml::Until(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A whole number, or a word.
pub(super) enum CountToml {
    Number(u64),
    Word(String),
}

impl<'de> Deserialize<'de> for CountToml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CountToml, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = CountToml;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, 0 or more, or `\"never\"`")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<CountToml, E> {
                let number = u64::try_from(number)
                    .map_err(|_| de::Error::invalid_value(de::Unexpected::Signed(number), &self))?;
                Ok(CountToml::Number(number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<CountToml, E> {
                Ok(CountToml::Number(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<CountToml, E> {
                Ok(CountToml::Word(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// `[report_types.NAME]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportTypeToml {
    pub(super) from: Option<Text>,
}

/// `[reports.NAME]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportToml {
    pub(super) title: Option<Text>,
    pub(super) about: Option<Text>,
    pub(super) r#type: Option<Text>,
    pub(super) period: Option<Text>,
    pub(super) timezone: Option<Text>,
    pub(super) date: Option<Text>,
    pub(super) r#where: Option<Text>,
    #[serde(default)]
    pub(super) per: Vec<Text>,
    #[serde(default)]
    pub(super) values: Vec<Text>,
    #[serde(default)]
    pub(super) group_by: Vec<Text>,
    pub(super) columns: Option<Spanned<Vec<Text>>>,
    pub(super) sort: Option<Text>,
    pub(super) top: Option<Spanned<u32>>,
    pub(super) total: Option<Spanned<bool>>,
    #[serde(default)]
    pub(super) format: BTreeMap<Text, Text>,
    pub(super) empty: Option<Text>,
    #[serde(default)]
    pub(super) mask: Vec<Text>,
    pub(super) pivot_by: Option<Text>,
    pub(super) compare: Option<Text>,
    pub(super) calendar: Option<Text>,
    pub(super) trend: Option<Text>,
    #[serde(default)]
    pub(super) goals: BTreeMap<Text, Text>,
    pub(super) drill: Option<Text>,
    pub(super) min_values: Option<Spanned<u32>>,
    pub(super) restate_above: Option<Spanned<f64>>,
    #[serde(default)]
    pub(super) test: Vec<Spanned<TestToml>>,
}

/// `chart` of a report.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChartToml {
    pub(super) kind: Option<Text>,
    pub(super) of: Option<Spanned<Vec<Text>>>,
    pub(super) by: Option<Text>,
}

/// One `[[reports.NAME.test]]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestToml {
    pub(super) name: Option<Text>,
    pub(super) at: Option<Text>,
    #[serde(default)]
    pub(super) records: BTreeMap<Text, Vec<BTreeMap<Text, Spanned<CellToml>>>>,
    pub(super) rows: Option<Vec<Vec<CellToml>>>,
    pub(super) total: Option<Vec<CellToml>>,
}

/// A cell of a test.
pub(super) enum CellToml {
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for CellToml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CellToml, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = CellToml;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a text in quotes, `true` or `false`")
            }

            fn visit_bool<E: de::Error>(self, yes: bool) -> Result<CellToml, E> {
                Ok(CellToml::Boolean(yes))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<CellToml, E> {
                Ok(CellToml::Integer(number))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<CellToml, E> {
                Ok(CellToml::Real(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<CellToml, E> {
                Ok(CellToml::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// `[digests.NAME]`; its `reports`, `recipients` and `mask_outside` are taken out before.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DigestToml {
    pub(super) together: Option<Spanned<bool>>,
    pub(super) subject: Option<Text>,
    pub(super) preheader: Option<Text>,
    pub(super) headline: Option<Text>,
    pub(super) intro: Option<Text>,
    pub(super) send_when: Option<Text>,
    pub(super) schedule: Option<Text>,
    pub(super) timezone: Option<Text>,
    pub(super) missed: Option<Text>,
    pub(super) max_lateness: Option<Text>,
    pub(super) wait_up_to: Option<Text>,
    pub(super) calendar: Option<Text>,
    pub(super) on_closed: Option<Text>,
    pub(super) start: Option<Text>,
    pub(super) end: Option<Text>,
    pub(super) paused: Option<Spanned<PausedToml>>,
    pub(super) to: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub(super) cc: Vec<Text>,
    #[serde(default)]
    pub(super) bcc: Vec<Text>,
    pub(super) reply_to: Option<Text>,
    pub(super) split_by: Option<Text>,
    #[serde(default)]
    pub(super) attach: Vec<Text>,
    pub(super) csv_bom: Option<Spanned<bool>>,
    pub(super) locale: Option<Text>,
    pub(super) max_size: Option<Text>,
    pub(super) template: Option<Text>,
}

/// One entry of a digest's `reports` that is not a name alone.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryToml {
    pub(super) report: Option<Text>,
    pub(super) r#where: Option<Text>,
    pub(super) title: Option<Text>,
    pub(super) about: Option<Text>,
    pub(super) period: Option<Text>,
    pub(super) top: Option<Spanned<u32>>,
    pub(super) required: Option<Spanned<bool>>,
}

/// `mask_outside` of a digest.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MaskOutsideToml {
    pub(super) domains: Option<Spanned<Vec<Text>>>,
    pub(super) columns: Option<Spanned<Vec<Text>>>,
}
