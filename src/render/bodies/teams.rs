//! Microsoft Teams: an Adaptive Card in the message that a workflow takes.
//!
//! What comes from records stands in rich text blocks, which know no markup.

use serde_json::{Value, json};

use super::brief::{Brief, Part, Tone, escaped};

/// A message may have 28 KB; what stands around the parts has its share.
const ALL_BYTES_MAX: usize = 20_000;
/// Longest text of one part.
const PART_MAX: usize = 3_000;
/// Lines of one part: each is a block of its own.
const LINES_MAX: usize = 30;
/// Parts of one card: more are not read.
const PARTS_MAX: usize = 50;
/// Buttons of one card.
const ACTIONS_MAX: usize = 5;

/// The body of a message.
pub(super) fn body(brief: &Brief) -> Vec<u8> {
    let mut items = vec![block(&escaped(&brief.title, 300, |_| None), "Large", true, "Default")];
    if !brief.state.is_empty() {
        let state = format!("{} {}", brief.tone.mark(), escaped(&brief.state, 300, |_| None));
        items.push(block(&state, "Default", true, colour(brief.tone)));
    }
    let lead = brief.lead.iter().take(5).map(|text| escaped(text, 500, |_| None));
    items.extend(lead.map(|text| block(&text, "Default", false, "Default")));
    let (parts, left_out) = brief.fitting(PARTS_MAX, ALL_BYTES_MAX, |part| {
        let item = container(part);
        let cost = item.to_string().len() + 1;
        (item, cost)
    });
    let shown = parts.len();
    items.extend(parts);
    let plain = |text: String| block(&escaped(&text, 500, |_| None), "Default", false, "Default");
    items.extend(left_out.map(plain));
    let foot = brief.foot.iter().map(|text| escaped(text, 500, |_| None));
    items.extend(foot.map(|text| block(&text, "Small", false, "Default")));
    let links = brief.parts.iter().take(shown).filter_map(|part| part.link.as_ref());
    let actions: Vec<Value> = links
        .filter(|(_, address)| address.len() <= 500)
        .take(ACTIONS_MAX)
        .map(|(words, address)| json!({ "type": "Action.OpenUrl", "title": words, "url": address }))
        .collect();
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": { "width": "Full" },
        "body": items,
    });
    if !actions.is_empty() {
        card["actions"] = actions.into();
    }
    let message = json!({
        "type": "message",
        "summary": escaped(&brief.line(), 300, |_| None),
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    });
    message.to_string().into_bytes()
}

fn container(part: &Part) -> Value {
    let mut items = Vec::new();
    if !part.heading.is_empty() {
        let heading = escaped(&part.heading, 600, |_| None);
        items.push(block(&heading, "Default", true, "Default"));
    }
    let lines: Vec<&str> = part.lines.iter().take(LINES_MAX).map(String::as_str).collect();
    let text = escaped(&lines.join("\n"), PART_MAX, |_| None);
    items.extend(text.split('\n').map(|line| block(line, "Default", false, "Default")));
    json!({ "type": "Container", "separator": true, "items": items })
}

fn block(text: &str, size: &str, bold: bool, colour: &str) -> Value {
    let weight = if bold { "Bolder" } else { "Default" };
    json!({
        "type": "RichTextBlock",
        "inlines": [{
            "type": "TextRun",
            "text": text,
            "size": size,
            "weight": weight,
            "color": colour,
        }],
    })
}

fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Bad => "Attention",
        Tone::Warn => "Warning",
        Tone::Good => "Good",
        Tone::Quiet => "Default",
    }
}
