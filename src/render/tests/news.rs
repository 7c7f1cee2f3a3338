//! Mails with what stands beside figures: changes, goals, trends, links; and those with a part, a
//! pivot, restated figures, a look or a template of their own.

use insta::assert_snapshot;

use crate::domain::compare::{Beside, Compared, Delta, Restated};
use crate::domain::digest::Headline;
use crate::domain::goal::Goal;
use crate::domain::period::Window;
use crate::domain::report::Format;
use crate::domain::table::{Section, Table};
use crate::domain::value::{Type, Value};
use crate::render::look::{Logo, accent};
use crate::render::view::{self, ChartView, Common, Picture, Room};
use crate::render::{DigestMail, Locale, Look, custom, digest_payload, format, render_digest};

use super::fixtures::*;

fn delta(before: f64, now: f64, unusual: bool, better: Option<bool>) -> Option<Delta> {
    Some(Delta {
        before,
        change: now - before,
        relative: Some((now - before) / before),
        usual: Some((before * 0.8, before * 1.1)),
        unusual,
        better,
    })
}

fn beside(deltas: Vec<Option<Delta>>, trend: &[f64]) -> Beside {
    let columns = deltas.len();
    let mut links = vec![None; columns];
    links[0] = Some("https://acme.example.com/channel/1".to_owned());
    Beside { deltas, trend: trend.iter().copied().map(Some).collect(), links }
}

/// Waits with goals, changes against the week before, a trend and links.
fn watched() -> Table {
    let mut table = waits();
    table.columns[2].goal = Some(Goal("<= 900".parse().unwrap()));
    table.columns[4].goal = Some(Goal(">= 80".parse().unwrap()));
    table.compared = Some(Compared {
        words: "the same weekdays of the last 4 weeks".to_owned(),
        windows: vec![],
        left_out: vec![(
            Window { from: at("2026-10-02T22:00:00Z"), to: at("2026-10-03T22:00:00Z") },
            "holiday".to_owned(),
        )],
    });
    table.trend = Some(4);
    table.beside = vec![
        beside(
            vec![
                None,
                delta(290.0, 412.3, true, Some(false)),
                delta(1_700.0, 1_803.0, false, Some(false)),
                delta(400.0, 402.0, false, None),
                delta(304.0, 431.0, true, None),
            ],
            &[310.0, 290.0, 305.0, 431.0],
        ),
        beside(vec![None, None, None, None, delta(700.0, 702.0, false, None)], &[690.0, 702.0]),
        beside(vec![None; 5], &[97.0, 97.0]),
        Beside::default(),
    ];
    table.beside_total = Some(Beside {
        deltas: vec![
            None,
            delta(189.0, 200.4, false, Some(false)),
            delta(700.0, 912.0, true, Some(false)),
            delta(1_200.0, 1_204.0, false, None),
            delta(1_300.0, 1_363.0, false, Some(true)),
        ],
        trend: vec![Some(1_280.0), Some(1_300.0), None, Some(1_363.0)],
        links: vec![],
    });
    table.drill = Some("https://acme.example.com/list?of=MessagingSession&x=1".to_owned());
    table.only = Some("channel.MessageType = 'WhatsApp'".to_owned());
    table
}

pub(super) fn watching() -> DigestMail {
    let mut mail = calm();
    mail.sections = vec![Section::Table(watched()), Section::Table(shares())];
    mail.headline = Some(Headline { report: 0, column: 2 });
    mail.subject = crate::render::subject::default_template(true).to_owned();
    mail
}

/// Sessions by channel and kind, the kinds as columns.
fn pivoted(kinds: usize) -> Table {
    let mut columns = vec![column("*Channel", Type::Text, Format::Auto)];
    for kind in 0..kinds {
        for (name, format) in [("Sessions", Format::Auto), ("Mean wait", Format::Duration)] {
            let pivot = match kind {
                0 => "Total".to_owned(),
                n => format!("Kind {n}"),
            };
            let mut column = column(&format!("{pivot}: {name}"), Type::Real, format);
            column.pivot = Some(pivot);
            columns.push(column);
        }
    }
    let row = |name: &str, factor: f64| {
        let figures = (0..kinds).flat_map(|kind| {
            let x = factor * (kind + 1) as f64;
            [Value::Real(x), Value::Real(x * 3.5)]
        });
        std::iter::once(text(name)).chain(figures).collect::<Vec<_>>()
    };
    let mut total = row("", 260.0);
    total[0] = Value::Null;
    Table {
        total: Some(total),
        ..table(
            "kinds",
            "Which kinds come where?",
            columns,
            vec![row("Web", 201.0), row("SMS", 59.0)],
        )
    }
}

fn only(table: Table) -> DigestMail {
    DigestMail { sections: vec![Section::Table(table)], headline: None, ..calm() }
}

fn told(mail: &crate::render::Rendered, words: &str) {
    let text = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(words), "{words} in {text}");
    let html = format::plain(&mail.html);
    assert!(html.contains(words), "{words} in {html}");
}

#[test]
fn the_list_view_and_the_first_screen_say_whether_to_worry() {
    let mail = render_digest(&watching());
    assert_eq!(
        mail.subject,
        "morning: 95 % under 15 min 12 s (+30%), goal \u{2264} 15 min missed, Mon 23 Nov 2026"
    );
    assert!(mail.html.contains(
        "95 % under: 15\u{a0}min 12\u{a0}s (+30%), goal \u{2264} 15\u{a0}min missed. 1 goal missed. 3 unusual \
         figures. 2 reports."
    ) || format::plain(&mail.html).contains(
        "95 % under: 15 min 12 s (+30%), goal \u{2264} 15 min missed. 1 goal missed. 3 unusual \
         figures. 2 reports."
    ));
    told(&mail, "\u{25b2} unusually high: +30% against the same weekdays of the last 4 weeks");
    told(&mail, "WhatsApp EMEA: Sessions 431: unusually high, +42% (usually 243 to 334)");
    told(&mail, "What changed");
    told(&mail, "Data complete to 07:55.");
    assert_eq!(mail.problem, None);
    assert_snapshot!("watching.html", mail.html);
    assert_snapshot!("watching.txt", mail.text);
}

#[test]
fn a_day_like_others_is_told_calmly() {
    let mut watched = watched();
    for beside in watched.beside.iter_mut().chain(&mut watched.beside_total) {
        beside.deltas.iter_mut().flatten().for_each(|delta| delta.unusual = false);
    }
    for column in &mut watched.columns {
        column.goal = None;
    }
    let mail = render_digest(&only(watched.clone()));
    told(&mail, "Nothing unusual: figures are within their usual spread.");
    assert!(!mail.html.contains("What changed") && !mail.text.contains("unusually"));

    // Nobody knows what is usual: then nothing is claimed, and the largest changes are told.
    for beside in watched.beside.iter_mut().chain(&mut watched.beside_total) {
        beside.deltas.iter_mut().flatten().for_each(|delta| delta.usual = None);
    }
    let mail = render_digest(&only(watched));
    told(&mail, "What changed");
    told(&mail, "\u{2022}");
    assert!(!mail.text.contains("Nothing unusual"), "{}", mail.text);

    let mail = render_digest(&only(waits()));
    assert!(!mail.text.contains("What changed") && !mail.text.contains("Nothing unusual"));
}

#[test]
fn values_of_a_pivot_stand_over_their_columns() {
    let mail = render_digest(&only(pivoted(3)));
    assert_eq!(mail.html.matches("scope=\"colgroup\" colspan=\"2\"").count(), 3);
    assert_eq!(mail.html.matches("rowspan=\"2\"").count(), 1);
    assert_snapshot!("pivot.html", mail.html);
    assert_snapshot!("pivot.txt", mail.text);

    // One figure a value: columns are named by the values alone.
    let mut single = pivoted(3);
    let keep = |row: &mut Vec<Value>| {
        *row = row.iter().take(1).chain(row.iter().skip(1).step_by(2)).cloned().collect()
    };
    single.rows.iter_mut().chain(&mut single.total).for_each(keep);
    single.columns.retain(|column| !column.name.ends_with("Mean wait"));
    for column in &mut single.columns {
        column.name = column.pivot.clone().unwrap_or(column.name.clone());
    }
    let mail = render_digest(&only(single));
    assert!(!mail.html.contains("colgroup"));
    assert_eq!(mail.html.matches(">Kind 1</th>").count(), 1);
    assert!(mail.text.contains("Kind 1") && !mail.text.contains("Sessions"));
}

#[test]
fn more_columns_than_fit_stand_in_blocks_under_each_other() {
    let mail = render_digest(&only(pivoted(9)));
    assert!(mail.text.contains("(part 1 of 3)") && mail.html.contains("(part 1 of 2)"));
    for heading in ["Kind 1", "Kind 8"] {
        told(&mail, heading);
    }
    use unicode_width::UnicodeWidthStr;
    assert!(mail.text.lines().all(|line| line.width() <= 78), "{}", mail.text);
    // Both blocks name their rows and have their totals.
    assert_eq!(mail.html.matches(">Web<").count(), 2);
    assert_eq!(mail.html.matches(">Total</th>").count(), 2 + 1);
}

#[test]
fn a_part_of_a_split_digest_says_whose_it_is() {
    let mut mail = calm();
    mail.part = Some("Acme GmbH".to_owned());
    mail.remarks = vec!["Part 1 of 12; together they are the whole.".to_owned()];
    mail.subject = "{{ part }}: {{ figures['accounts']['Sessions'] }} sessions".to_owned();
    mail.preheader = Some("{{ reports }} reports for {{ part }}".to_owned());
    mail.intro = Some("Good morning, {{ part }}.".to_owned());
    let mail = render_digest(&mail);
    assert_eq!(mail.subject, "Acme GmbH: 10,038 sessions");
    told(&mail, "Part 1 of 12; together they are the whole.");
    told(&mail, "Good morning, Acme GmbH.");
    assert!(mail.html.contains("2 reports for Acme GmbH"));
    assert_snapshot!("part.txt", mail.text);
}

#[test]
fn figures_that_are_others_now_are_told() {
    let mut table = waits();
    let restated = |column, before, now| Restated {
        slot: at("2026-11-16T07:00:00Z"),
        window: Window { from: at("2026-11-08T23:00:00Z"), to: at("2026-11-15T23:00:00Z") },
        column,
        before,
        now,
    };
    table.restated = vec![restated(4, 412.0, 431.0), restated(1, 120.0, 60.0)];
    let mail = render_digest(&only(table));
    told(
        &mail,
        "Restated since the mail of Mon 16 Nov 2026: Sessions of Mon 9 Nov to Sun 15 Nov 2026 412 \u{2192} 431 (+4.6%)",
    );
    told(&mail, "2 min \u{2192} 1 min (-50%)");
    assert_snapshot!("restated.txt", mail.text);
}

#[test]
fn low_coverage_and_late_provisional_figures_stand_on_the_first_screen() {
    let mut mail = calm();
    mail.made_at = mail.planned_at + chrono::TimeDelta::minutes(72);
    if let Section::Table(table) = &mut mail.sections[0] {
        table.coverage = vec!["704 of 1,310 ended sessions have metrics (606 too new).".to_owned()];
        table.coverage_low = table.coverage.clone();
        table.provisional = Some("the last day is not over".to_owned());
    }
    mail.subject =
        "{% if late %}late, {% endif %}{% if provisional %}provisional{% endif %}".to_owned();
    let mail = render_digest(&mail);
    assert_eq!(mail.subject, "late, provisional");
    told(&mail, "late by 1 h 12 min");
    told(&mail, "of 1 of 2 reports may still change");
    told(
        &mail,
        "Low coverage in \u{201c}On average, how many seconds do agents take to respond?\u{201d}: 704 of 1,310",
    );
    assert_snapshot!("provisional.html", mail.html);
}

#[test]
fn a_company_gives_mails_its_look() {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(400u32.to_be_bytes());
    bytes.extend(100u32.to_be_bytes());
    let mut mail = watching();
    mail.look = Look {
        logo: Some(Logo::read(bytes, "Acme".to_owned()).unwrap()),
        accent: Some(accent("#0f766e").unwrap()),
        footer: Some("Acme GmbH, Musterstra\u{df}e 1, Berlin".to_owned()),
    };
    let mail = render_digest(&mail);
    let logo = "<img src=\"cid:logo@postrider\" alt=\"Acme\" width=\"200\" height=\"50\"";
    assert!(mail.html.contains(logo));
    assert_eq!(mail.images.iter().map(|image| image.name.as_str()).collect::<Vec<_>>(), ["logo"]);
    assert!(mail.html.contains("#0f766e") && !mail.html.contains("#1D4ED8"));
    told(&mail, "Acme GmbH, Musterstra\u{df}e 1, Berlin");
    assert_snapshot!("look.html", mail.html);
}

#[test]
fn a_chart_stands_over_its_table_and_a_lost_one_is_told() {
    let picture = Picture {
        src: "cid:chart-1@postrider".to_owned(),
        alt: "Bars: \"Web\" has the most".to_owned(),
        width: 600,
        height: 240,
    };
    let sections = [Section::Table(waits()), Section::Table(shares())];
    let charts = [ChartView::Drawn(picture), ChartView::Lost("The chart is lost.".to_owned())];
    let locale = Locale::named("en-GB");
    let slot = calm().planned_at;
    let views = view::sections(&sections, &charts, Room::ALL, &Common::default(), locale, slot);
    let mut mail = crate::render::html::tests::view_of(&calm());
    mail.sections = views;
    let html = crate::render::html::digest(&mail);
    let img = "<img src=\"cid:chart-1@postrider\" alt=\"Bars: &#34;Web&#34; has the most\" \
               width=\"600\" style=\"display:block;width:100%;max-width:600px;\
               height:auto;border:0\">";
    assert!(html.contains(img), "{html}");
    assert!(html.contains("The chart is lost."));
    let text = crate::render::text::digest(&mail);
    assert!(
        text.contains("Chart: Bars: \"Web\" has the most") && text.contains("! The chart is lost.")
    );
}

#[test]
fn links_that_are_not_of_the_web_are_no_links() {
    let mut table = watched();
    table.drill = Some("javascript:alert(1)".to_owned());
    table.beside[0].links[0] = Some("https://a.example/\" onclick=\"x".to_owned());
    let mail = render_digest(&only(table));
    assert!(!mail.html.contains("javascript:") && !mail.html.contains("onclick"));
    assert_eq!(mail.html.matches("<a href=\"https://acme.example.com/channel/1\"").count(), 2);
}

#[test]
fn the_example_of_the_documentation_makes_a_mail() {
    let page = include_str!("../../../docs/templates.md");
    let (_, rest) = page.split_once("```html\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    assert_eq!(custom::check(example), Ok(()));
    let mut mail = watching();
    mail.sections.push(failed());
    mail.template = Some(example.to_owned());
    let rendered = render_digest(&mail);
    assert_eq!(rendered.problem, None);
    for told in
        ["WhatsApp EMEA", "unusually high", "&lt;script&gt;alert(", "1,204", "could not be made"]
    {
        assert!(rendered.html.contains(told), "{told} in {}", rendered.html);
    }
    assert!(!rendered.html.contains("<script>"));
    assert_snapshot!("custom.html", rendered.html);
}

#[test]
fn a_template_that_fails_gives_the_mail_as_it_always_is_and_tells_why() {
    let built_in = render_digest(&watching()).html;
    for (template, why) in [
        ("{{ nothing }}", "undefined"),
        ("{% include 'secrets' %}", "no place"),
        ("{{ sections[99].title }}", "undefined"),
        ("  ", "makes nothing"),
        ("{% for a in sections %}", "syntax"),
    ] {
        let mail = DigestMail { template: Some(template.to_owned()), ..watching() };
        let rendered = render_digest(&mail);
        assert_eq!(rendered.html, built_in, "{template}");
        let problem = rendered.problem.unwrap_or_default();
        assert!(problem.starts_with("mail template: ") && problem.contains(why), "{problem}");
    }
    let large =
        DigestMail { template: Some(format!("<p>{}</p>", "x".repeat(100_000))), ..watching() };
    assert!(render_digest(&large).problem.unwrap().contains("too large"));
    assert!(custom::check("{{ sectoins }}").unwrap_err().contains("`sectoins`"));
}

#[test]
fn a_payload_has_all_that_a_mail_has() {
    let mail = watching();
    let payload = digest_payload(&mail, &render_digest(&mail));
    let mut json: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    for large in ["html", "text"] {
        json["data"][large] = serde_json::Value::Null;
    }
    assert_snapshot!("watching.json", serde_json::to_string_pretty(&json).unwrap());
}
