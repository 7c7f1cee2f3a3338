//! The built-in datasets: the objects that messaging reports are made of, with every field of
//! theirs that the API gives and that is not personal.
//!
//! Left out on purpose: message bodies and previews, platform keys (phone numbers, page-scoped
//! ids), per-viewer dates, fields that exist in Salesforce's own reports alone (`IsTransfer`,
//! `IsConference`), counters that enhanced sessions do not fill (`AgentMessageCount`), and fields
//! newer than the lowest API version we speak. `MessagingEndUser.Name` may be a phone number; it is
//! kept because people ask for the users of an account, and reports mask it.

use crate::domain::coverage::CoverageFact;
use crate::domain::dataset::{Dataset, Field, PickValue, Picklist};

mod fields;
mod picklists;

use fields::Row;
use picklists::Pick;

/// An object as written in the tables of [`fields`].
struct Object {
    name: &'static str,
    fields: &'static [Row],
    label: &'static str,
    unique: &'static [&'static [&'static str]],
    visible: &'static [&'static str],
    whole: bool,
    /// Of what happened, not of who or what there is.
    dated: bool,
    coverage: &'static [Fact],
}

/// A [`CoverageFact`] as written here.
struct Fact {
    from: &'static str,
    date: &'static str,
    filter: &'static str,
    have: &'static str,
    missing: &'static [(&'static str, &'static str)],
    noun: &'static str,
    verb: &'static str,
}

/// The built-in datasets of the Salesforce source with this name.
pub fn datasets(source_name: &str) -> Vec<Dataset> {
    OBJECTS.iter().map(|object| object.dataset(source_name)).collect()
}

/// Whether the object has `IsDeleted`: users are deactivated and never deleted.
pub(super) fn has_deleted_flag(object: &str) -> bool {
    object != "User"
}

const OBJECTS: &[Object] = &[
    Object {
        name: "MessagingSession",
        fields: fields::SESSION,
        label: "Name",
        unique: &[],
        // A session is written when it starts, and again when it ends.
        visible: &["CreatedDate", "StartTime", "EndTime"],
        whole: false,
        dated: true,
        coverage: &[],
    },
    Object {
        name: "MessagingSessionMetrics",
        fields: fields::METRICS,
        label: "Name",
        unique: &[&["MessagingSessionId", "MessagingSessionMetricType"]],
        visible: &["CreatedDate"],
        whole: false,
        dated: true,
        coverage: &[METRICS_COVERAGE, METRICS_TO_COME],
    },
    Object {
        name: "MessagingEndUser",
        fields: fields::END_USER,
        label: "Name",
        unique: &[],
        visible: &["CreatedDate"],
        whole: false,
        dated: false,
        coverage: &[],
    },
    Object {
        name: "MessagingChannel",
        fields: fields::CHANNEL,
        label: "MasterLabel",
        unique: &[],
        visible: &["CreatedDate"],
        // A handful of rows, and the object has no deletion log: read whole.
        whole: true,
        dated: false,
        coverage: &[],
    },
    Object {
        name: "Account",
        fields: fields::ACCOUNT,
        label: "Name",
        unique: &[],
        visible: &["CreatedDate"],
        whole: false,
        dated: false,
        coverage: &[],
    },
    Object {
        name: "AgentWork",
        fields: fields::AGENT_WORK,
        label: "Name",
        unique: &[],
        // Not `RequestDateTime`: the row is made when the work is assigned, later than requested.
        visible: &[
            "CreatedDate",
            "AssignedDateTime",
            "AcceptDateTime",
            "CloseDateTime",
            "CancelDateTime",
            "DeclineDateTime",
            "PushTimeoutDateTime",
        ],
        whole: false,
        dated: true,
        coverage: &[],
    },
    Object {
        name: "ConversationEntry",
        fields: fields::ENTRY,
        label: "Id",
        unique: &[],
        // Not `EntryTime`: rows appear after the session has ended and the tab is closed.
        visible: &["CreatedDate"],
        whole: false,
        dated: true,
        coverage: &[DELIVERY_COVERAGE],
    },
    Object {
        name: "User",
        fields: fields::USER,
        label: "Name",
        unique: &[],
        visible: &["CreatedDate"],
        whole: false,
        dated: false,
        coverage: &[],
    },
];

/// Every session that ends gets its metrics at once, so one type stands for all of them;
/// end users write in nearly every session, which makes theirs the one least likely to be left out
/// where nothing was counted.
const METRICS_COVERAGE: Fact = Fact {
    from: "MessagingSession session \
           left join MessagingChannel channel on channel.Id = session.MessagingChannelId \
           left join MessagingSessionMetrics metric on metric.MessagingSessionId = session.Id \
           and metric.MessagingSessionMetricType = 'EndUserMessageCount'",
    date: "session.StartTime",
    filter: "session.Status = 'Ended'",
    have: "count(metric.Id)",
    missing: &[
        (
            "count() filter (where metric.Id is null and channel.PlatformType = 'Standard')",
            "on standard channels",
        ),
        (
            "count() filter (where metric.Id is null \
             and (channel.PlatformType is null or channel.PlatformType <> 'Standard') \
             and session.CreatedDate < '2024-10-01T00:00:00Z')",
            "began before October 2024",
        ),
        (
            "count() filter (where metric.Id is null \
             and (channel.PlatformType is null or channel.PlatformType <> 'Standard') \
             and session.CreatedDate >= '2024-10-01T00:00:00Z')",
            "not yet in the source",
        ),
    ],
    noun: "ended sessions",
    verb: "have metrics",
};

/// Metrics come when a session ends, so the figures of the last days grow while idle sessions of
/// theirs are still open.
const METRICS_TO_COME: Fact = Fact {
    from: "MessagingSession session",
    date: "session.StartTime",
    filter: "session.Status is not null",
    have: "count() filter (where session.Status in ('Ended', 'Error'))",
    missing: &[(
        "count() filter (where session.Status not in ('Ended', 'Error'))",
        "still open, their metrics to come",
    )],
    noun: "sessions",
    verb: "are over",
};

/// Zero failures on an enhanced channel means "not measured"; the entries themselves need not be
/// joined to know which sessions that concerns.
const DELIVERY_COVERAGE: Fact = Fact {
    from: "MessagingSession session \
           left join MessagingChannel channel on channel.Id = session.MessagingChannelId",
    date: "session.StartTime",
    filter: "session.Status = 'Ended'",
    have: "count() filter (where channel.PlatformType = 'Standard')",
    missing: &[
        (
            "count() filter (where channel.PlatformType <> 'Standard')",
            "on enhanced channels, where failures are not recorded",
        ),
        ("count() filter (where channel.PlatformType is null)", "on channels of unknown platform"),
    ],
    noun: "ended sessions",
    verb: "are on channels that record delivery failures",
};

impl Object {
    fn dataset(&self, source: &str) -> Dataset {
        let at = |name: &str| {
            let found = self.fields.iter().position(|row| row.name == name);
            found.expect("the tables of built-in objects name fields of their own")
        };
        Dataset {
            name: self.name.to_owned(),
            source: source.to_owned(),
            object: self.name.to_owned(),
            home: String::new(),
            fields: self.fields.iter().map(Row::field).collect(),
            key: at("Id"),
            updated: Some(at("SystemModstamp")),
            created: Some(at("CreatedDate")),
            label: at(self.label),
            unique: self
                .unique
                .iter()
                .map(|set| set.iter().map(|name| at(name)).collect())
                .collect(),
            visible: self.visible.iter().map(|name| at(name)).collect(),
            whole: self.whole,
            dated: self.dated,
            keep: None,
            history: None,
            coverage: self.coverage.iter().map(Fact::coverage).collect(),
            link: None,
        }
    }
}

impl Row {
    fn field(&self) -> Field {
        Field {
            name: self.name.to_owned(),
            label: self.label.to_owned(),
            path: self.name.to_owned(),
            ty: self.ty,
            nullable: self.nullable,
            picklist: self.pick.map(Pick::picklist),
        }
    }
}

impl Pick {
    fn picklist(&self) -> Picklist {
        let owned = |(a, b): &(&str, &str)| (a.to_string(), b.to_string());
        Picklist {
            values: self
                .values
                .iter()
                .map(owned)
                .map(|(value, label)| PickValue { value, label })
                .collect(),
            open: self.open,
            mistaken: self.mistaken.iter().map(owned).collect(),
        }
    }
}

impl Fact {
    fn coverage(&self) -> CoverageFact {
        CoverageFact {
            from: self.from.to_owned(),
            date: self.date.to_owned(),
            filter: self.filter.to_owned(),
            have: self.have.to_owned(),
            missing: self
                .missing
                .iter()
                .map(|(count, reason)| (count.to_string(), reason.to_string()))
                .collect(),
            noun: self.noun.to_owned(),
            verb: self.verb.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_object_is_whole_in_itself() {
        let all = datasets("org");
        assert_eq!(all.len(), 8);
        for dataset in &all {
            let names: BTreeSet<_> = dataset.fields.iter().map(|f| f.name.as_str()).collect();
            assert_eq!(names.len(), dataset.fields.len(), "{}: a field twice", dataset.name);
            assert_eq!(dataset.source, "org");
            assert_eq!(dataset.fields[dataset.key].name, "Id");
            assert_eq!(dataset.fields[dataset.updated.unwrap()].name, "SystemModstamp");
            assert!(!dataset.visible.is_empty(), "{}", dataset.name);
        }
    }

    #[test]
    fn personal_and_unreachable_fields_are_not_pulled() {
        const NEVER: &[&str] = &[
            "AgentMessageCount",
            "EndUserMessageCount",
            "PreviewDetails",
            "Message",
            "MessagingPlatformKey",
            "ActorName",
            "IsTransfer",
            "IsConference",
            "LastViewedDate",
            "LastReferencedDate",
            "ProfilePictureUrl",
            "Email",
            "Phone",
            "CurrencyIsoCode",
            "TransferRequesterId",
        ];
        for dataset in datasets("org") {
            for field in &dataset.fields {
                assert!(!NEVER.contains(&field.name.as_str()), "{}.{}", dataset.name, field.name);
            }
        }
    }

    #[test]
    fn picklists_speak_the_words_of_people_and_know_the_usual_mistakes() {
        let all = datasets("org");
        let pick = |dataset: &str, field: &str| -> Picklist {
            let dataset = all.iter().find(|d| d.name == dataset).unwrap();
            dataset.fields[dataset.field(field).unwrap()].picklist.clone().unwrap()
        };
        let label = |dataset: &str, field: &str, value: &str| -> String {
            let list = pick(dataset, field);
            list.values.iter().find(|v| v.value == value).unwrap().label.clone()
        };
        assert_eq!(label("MessagingChannel", "MessageType", "EmbeddedMessaging"), "Enhanced Chat");
        assert_eq!(label("MessagingChannel", "MessageType", "Text"), "SMS");
        assert_eq!(label("MessagingChannel", "MessageType", "Custom"), "Bring Your Own Channel");
        assert_eq!(label("MessagingSession", "AgentType", "BotToAgent"), "Bot & Agent");
        assert_eq!(label("MessagingSession", "EndedByType", "EndUser"), "End user");
        let status = pick("MessagingSession", "Status");
        assert!(status.values.iter().all(|v| v.value != "Closed"));
        assert!(
            status
                .mistaken
                .iter()
                .any(|(wrong, help)| wrong == "Closed" && help.contains("'Ended'"))
        );
        assert!(pick("MessagingSessionMetrics", "MessagingSessionMetricType").open);
        assert!(pick("AgentWork", "Status").values.iter().any(|v| v.value == "Closed"));
    }

    #[test]
    fn a_metric_is_unique_by_session_and_type() {
        let all = datasets("org");
        let metrics = all.iter().find(|d| d.name == "MessagingSessionMetrics").unwrap();
        let set: Vec<usize> = ["MessagingSessionId", "MessagingSessionMetricType"]
            .iter()
            .map(|name| metrics.field(name).unwrap())
            .collect();
        assert!(metrics.is_unique(&set));
        assert!(!metrics.is_unique(&set[..1]));
    }
}
