//! Slack: blocks of an incoming webhook.
//!
//! A header, a section a part, a context. Nothing from records becomes a link, a mention or a
//! channel: `&`, `<`, `>` are escaped and texts are verbatim.

use serde_json::{Value, json};

use super::brief::{Brief, Part, angles, escaped, units};

/// Longest text of a section.
const SECTION_MAX: usize = 3_000;
/// Longest header.
const HEADER_MAX: usize = 150;
/// Longest text of a context.
const CONTEXT_MAX: usize = 2_000;
/// Blocks of one message; a header, a lead, a rest and a context are among them.
const PARTS_MAX: usize = 50 - 4;
/// Text of all parts: Slack refuses blocks that are too long together.
const ALL_MAX: usize = 9_000;
/// Longest text of one part: the second one shall have room too.
const PART_MAX: usize = 2_300;

/// The body of a message.
pub(super) fn body(brief: &Brief) -> Vec<u8> {
    let mut blocks = vec![json!({
        "type": "header",
        "text": {
            "type": "plain_text",
            "text": escaped(&brief.title, HEADER_MAX, |_| None),
            "emoji": false,
        },
    })];
    let mut lead: Vec<String> = Vec::new();
    if !brief.state.is_empty() {
        let state = escaped(&brief.state, 300, angles);
        lead.push(format!("{} *{state}*", brief.tone.mark()));
    }
    lead.extend(brief.lead.iter().take(5).map(|text| escaped(text, 500, angles)));
    blocks.extend((!lead.is_empty()).then(|| section(&lead.join("\n"))));
    let (parts, left_out) = brief.fitting(PARTS_MAX, ALL_MAX, |part| {
        let text = text(part);
        (section(&text), units(&text))
    });
    blocks.extend(parts);
    blocks.extend(left_out.map(|text| section(&escaped(&text, SECTION_MAX, angles))));
    if !brief.foot.is_empty() {
        let text = escaped(&brief.foot.join("  \u{00b7}  "), CONTEXT_MAX, angles);
        blocks.push(json!({ "type": "context", "elements": [mrkdwn(&text)] }));
    }
    let line = escaped(&brief.line(), SECTION_MAX, angles);
    json!({ "text": line, "blocks": blocks }).to_string().into_bytes()
}

fn text(part: &Part) -> String {
    let mut text = String::new();
    if !part.heading.is_empty() {
        text = format!("*{}*\n", escaped(&part.heading, 600, angles));
    }
    text += &escaped(&part.lines.join("\n"), PART_MAX, angles);
    if let Some((words, address)) = &part.link {
        // What is a link holds no angle; a bar would end it.
        let address = address.replace('&', "&amp;").replace('|', "%7C");
        let link = format!("\n<{address}|{}>", escaped(words, 60, angles));
        if units(&text) + units(&link) <= SECTION_MAX {
            text += &link;
        }
    }
    text
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": mrkdwn(text) })
}

fn mrkdwn(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}
