//! Whole mails, as people get them. Snapshots hold each part; the clock and the ids are ours.

pub(crate) mod fixtures;
mod news;
mod notifications;
pub(crate) mod schema;

use chrono::TimeDelta;
use insta::assert_snapshot;

use crate::domain::digest::Headline;
use crate::domain::table::Section;
use crate::domain::value::Value;

use super::*;
use fixtures::*;

#[test]
fn a_digest_with_all_kinds_of_columns() {
    let mail = render_digest(&digest());
    assert_eq!(mail.subject, "Messaging last 7 days: Mean of session means 3 min 20 s");
    assert_eq!(mail.problem, None);
    assert_snapshot!("digest.html", mail.html);
    assert_snapshot!("digest.txt", mail.text);
}

#[test]
fn a_digest_on_a_good_day() {
    let mail = render_digest(&calm());
    assert_snapshot!("calm.html", mail.html);
    assert_snapshot!("calm.txt", mail.text);
}

#[test]
fn a_late_and_provisional_digest_says_so_at_its_head() {
    let mut digest = calm();
    digest.made_at = digest.planned_at + TimeDelta::minutes(72);
    digest.missed = Some("2 earlier mails of this digest were missed while down.".to_owned());
    for section in &mut digest.sections {
        if let Section::Table(table) = section {
            table.provisional = Some("the last day is not over".to_owned());
        }
    }
    let mail = render_digest(&digest);
    for told in [
        "late by 1 h 12 min: planned for 08:00, made at 09:12",
        "2 earlier mails",
        "Provisional: the figures in this mail may still change.",
        "Provisional: the last day is not over",
    ] {
        let plain = mail.text.replace('\n', " ");
        assert!(plain.contains(told), "{told} in {plain}");
        assert!(format::plain(&mail.html).contains(told), "{told} in the HTML");
    }
    assert_snapshot!("late.txt", mail.text);
}

#[test]
fn an_incident_fires_rises_goes_on_and_resolves_under_one_subject() {
    let kinds = [
        (IncidentKind::Fired, "fired"),
        (IncidentKind::LevelUp, "level_up"),
        (IncidentKind::Reminder, "reminder"),
        (IncidentKind::Resolved, "resolved"),
    ];
    for (kind, name) in kinds {
        let mail = render_incident(&incident(kind));
        assert_eq!(
            mail.subject,
            "[postrider] Customers wait too long for an answer: WhatsApp EMEA"
        );
        assert_snapshot!(format!("incident-{name}.txt"), mail.text);
        if matches!(kind, IncidentKind::Fired | IncidentKind::Resolved) {
            assert_snapshot!(format!("incident-{name}.html"), mail.html);
        }
    }
}

#[test]
fn the_end_of_the_data_is_not_told_as_a_recovery() {
    let mut incident = incident(IncidentKind::Resolved);
    incident.closed = Some("no more data".to_owned());
    let mail = render_incident(&incident);
    let news = "Closed at 14:30 after 35 min: no more data. No recovery was seen.";
    assert!(format::plain(&mail.html).contains(news));
    assert!(mail.text.starts_with(news), "{}", mail.text);
    assert!(!mail.text.contains("Resolved\n") && !mail.html.contains("class=\"ok\""));
}

#[test]
fn incidents_that_came_and_went_unseen_are_listed() {
    let mut incident = incident(IncidentKind::Fired);
    let passed = |began: &str, ended: Option<&str>| PassedIncident {
        began: at(began),
        ended: ended.map(at),
        level: "warning".to_owned(),
        worst: Some(420.0),
    };
    incident.passed = vec![
        passed("2026-11-23T08:00:00Z", Some("2026-11-23T08:20:00Z")),
        passed("2026-11-23T10:00:00Z", None),
    ];
    incident.passed_more = 1;
    let mail = render_incident(&incident);
    for told in [
        "Mon 23 Nov 2026, 09:00 to 09:20, warning, worst 7 min",
        "from 23 Nov 2026 11:00, warning, worst 7 min",
        "and 1 more incident",
    ] {
        assert!(mail.text.contains(told), "{told}: {}", mail.text);
        assert!(format::plain(&mail.html).contains(told), "{told} in the HTML");
    }
}

#[test]
fn a_notice_tells_the_owner_what_happened_and_what_to_do() {
    let mail = render_notice(&NoticeMail {
        title: "Receiver `ops-hook` refuses us".to_owned(),
        paragraphs: vec![
            "The endpoint answered 401. 3 messages wait for it; nothing is lost, they go out as \
             soon as it takes them again."
                .to_owned(),
            "Check its secret, then run `postrider outbox retry ops-hook`.".to_owned(),
        ],
        facts: vec![
            ("Receiver".to_owned(), "ops-hook".to_owned()),
            ("Waiting".to_owned(), "3 messages".to_owned()),
        ],
        why: None,
        instance: Some("reports-1".to_owned()),
        locale: "en-GB".to_owned(),
        look: Look::default(),
    });
    assert_eq!(mail.subject, "[postrider] Receiver `ops-hook` refuses us");
    assert_snapshot!("notice.html", mail.html);
    assert_snapshot!("notice.txt", mail.text);
}

#[test]
fn the_whole_source_of_a_mail() {
    let mut digest = calm();
    digest.sections.truncate(1);
    let bytes = mail_bytes(&envelope(), &render_digest(&digest)).unwrap();
    assert_snapshot!("source.eml", String::from_utf8(bytes).unwrap().replace("\r\n", "\n"));
}

#[test]
fn the_same_arguments_give_the_same_bytes() {
    let make = || {
        let digest = digest();
        let rendered = render_digest(&digest);
        let payload = digest_payload(&digest, &rendered);
        (mail_bytes(&envelope(), &rendered).unwrap(), payload)
    };
    assert_eq!(make(), make());
}

#[test]
fn a_template_that_fails_costs_the_subject_and_not_the_mail() {
    let mut digest = calm();
    digest.subject = "{{ nonsense }}".to_owned();
    let mail = render_digest(&digest);
    assert_eq!(mail.subject, "morning of Mon 23 Nov 2026 (its subject template failed)");
    assert!(mail.problem.is_some_and(|problem| problem.starts_with("subject template: ")));
    assert!(mail.text.contains("WhatsApp EMEA"));
}

#[test]
fn a_headline_without_a_figure_is_not_a_zero() {
    let mut digest = digest();
    digest.headline = Some(Headline { report: 6, column: 0 });
    let mail = render_digest(&digest);
    assert!(mail.subject.ends_with("keep an agent busy? no figure"), "{}", mail.subject);

    digest.headline = Some(Headline { report: 1, column: 1 });
    if let Section::Table(table) = &mut digest.sections[1] {
        table.total.as_mut().unwrap()[1] = Value::Null;
    }
    assert!(render_digest(&digest).subject.ends_with("Mean of session means no figure"));
}

#[test]
fn markup_in_records_stays_text() {
    let mail = render_digest(&calm());
    assert!(!mail.html.contains("<script>"), "escaped");
    assert!(mail.html.contains("&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;"));
    assert!(!mail.html.contains('\u{202e}') && !mail.text.contains('\u{202e}'));
    assert!(mail.html.contains("\u{2068}شركة الأمل\u{2069}"));
    assert!(mail.text.contains("\u{2068}شركة الأمل\u{2069}"));

    let mut incident = incident(IncidentKind::Fired);
    incident.runbook = Some("javascript:alert(1)".to_owned());
    incident.group[0].1 = "\"><img src=x onerror=alert(1)>".to_owned();
    let mail = render_incident(&incident);
    assert!(!mail.html.contains("<img") && !mail.html.contains("href=\"javascript"));
}

#[test]
fn every_mail_can_be_read_aloud_and_loads_nothing() {
    let notice = NoticeMail {
        title: "Title".to_owned(),
        facts: vec![("Receiver".to_owned(), "ops".to_owned())],
        ..NoticeMail::default()
    };
    for mail in [
        render_digest(&digest()),
        render_incident(&incident(IncidentKind::LevelUp)),
        render_notice(&notice),
    ] {
        let html = &mail.html;
        assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"en-GB\" dir=\"ltr\">"));
        assert!(html.contains("<body ") && html.contains("<div lang=\"en-GB\" dir=\"ltr\">"));
        assert_eq!(html.matches("<h1").count(), 1);
        // Each table is for layout, and says so, or holds data under a caption.
        for table in html.split("<table").skip(1) {
            let (tag, rest) = table.split_once('>').unwrap();
            let captioned = rest.trim_start().starts_with("<caption");
            assert!(tag.contains("role=\"presentation\"") != captioned, "{tag}");
        }
        for heading in html.split("<th").skip(1).filter(|th| th.starts_with(' ')) {
            assert!(heading.split('>').next().unwrap().contains("scope=\""), "{heading:.60}");
        }
        for load in ["src=", "url(", "<link", "<img", "<script", "@import", "http://"] {
            let found = html.replace("http://evil.example", "");
            assert!(!found.contains(load), "{load}");
        }
        let style = html.split("<style>").nth(2).unwrap().split("</style>").next().unwrap();
        assert!(style.len() < 8_000, "{}", style.len());
    }
}

#[test]
fn figures_follow_the_readers_country_and_words_stay_english() {
    let mut digest = calm();
    digest.locale = "de-DE".to_owned();
    let mail = render_digest(&digest);
    assert_eq!(mail.language, "en");
    assert!(mail.html.starts_with("<!DOCTYPE html>\n<html lang=\"en\" dir=\"ltr\">"));
    for written in ["1.204", "51,0 %", "Mon 16.11. to Sun 22.11.2026"] {
        assert!(mail.text.contains(written), "{written}: {}", mail.text);
    }
}

/// Thirteen reports of fifty rows and seven columns of long texts and figures.
fn large() -> DigestMail {
    let mut digest = digest();
    let mut wide = days();
    wide.columns[0] =
        column("*Channel", crate::domain::value::Type::Text, crate::domain::report::Format::Auto);
    wide.rows = (0..50)
        .map(|n| {
            let mut row = vec![text(&format!("Kanal für Größe & Maß {n} <{}>", "ü".repeat(40)))];
            row.extend((1..8).map(|i| Value::Integer(n * 1_000_000 + i)));
            row
        })
        .collect();
    wide.total = Some(vec![Value::Null; 8]);
    digest.sections = (0..13).map(|_| Section::Table(wide.clone())).collect();
    digest
}

#[test]
fn thirteen_large_reports_stay_within_the_budget_and_say_what_is_missing() {
    let digest = large();
    let mail = render_digest(&digest);
    assert!(mail.html.len() <= HTML_BYTES_MAX, "{}", mail.html.len());
    let shown = mail.html.matches("<th scope=\"row\"").count() / 13;
    assert!(shown >= 4, "{shown} rows of each");
    let hidden = format!("and {} more rows, left out to keep this mail small", 50 - shown);
    assert_eq!(mail.html.matches(&hidden).count(), 13);
    assert_eq!(mail.text.matches(&hidden).count(), 13);
    assert_eq!(mail.html.matches(">Total<").count(), 13);
}

#[test]
fn even_absurd_digests_stay_within_the_budget() {
    let mut digest = large();
    for section in &mut digest.sections {
        if let Section::Table(table) = section {
            table.about = Some("ö".repeat(5_000));
            table.coverage = vec!["ä".repeat(5_000); 20];
        }
    }
    let more = digest.sections.clone();
    digest.sections.extend(more.iter().cycle().take(100).cloned());
    let mail = render_digest(&digest);
    assert!(mail.html.len() <= HTML_BYTES_MAX, "{}", mail.html.len());
    assert!(mail.html.contains("53 more reports have no room in one mail."));
    assert!(mail.html.contains("Left out, because this mail would be too large."));
}

#[test]
fn text_lines_keep_within_78_columns() {
    use unicode_width::UnicodeWidthStr;
    let mails = [
        render_digest(&digest()),
        render_digest(&large()),
        render_incident(&incident(IncidentKind::Reminder)),
    ];
    for mail in mails {
        // What is copied into a shell stays whole.
        for line in mail.text.lines().filter(|line| !line.starts_with("  postrider ")) {
            assert!(line.width() <= 78, "{}: {line}", line.width());
        }
    }
}

#[test]
fn payloads_are_typed_and_versioned() {
    let digest = digest();
    let payload = digest_payload(&digest, &render_digest(&digest));
    let mut json: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert!(json["data"]["html"].as_str().unwrap().starts_with("<!DOCTYPE html>"));
    for large in ["html", "text"] {
        json["data"][large] = serde_json::Value::Null;
    }
    assert_snapshot!("digest.json", serde_json::to_string_pretty(&json).unwrap());

    let incident = incident(IncidentKind::LevelUp);
    let payload = incident_payload(&incident, &render_incident(&incident));
    let mut json: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    json["data"]["text"] = serde_json::Value::Null;
    assert_snapshot!("incident.json", serde_json::to_string_pretty(&json).unwrap());
}
