//! Notifications of several incidents, of records, and those that cannot be drawn.

use std::collections::BTreeMap;

use super::fixtures::{self, at, berlin, incident, waits};
use crate::domain::notification::Kind;
use crate::render::*;

fn of(kind: Kind, items: Vec<IncidentMail>) -> NotificationMail {
    NotificationMail {
        kind,
        key: "thread/1/ops".to_owned(),
        thread: "thread".to_owned(),
        sequence: 1,
        at: at("2026-11-23T13:33:00Z"),
        reason: "it fired".to_owned(),
        grouped_by: BTreeMap::new(),
        items,
        more_firing: 0,
        more_ended: 0,
        records: Vec::new(),
        records_more: 0,
        instead_of: None,
        late: None,
        data: Vec::new(),
        zone: berlin(),
        locale: "en-GB".to_owned(),
        owner: None,
        public_url: None,
        look: Look::default(),
    }
}

fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_subject_of_a_thread_never_changes() {
    #[track_caller]
    fn check(grouped_by: &[(&str, &str)], expected: &str) {
        let (fired, over) = (incident(IncidentKind::Fired), incident(IncidentKind::Resolved));
        let mails = [
            of(Kind::Fired, vec![fired.clone()]),
            of(Kind::Changed, vec![fired.clone(), over.clone(), fired]),
            of(Kind::Resolved, vec![over]),
        ];
        for mail in mails {
            let mail = NotificationMail { grouped_by: labels(grouped_by), ..mail };
            assert_eq!(render_notification(&mail).subject, expected);
        }
    }
    check(&[("team", "messaging")], "[postrider] team messaging");
    check(&[("rule", "longest-response")], "[postrider] Customers wait too long for an answer");
    check(
        &[("rule", "longest-response"), ("Channel", "SMS\r\nBcc: x@example.com")],
        "[postrider] Customers wait too long for an answer: SMS Bcc: x@example.com",
    );
    check(&[("team", ""), ("region", "EMEA")], "[postrider] region EMEA, no team");
}

#[test]
fn an_incident_with_its_surroundings_says_who_has_it_and_what_to_type() {
    let mut fired = incident(IncidentKind::Fired);
    fired.context.usual = Some(140.0);
    fired.context.recent = 4;
    let mail = NotificationMail {
        late: Some(chrono::TimeDelta::minutes(125)),
        instead_of: Some(("ops-hook".to_owned(), "it has not answered since 12:10".to_owned())),
        ..of(Kind::Fired, vec![fired.clone()])
    };
    let rendered = render_notification(&mail);
    let (text, html) = (flat(&rendered.text), format::plain(&rendered.html));
    for said in [
        "16 min 2 s, usually 2 min 20 s, above 15 min (critical), since 13:55.",
        "Meant for `ops-hook`: it has not answered since 12:10.",
        "Told 2 h 5 min late",
        "Flapping: fired 4 times within 24 h",
    ] {
        assert!(text.contains(said), "{said}: {text}");
        assert!(html.contains(said), "{said} in the HTML");
    }
    // Twice as many as usual is told by what was measured.
    fired.context.measured = Some(12.0);
    fired.context.usual = Some(48.0);
    fired.context.format_measured = Some(crate::domain::report::Format::Auto);
    fired.value = Some(-0.75);
    fired.format = crate::domain::report::Format::Percent;
    fired.threshold = Some("< -0.5".parse().unwrap());
    let text = flat(&render_notification(&of(Kind::Fired, vec![fired])).text);
    assert!(text.starts_with("12, usually 48: -75.0%, below -50.0% (critical)"), "{text}");
}

#[test]
fn a_group_is_told_by_its_counts_and_its_worst() {
    let mut items = vec![
        incident(IncidentKind::Fired),
        incident(IncidentKind::LevelUp),
        incident(IncidentKind::Reminder),
        incident(IncidentKind::Resolved),
    ];
    items[3].closed = Some("no more data".to_owned());
    let mail = NotificationMail {
        more_firing: 7,
        more_ended: 1,
        grouped_by: labels(&[("team", "messaging")]),
        ..of(Kind::Changed, items)
    };
    let rendered = render_notification(&mail);
    let text = flat(&rendered.text);
    for said in [
        "10 firing (1 new, 1 worse), 2 ended. The worst: WhatsApp EMEA, 16 min 2 s, above 15 min \
         (critical), since 13:55.",
        "and 7 more incidents",
        "and 1 more incident",
        "closed: no more data",
        "postrider silence add \"team = 'messaging'\" --for 2h",
    ] {
        assert!(text.contains(said), "{said}: {}", rendered.text);
    }
    let over = of(Kind::Resolved, vec![incident(IncidentKind::Resolved); 2]);
    let over = render_notification(&NotificationMail { more_ended: 3, ..over });
    assert!(over.html.contains("class=\"ok\"") && over.text.contains("Resolved: 5 incidents"));
}

/// Fifty incidents with long names, the first ones with all the evidence there can be.
fn fifty() -> NotificationMail {
    let items = (0..50).map(|n| {
        let mut item = incident(IncidentKind::Fired);
        item.incident = format!("{n:016x}");
        item.group[0].1 = format!("Kanal {n} <{}>", "&ü".repeat(60));
        item.title = "<\u{fc}&>".repeat(80);
        let mut table = waits();
        let row = vec![fixtures::text(&"&<ü>".repeat(60)); table.columns.len()];
        table.rows = vec![row.clone(); 10];
        table.rest = vec![row; 990];
        let evidence = Evidence { table, measure: None, sum: None, beyond: Some(7) };
        item.context.evidence = (n < 5).then_some(evidence);
        item.context.remarks = vec!["ö".repeat(2_000); 20];
        item
    });
    let mail = of(Kind::Fired, items.collect());
    NotificationMail { grouped_by: labels(&[("team", "messaging")]), ..mail }
}

#[test]
fn fifty_incidents_with_evidence_stay_within_the_budget() {
    let rendered = render_notification(&fifty());
    assert_eq!(rendered.problem, None);
    assert!(rendered.html.len() <= HTML_BYTES_MAX, "{}", rendered.html.len());
    assert!(rendered.html.contains("have no room in this mail"));
    let files = rendered.attachments.iter().map(|file| file.bytes.len());
    assert!(files.sum::<usize>() < 5 * 500_000);
}

#[test]
fn a_notification_that_cannot_be_drawn_is_told_plainly() {
    // Its evidence does not have the column that it says it has.
    let mut broken = incident(IncidentKind::Fired);
    broken.group[0].1 = "<script>alert(1)</script>".to_owned();
    let evidence = Evidence { table: waits(), measure: Some(99), sum: Some(1e9), beyond: None };
    broken.context.evidence = Some(evidence);
    let rendered = render_notification(&of(Kind::Fired, vec![broken]));
    assert!(rendered.problem.as_deref().is_some_and(|why| why.contains("index out of bounds")));
    assert!(rendered.subject.starts_with("[postrider] Customers wait too long for an answer"));
    for said in [
        "fired: 1 incident",
        "Customers wait too long for an answer (critical)",
        "value 962, level > 900",
        "incident longest-response/7",
        "could not be written as it should look",
    ] {
        assert!(rendered.text.contains(said), "{said}: {}", rendered.text);
        let escaped = said.replace('>', "&gt;");
        assert!(rendered.html.contains(&escaped), "{escaped}: {}", rendered.html);
    }
    assert!(!rendered.html.contains("<script>"));
    let bytes = mail_bytes(&fixtures::envelope(), &rendered).unwrap();
    assert!(bytes.len() > 1_000);
}
