//! Telegram: HTML of a bot's message. The chat is put in when it is sent.

use serde_json::json;

use super::brief::{Brief, Part, angles, escaped, units};

/// Longest message. Telegram counts what remains once tags are read; here they count too.
const ALL_MAX: usize = 4_096;
/// What is kept for what stands around the parts.
const AROUND: usize = 1_700;
/// Longest text of one part.
const PART_MAX: usize = 1_200;

/// The body of a message.
pub(super) fn body(brief: &Brief) -> Vec<u8> {
    let mut said = vec![format!("<b>{}</b>", escaped(&brief.title, 250, angles))];
    if !brief.state.is_empty() {
        said.push(format!("{} {}", brief.tone.mark(), escaped(&brief.state, 200, angles)));
    }
    said.extend(brief.lead.iter().take(2).map(|text| escaped(text, 350, angles)));
    let (parts, left_out) = brief.fitting(usize::MAX, ALL_MAX - AROUND, |part| {
        let text = text(part);
        let cost = units(&text) + 2;
        (text, cost)
    });
    said.extend(parts);
    said.extend(left_out.map(|text| escaped(&text, 150, angles)));
    if !brief.foot.is_empty() {
        let foot = escaped(&brief.foot.join(" \u{00b7} "), 300, angles);
        said.push(format!("<i>{foot}</i>"));
    }
    let message = json!({
        "text": said.join("\n\n"),
        "parse_mode": "HTML",
        "link_preview_options": { "is_disabled": true },
    });
    message.to_string().into_bytes()
}

fn text(part: &Part) -> String {
    let mut text = String::new();
    if !part.heading.is_empty() {
        text = format!("<b>{}</b>\n", escaped(&part.heading, 500, angles));
    }
    text += &escaped(&part.lines.join("\n"), PART_MAX, angles);
    if let Some((words, address)) = &part.link
        && address.len() <= 400
    {
        // What is a link holds no quote and no angle.
        let address = address.replace('&', "&amp;");
        text += &format!("\n<a href=\"{address}\">{}</a>", escaped(words, 60, angles));
    }
    text
}
