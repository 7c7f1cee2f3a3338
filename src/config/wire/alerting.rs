//! Rules, calendars, routes and receivers as written.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use toml::Spanned;

use super::Text;

/// `[rules.NAME]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RuleToml {
    pub(in crate::config) title: Option<Text>,
    pub(in crate::config) kind: Option<Text>,
    pub(in crate::config) r#type: Option<Text>,
    pub(in crate::config) timezone: Option<Text>,
    pub(in crate::config) date: Option<Text>,
    pub(in crate::config) r#where: Option<Text>,
    #[serde(default)]
    pub(in crate::config) group_by: Vec<Text>,
    pub(in crate::config) value: Option<Text>,
    pub(in crate::config) out_of: Option<Text>,
    pub(in crate::config) confidence: Option<Spanned<f64>>,
    pub(in crate::config) baseline: Option<Text>,
    pub(in crate::config) judge: Option<Text>,
    pub(in crate::config) min_baseline: Option<Spanned<f64>>,
    pub(in crate::config) calendar: Option<Text>,
    pub(in crate::config) new_within: Option<Text>,
    pub(in crate::config) window: Option<Text>,
    pub(in crate::config) every: Option<Text>,
    pub(in crate::config) settle: Option<Text>,
    pub(in crate::config) level: Option<Text>,
    #[serde(default)]
    pub(in crate::config) columns: Vec<Text>,
    pub(in crate::config) changes: Option<Text>,
    pub(in crate::config) levels: Option<Spanned<Vec<(Text, Text)>>>,
    #[serde(default)]
    pub(in crate::config) recover: BTreeMap<Text, Text>,
    pub(in crate::config) r#for: Option<Text>,
    pub(in crate::config) keep_firing_for: Option<Text>,
    pub(in crate::config) clock: Option<Text>,
    pub(in crate::config) min_records: Option<Spanned<u32>>,
    pub(in crate::config) during: Option<Text>,
    pub(in crate::config) when_empty: Option<Text>,
    pub(in crate::config) when_gone: Option<Text>,
    pub(in crate::config) max_groups: Option<Spanned<u32>>,
    pub(in crate::config) expect: Option<Spanned<ExpectToml>>,
    pub(in crate::config) warm_up: Option<Text>,
    #[serde(default)]
    pub(in crate::config) labels: BTreeMap<Text, Text>,
    pub(in crate::config) format: Option<Text>,
    pub(in crate::config) runbook: Option<Text>,
    pub(in crate::config) owner: Option<Text>,
    #[serde(default)]
    pub(in crate::config) depends_on: Vec<Text>,
    #[serde(default)]
    pub(in crate::config) evidence: Vec<Text>,
}

/// `expect`: groups by name, or how those are learned that must be there.
pub(in crate::config) enum ExpectToml {
    Groups(Vec<Text>),
    Learned(String),
}

impl<'de> Deserialize<'de> for ExpectToml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ExpectToml, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = ExpectToml;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of groups in brackets or e.g. `\"seen within 7 days\"`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ExpectToml, E> {
                Ok(ExpectToml::Learned(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ExpectToml, A::Error> {
                let mut groups = Vec::new();
                while let Some(group) = list.next_element()? {
                    groups.push(group);
                }
                Ok(ExpectToml::Groups(groups))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// `[calendars.NAME]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct CalendarToml {
    pub(in crate::config) timezone: Option<Text>,
    pub(in crate::config) country: Option<Text>,
    #[serde(default)]
    pub(in crate::config) hours: BTreeMap<Text, Text>,
    #[serde(default)]
    pub(in crate::config) holidays: Vec<Text>,
}

/// One `[[routes]]`; a `repeat` that is a table is taken out before.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RouteToml {
    pub(in crate::config) when: Option<Text>,
    pub(in crate::config) to: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub(in crate::config) group_by: Vec<Text>,
    pub(in crate::config) wait: Option<Text>,
    pub(in crate::config) interval: Option<Text>,
    pub(in crate::config) repeat: Option<Text>,
    pub(in crate::config) hours: Option<Text>,
    #[serde(default)]
    pub(in crate::config) mute: Vec<Text>,
    #[serde(default)]
    pub(in crate::config) escalate: Vec<Spanned<EscalationToml>>,
    pub(in crate::config) ack_for: Option<Text>,
    pub(in crate::config) clock: Option<Text>,
}

/// `repeat` of a route, as a table.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RepeatToml {
    pub(in crate::config) every: Option<Text>,
    pub(in crate::config) growth: Option<Spanned<f64>>,
    pub(in crate::config) max: Option<Text>,
    pub(in crate::config) times: Option<Spanned<u32>>,
}

/// One step of a route's `escalate`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct EscalationToml {
    pub(in crate::config) after: Option<Text>,
    pub(in crate::config) to: Option<Spanned<Vec<Text>>>,
}

/// One `[[inhibitions]]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct InhibitionToml {
    pub(in crate::config) when: Option<Text>,
    pub(in crate::config) hides: Option<Text>,
    #[serde(default)]
    pub(in crate::config) equal: Vec<Text>,
}

/// `[receivers.NAME]` with `kind = "email"`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct EmailToml {
    pub(in crate::config) to: Option<Spanned<Vec<Text>>>,
    pub(in crate::config) together: Option<Spanned<bool>>,
}

/// What every `[receivers.NAME]` may have, whatever its kind; taken out before.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct CareToml {
    pub(in crate::config) fallback: Option<Text>,
    pub(in crate::config) fallback_after: Option<Text>,
    pub(in crate::config) limit: Option<Text>,
    pub(in crate::config) canary: Option<Text>,
}

/// What every receiver that is reached by HTTP may have: the way there.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct PassageToml {
    pub(in crate::config) private: Option<Spanned<bool>>,
    #[serde(default)]
    pub(in crate::config) allow: Vec<Text>,
    pub(in crate::config) ca: Option<Text>,
    pub(in crate::config) proxy: Option<Text>,
    pub(in crate::config) timeout: Option<Text>,
}

/// `[receivers.NAME]` with `kind = "webhook"`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WebhookToml {
    pub(in crate::config) url: Option<Text>,
    #[serde(default)]
    pub(in crate::config) secrets: Vec<Text>,
    #[serde(default)]
    pub(in crate::config) headers: BTreeMap<Text, Text>,
    pub(in crate::config) shape: Option<Text>,
    pub(in crate::config) body: Option<Text>,
}

/// `[receivers.NAME]` with `kind = "slack"`, `"teams"` or `"discord"`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ChatToml {
    pub(in crate::config) url: Option<Text>,
}

/// `[receivers.NAME]` with `kind = "telegram"`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct TelegramToml {
    pub(in crate::config) token: Option<Text>,
    pub(in crate::config) chat: Option<Text>,
    pub(in crate::config) url: Option<Text>,
}

/// `[receivers.NAME]` with `kind = "pagerduty"`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct PagerDutyToml {
    pub(in crate::config) key: Option<Text>,
    pub(in crate::config) url: Option<Text>,
}

/// `[receivers.NAME]` with `kind = "alertmanager"`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct AlertmanagerToml {
    pub(in crate::config) url: Option<Text>,
    pub(in crate::config) token: Option<Text>,
    pub(in crate::config) username: Option<Text>,
    pub(in crate::config) password: Option<Text>,
}
