//! The file as it is written: one struct a table, every field optional, places kept.
//!
//! No `flatten`, `untagged` or `tag`: serde would buffer there, and places would be lost. A kind is
//! plain text. What is missing or means nothing is `lower`'s business.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

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
}

/// `[smtp]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SmtpToml {
    pub(super) host: Option<Text>,
    pub(super) port: Option<Spanned<u16>>,
    pub(super) tls: Option<Text>,
    pub(super) username: Option<Text>,
    pub(super) password: Option<Text>,
    pub(super) from: Option<Text>,
    pub(super) ca: Option<Text>,
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
}

/// `auth` of a Salesforce source.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SalesforceAuthToml {
    pub(super) flow: Option<Text>,
    pub(super) client_id: Option<Text>,
    pub(super) client_secret: Option<Text>,
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
}

/// `[digests.NAME]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DigestToml {
    pub(super) subject: Option<Text>,
    pub(super) headline: Option<Text>,
    pub(super) intro: Option<Text>,
    pub(super) reports: Option<Spanned<Vec<Text>>>,
    pub(super) schedule: Option<Text>,
    pub(super) timezone: Option<Text>,
    pub(super) missed: Option<Text>,
    pub(super) max_lateness: Option<Text>,
    pub(super) wait_up_to: Option<Text>,
    pub(super) calendar: Option<Text>,
    pub(super) to: Option<Spanned<Vec<Text>>>,
}

/// `[rules.NAME]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleToml {
    pub(super) title: Option<Text>,
    pub(super) r#type: Option<Text>,
    pub(super) timezone: Option<Text>,
    pub(super) date: Option<Text>,
    pub(super) r#where: Option<Text>,
    #[serde(default)]
    pub(super) group_by: Vec<Text>,
    pub(super) value: Option<Text>,
    pub(super) window: Option<Text>,
    pub(super) every: Option<Text>,
    pub(super) settle: Option<Text>,
    pub(super) levels: Option<Spanned<Vec<(Text, Text)>>>,
    #[serde(default)]
    pub(super) recover: BTreeMap<Text, Text>,
    pub(super) r#for: Option<Text>,
    pub(super) keep_firing_for: Option<Text>,
    pub(super) min_records: Option<Spanned<u32>>,
    pub(super) during: Option<Text>,
    pub(super) when_empty: Option<Text>,
    pub(super) when_gone: Option<Text>,
    pub(super) max_groups: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) labels: BTreeMap<Text, Text>,
    pub(super) format: Option<Text>,
    pub(super) runbook: Option<Text>,
}

/// `[calendars.NAME]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CalendarToml {
    pub(super) timezone: Option<Text>,
    #[serde(default)]
    pub(super) hours: BTreeMap<Text, Text>,
    #[serde(default)]
    pub(super) holidays: Vec<Text>,
}

/// One `[[routes]]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteToml {
    pub(super) when: Option<Text>,
    pub(super) to: Option<Spanned<Vec<Text>>>,
    pub(super) repeat: Option<Text>,
}

/// `[receivers.NAME]` with `kind = "email"`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EmailToml {
    pub(super) to: Option<Spanned<Vec<Text>>>,
}

/// `[receivers.NAME]` with `kind = "webhook"`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookToml {
    pub(super) url: Option<Text>,
    #[serde(default)]
    pub(super) secrets: Vec<Text>,
}
