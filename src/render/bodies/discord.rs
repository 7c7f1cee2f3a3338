//! Discord: one embed, and nobody is mentioned.

use serde_json::json;

use super::brief::{Brief, Part, escaped, units};

/// Longest content, title, description and footer. Together they stay under the 6,000 characters
/// that all embeds of a message may have.
const CONTENT_MAX: usize = 2_000;
const TITLE_MAX: usize = 256;
const DESCRIPTION_MAX: usize = 4_096;
const FOOTER_MAX: usize = 600;
/// What the description keeps for what stands around its parts.
const AROUND: usize = 1_200;
/// Longest text of one part.
const PART_MAX: usize = 1_500;

/// The body of a message.
pub(super) fn body(brief: &Brief) -> Vec<u8> {
    let mut said: Vec<String> = Vec::new();
    if !brief.state.is_empty() {
        said.push(format!("**{} {}**", brief.tone.mark(), escaped(&brief.state, 200, markdown)));
    }
    said.extend(brief.lead.iter().take(2).map(|text| escaped(text, 400, markdown)));
    let (parts, left_out) = brief.fitting(usize::MAX, DESCRIPTION_MAX - AROUND, |part| {
        let text = text(part);
        let cost = units(&text) + 2;
        (text, cost)
    });
    said.extend(parts);
    said.extend(left_out.map(|text| escaped(&text, 150, markdown)));
    let mut embed = json!({
        "title": escaped(&brief.title, TITLE_MAX, markdown),
        "description": said.join("\n\n"),
        "color": brief.tone.colour(),
    });
    if !brief.foot.is_empty() {
        // A footer knows no markup.
        let text = escaped(&brief.foot.join(" \u{00b7} "), FOOTER_MAX, |_| None);
        embed["footer"] = json!({ "text": text });
    }
    let message = json!({
        "content": escaped(&brief.line(), CONTENT_MAX, markdown),
        "embeds": [embed],
        "allowed_mentions": { "parse": [] },
    });
    message.to_string().into_bytes()
}

fn text(part: &Part) -> String {
    let mut text = String::new();
    if !part.heading.is_empty() {
        text = format!("**{}**\n", escaped(&part.heading, 500, markdown));
    }
    text += &escaped(&part.lines.join("\n"), PART_MAX, markdown);
    if let Some((words, address)) = &part.link
        && address.len() <= 500
    {
        // A closing parenthesis would end the address.
        let address = address.replace('(', "%28").replace(')', "%29");
        text += &format!("\n[{}](<{address}>)", escaped(words, 60, markdown));
    }
    text
}

/// What would be markup is not.
fn markdown(symbol: char) -> Option<&'static str> {
    Some(match symbol {
        '\\' => "\\\\",
        '*' => "\\*",
        '_' => "\\_",
        '~' => "\\~",
        '`' => "\\`",
        '|' => "\\|",
        '<' => "\\<",
        '>' => "\\>",
        '[' => "\\[",
        ']' => "\\]",
        '(' => "\\(",
        ')' => "\\)",
        '#' => "\\#",
        '@' => "\\@",
        _ => return None,
    })
}
