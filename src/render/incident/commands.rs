//! The commands that take, hide and explain an incident, ready to be copied into a shell.

use crate::domain::route::{Labels, RouteCondition};

use super::{IncidentKind, IncidentMail};

/// Longest line that is offered: what is longer nobody copies, and a shell may cut.
const LINE_MAX: usize = 1_000;

/// A command and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::render) struct Command {
    pub(in crate::render) what: &'static str,
    /// What is typed, in pieces between which a line may be broken.
    pub(in crate::render) pieces: Vec<String>,
}

impl Command {
    fn new(what: &'static str, pieces: Vec<String>) -> Option<Command> {
        let command = Command { what, pieces };
        (command.line().chars().count() <= LINE_MAX).then_some(command)
    }

    /// In one line.
    pub(in crate::render) fn line(&self) -> String {
        self.pieces.join(" ")
    }

    /// In lines of their own, which a shell takes as one.
    pub(in crate::render) fn lines(&self, width: usize) -> Vec<String> {
        let line = self.line();
        match line.chars().count() <= width {
            true => vec![line],
            false => {
                let last = self.pieces.len().saturating_sub(1);
                let broken = self.pieces.iter().enumerate().map(|(i, piece)| {
                    let indent = if i == 0 { "" } else { "  " };
                    let goes_on = if i == last { "" } else { " \\" };
                    format!("{indent}{piece}{goes_on}")
                });
                broken.collect()
            }
        }
    }
}

/// The commands for an incident; once it is over, the one that explains it.
pub(in crate::render) fn of_incident(mail: &IncidentMail) -> Vec<Command> {
    let labels = mail.group.iter().cloned().chain([("rule".to_owned(), mail.rule.clone())]);
    of(mail, &labels.collect())
}

/// The commands for a group of incidents: its first is taken and explained, all are hidden.
pub(in crate::render) fn of_group(first: &IncidentMail, labels: &Labels) -> Vec<Command> {
    of(first, labels)
}

fn of(mail: &IncidentMail, hidden: &Labels) -> Vec<Command> {
    let id = quoted(&mail.incident);
    let explain = Command::new("Explain", vec![format!("postrider explain {id}")]);
    if mail.kind == IncidentKind::Resolved {
        return explain.into_iter().collect();
    }
    let take = Command::new("Take it", vec![format!("postrider ack {id}")]);
    let honest = !hidden.values().any(|value| value.contains(turns_text_around));
    let silence = condition(hidden).filter(|_| honest).and_then(|condition| {
        let silence = format!("postrider silence add {}", quoted(&condition.to_string()));
        Command::new("Silence", vec![silence, "--for 2h --reason \"...\"".to_owned()])
    });
    [take, silence, explain].into_iter().flatten().collect()
}

/// The condition that picks exactly what has these labels; `rule` stands first.
fn condition(labels: &Labels) -> Option<RouteCondition> {
    let mut labels: Vec<(&String, &String)> = labels.iter().collect();
    labels.sort_by_key(|(name, _)| *name != "rule");
    let equal = |(name, value): (&String, &String)| {
        RouteCondition::Label(name.clone(), true, value.clone())
    };
    labels
        .into_iter()
        .map(equal)
        .reduce(|all, next| RouteCondition::And(Box::new(all), Box::new(next)))
}

/// Marks that make a text look otherwise than it is: nobody should copy a command with one.
fn turns_text_around(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A word as shells of the Unix kind read it: in double quotes, since conditions are full of single
/// ones; in single quotes where it has what an interactive shell expands within double ones.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    // What ends a line would end the command.
    let word: String = word.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if word.contains('!') {
        return format!("'{}'", word.replace('\'', "'\\''"));
    }
    let mut quoted = String::with_capacity(word.len() + 2);
    for c in word.chars() {
        if matches!(c, '"' | '$' | '`' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    format!("\"{quoted}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(labels: &[(&str, &str)], expected: &str) {
        let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let condition = condition(&labels.collect()).expect("labels");
        assert_eq!(quoted(&condition.to_string()), expected);
    }

    #[test]
    fn conditions_survive_the_shell() {
        check(&[("rule", "slow-answer")], r#""rule = 'slow-answer'""#);
        check(
            &[("Team", "WhatsApp EMEA"), ("rule", "slow")],
            r#""rule = 'slow' and Team = 'WhatsApp EMEA'""#,
        );
        check(&[("rule", "it's")], r#""rule = 'it''s'""#);
        check(&[("rule", "$(rm -rf)`a`\\")], r#""rule = '\$(rm -rf)\`a\`\\'""#);
        check(&[("my label", "a")], r#""\"my label\" = 'a'""#);
        check(&[("rule", "a!b")], r#"'rule = '\''a!b'\'''"#);
        check(&[("rule", "a\nb")], r#""rule = 'a b'""#);
    }

    #[test]
    fn a_long_command_is_broken_where_the_shell_goes_on() {
        let command = Command::new("Silence", vec!["x".repeat(70), "--for 2h".into()]).unwrap();
        assert_eq!(command.lines(60), [format!("{} \\", "x".repeat(70)), "  --for 2h".to_owned()]);
        assert_eq!(command.lines(100).len(), 1);
        assert!(Command::new("Silence", vec!["x".repeat(2_000)]).is_none());
    }
}
