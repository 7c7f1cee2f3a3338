//! The golden set: whole mails of every kind, made by the real renderer and checked as their
//! readers' machines would. What needs no other tool is checked here; the files are left in
//! `target/tmp/mails`, where `tests/mailcheck` has browsers, validators and filters look at them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mail_parser::{Message, MessageParser, MimeHeaders, PartType};
use postrider::render::HTML_BYTES_MAX;
use postrider::render::format::plain;

use crate::harness::letter::seen;

mod mails;
mod notifications;
mod tables;

use mails::Golden;

/// Where the mails are left for the tools that look at them.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("mails")
}

#[test]
fn every_mail_arrives_whole_loads_nothing_and_says_the_same_twice() {
    let set = mails::all();
    assert!(set.len() >= 14, "{} mails", set.len());
    let folder = folder();
    // Nothing of an earlier set is looked at.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for golden in &set {
        let file = |ending: &str| folder.join(format!("{}.{ending}", golden.name));
        fs::write(file("eml"), &golden.bytes).unwrap();
        fs::write(file("html"), &golden.rendered.html).unwrap();
        fs::write(file("txt"), &golden.rendered.text).unwrap();
        for image in &golden.rendered.images {
            let kind = image.kind.trim_start_matches("image/");
            fs::write(file(&format!("cid-{}.{kind}", image.name)), &image.bytes).unwrap();
        }
    }
    for golden in &set {
        lines_are_short(golden);
        comes_back_whole(golden);
        loads_nothing(golden);
        // What a template of the user's leaves out of the HTML is his.
        if !golden.name.ends_with("own-template") {
            says_the_same_twice(golden);
        }
    }
    shows_what_it_is_about(&set);
}

/// Each mail of the set shows the thing that it is there for.
#[track_caller]
fn shows_what_it_is_about(set: &[Golden]) {
    let deltas = ["▲", "▼", "+25%", "-20%", "✓ met", "✗ missed", "Restated", "What changed"];
    let chart = ["cid:chart-"];
    let look = ["cid:logo@postrider", "#0f766e", "Musterstraße 1"];
    let demands: [(&str, &[&[&str]]); 23] = [
        ("compared", &[&deltas, &["Sessions, last 8", "usually "]]),
        ("charts", &[&["cid:chart-1@", "cid:chart-2@", "cid:chart-3@", "cid:chart-4@"]]),
        ("pivot", &[&["colgroup", "Inbound", "Outbound", "Total"]]),
        ("look", &[&deltas, &look, &["cid:chart-2@"]]),
        ("digest-of-everything", &[&deltas, &chart, &look, &["colgroup", "Only for Acme GmbH"]]),
        ("digest-of-everything", &[&["late by 1 h 12 min", "Provisional:", "could not be made"]]),
        ("own-template", &[&["missed", "cid:chart-2@"]]),
        // Digits that run with letters from right to left keep their order, isolated once.
        ("right-to-left-digits", &[&[">\u{2068}٩٨٬٧٦٥\u{2069}<", ">\u{2068}٢٢٥٬٥١٢\u{2069}<"]]),
        ("right-to-left", &[&["dir=\"auto\""]]),
        ("part", &[&["Only for Acme GmbH", "account.Name"]]),
        ("provisional", &[&["Provisional: "]]),
        ("attachments", &[&["Attached: ", ".xlsx", ".csv", ".json"]]),
        ("alert-fired", &[&["#0f766e", "Musterstraße 1", "cid:course@", "usually 2 min 20 s"]]),
        (
            "alert-fired",
            &[&["and 28 more records, together ", "of all “Wait”.", "Attached: longest-response_"]],
        ),
        ("alert-level-up", &[&["Taken by Jo until ", "Flapping: fired 6 times within 24 h"]]),
        ("alert-reminder", &[&["Meant for `ops-hook`: ", "Told 2 h 5 min late"]]),
        ("alert-group", &[&["3 firing (1 new, 1 worse), 2 ended", "worse, was warning"]]),
        ("alert-group-over", &[&["Resolved: 3 incidents", "cleared at 2 min 22 s"]]),
        ("alert-fifty", &[&["and 12 more incidents", "and 1,190 more records"]]),
        ("alert-records", &[&["and 28 more records", "href=\"https://acme.example.com/S-1\""]]),
        ("alert-correction", &[&["Correction", "by which it would not have fired."]]),
        ("alert-fallback", &[&["could not be written as it should look", "value 962"]]),
        ("notice", &[&["Musterstraße 1"]]),
    ];
    let subject = |name: &str| {
        let golden = set.iter().find(|golden| golden.name.get(3..) == Some(name));
        golden.map(|golden| golden.rendered.subject.as_str())
    };
    assert_eq!(
        subject("digest-of-everything"),
        Some("morning: Sessions 205,759 (+0.1%), Mon 23 Nov 2026")
    );
    for (name, demands) in demands {
        let golden = set.iter().find(|golden| golden.name.get(3..) == Some(name));
        let html = plain(&golden.unwrap_or_else(|| panic!("no mail {name}")).rendered.html);
        for told in demands.iter().copied().flatten() {
            assert!(html.contains(told), "{name}: {told} is missing");
        }
    }
}

/// No line beyond what servers take, no encoded line beyond what RFC 2045 allows, headers in ASCII.
fn lines_are_short(golden: &Golden) {
    let name = &golden.name;
    let bytes = golden.bytes.strip_suffix(b"\n").unwrap();
    let mut body = false;
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or_else(|| panic!("{name}: a bare line feed"));
        assert!(!line.contains(&b'\r'), "{name}: a bare carriage return");
        assert!(line.is_ascii(), "{name}: {}", String::from_utf8_lossy(line));
        body |= line.is_empty();
        // The types of spreadsheets are longer than what may be encoded in a line.
        let header = !body || line.starts_with(b"Content-");
        let most = if header { 998 } else { 76 };
        assert!(line.len() <= most, "{name}: {}", String::from_utf8_lossy(line));
    }
    let html = part_bytes(golden, "text/html");
    assert!(html <= HTML_BYTES_MAX, "{name}: {html} bytes of HTML");
}

fn parsed(golden: &Golden) -> Message<'_> {
    MessageParser::default().parse(&golden.bytes).expect("a mail")
}

/// Length of the first part of a type as sent.
fn part_bytes(golden: &Golden, kind: &str) -> usize {
    let mail = parsed(golden);
    let part = mail.parts.iter().find(|part| {
        let found = part.content_type();
        found.is_some_and(|t| format!("{}/{}", t.ctype(), t.subtype().unwrap_or("")) == kind)
    });
    let part = part.unwrap_or_else(|| panic!("{}: no {kind}", golden.name));
    part.contents().len()
}

/// What a parser that is not ours makes of the mail is what was written: no part is broken, none is
/// missing, none is more.
fn comes_back_whole(golden: &Golden) {
    let (name, rendered) = (&golden.name, &golden.rendered);
    let mail = parsed(golden);
    let unix = |text: &str| text.replace("\r\n", "\n");
    assert_eq!(mail.subject(), Some(rendered.subject.as_str()), "{name}");
    assert!(rendered.subject.chars().count() <= 150, "{name}: {}", rendered.subject);
    assert_eq!(mail.text_body_count(), 1, "{name}");
    assert_eq!(unix(&mail.body_text(0).unwrap()), rendered.text, "{name}");
    assert_eq!(unix(&mail.body_html(0).unwrap()).trim_end(), rendered.html.trim_end(), "{name}");
    for part in &mail.parts {
        assert!(!part.is_encoding_problem, "{name}: {:?}", part.headers);
        assert!(!matches!(part.body, PartType::Message(_)), "{name}");
    }
    let files: Vec<(&str, &[u8])> = mail
        .attachments()
        .filter(|part| part.content_id().is_none())
        .map(|part| (part.attachment_name().unwrap_or_default(), part.contents()))
        .collect();
    let wanted: Vec<(&str, &[u8])> = rendered
        .attachments
        .iter()
        .map(|file| (file.name.as_str(), file.bytes.as_slice()))
        .collect();
    assert_eq!(files, wanted, "{name}");
    let pictures = mail.parts.iter().filter(|part| part.content_id().is_some());
    let pictures: Vec<&[u8]> = pictures.map(|part| part.contents()).collect();
    let wanted: Vec<&[u8]> = rendered.images.iter().map(|image| image.bytes.as_slice()).collect();
    assert_eq!(pictures, wanted, "{name}");
}

/// Pictures come with the mail or not at all; nothing is fetched to read it.
fn loads_nothing(golden: &Golden) {
    let name = &golden.name;
    // What is a value of a record is written with its signs as entities.
    let html = golden.rendered.html.to_ascii_lowercase().replace("&#x2f;", "/");
    for load in [
        "<link",
        "<script",
        "<iframe",
        "<object",
        "<embed",
        "<video",
        "<audio",
        "@import",
        "@font-face",
        "url(",
        "srcset=",
        "background=",
        "http-equiv",
        "javascript:",
    ] {
        assert!(!html.contains(load), "{name}: {load}");
    }
    let mail = parsed(golden);
    let shown: Vec<&str> = mail.parts.iter().filter_map(|part| part.content_id()).collect();
    for source in html.split(" src=\"").skip(1) {
        let source = source.split('"').next().unwrap();
        let id = source.strip_prefix("cid:");
        let id = id.unwrap_or_else(|| panic!("{name}: {source} is not in the mail"));
        assert!(shown.iter().any(|shown| shown.eq_ignore_ascii_case(id)), "{name}: {source}");
    }
    for link in html.split(" href=\"").skip(1) {
        assert!(link.starts_with("https://") || link.starts_with("mailto:"), "{name}: {link:.60}");
    }
}

/// The text has the figures of the HTML and no others, the values of its tables in the same order.
fn says_the_same_twice(golden: &Golden) {
    let name = &golden.name;
    // What inboxes show beside the subject is no part of the mail as read.
    let (_, body) = golden.rendered.html.split_once("<div style=\"display:none").unwrap();
    let (_, body) = body.split_once("</div>").unwrap();
    // What a picture says stands for it in the text.
    let told = body.split("<img ").enumerate().map(|(i, piece)| match piece.split_once('>') {
        Some((picture, after)) if i > 0 => {
            let said = picture.split(" alt=\"").nth(1).and_then(|alt| alt.split('"').next());
            format!("<p>{} {after}", said.unwrap_or_default())
        }
        _ => piece.to_owned(),
    });
    let told: String = told.collect();
    let (html, text) = (figures(&seen(&told)), figures(&golden.rendered.text));
    let (in_html, in_text): (BTreeSet<_>, BTreeSet<_>) =
        (html.iter().collect(), text.iter().collect());
    assert!(in_html.len() > 2, "{name}: {in_html:?}");
    let differ: Vec<_> = in_html.symmetric_difference(&in_text).collect();
    assert!(differ.is_empty(), "{name}: only in one of HTML and text: {differ:?}");
    let mut text = text.iter();
    for cell in body.split("<td align=\"right\"").skip(1) {
        // What stands below the figure may be elsewhere in a line of text.
        let cell = cell.split("</td>").next().unwrap();
        let cell = cell.split("<br>").next().unwrap().split("<table").next().unwrap();
        // The column's heading, for narrow screens alone.
        let cell = match cell.split_once("style=\"display:none;mso-hide:all\">") {
            Some((before, after)) => format!("{before}>{}", after.split_once("</span>").unwrap().1),
            None => cell.to_owned(),
        };
        for figure in figures(&seen(&format!("<td{cell}"))) {
            assert!(
                text.any(|told| *told == figure),
                "{name}: {figure} is not in its place in the text"
            );
        }
    }
}

/// Words that are figures, in order. Words that hold letters are none: the text part may break a
/// long one.
fn figures(text: &str) -> Vec<String> {
    // Signs of templates are entities still; none of them is a figure.
    let plain = plain(text);
    let plain = plain.split("&#").enumerate().map(|(i, piece)| match piece.split_once(';') {
        Some((_, after)) if i > 0 => after,
        _ => piece,
    });
    let plain = plain.collect::<Vec<_>>().join(" ");
    let words = plain.split_whitespace();
    let words =
        words.map(|word| word.trim_matches(|c: char| !c.is_numeric() && !matches!(c, '-' | '%')));
    let figure =
        |word: &&str| word.chars().any(char::is_numeric) && !word.chars().any(char::is_alphabetic);
    words.filter(figure).map(str::to_owned).collect()
}
