//! Who gets a digest: addresses, and the names of receivers.

use super::super::super::ReceiverSettings;
use super::super::super::problem::{Findings, closest};
use super::super::super::shape::Shaped;
use super::super::super::text::At;
use super::super::super::wire::{DigestToml, Text};
use super::super::{Names, address, twice};

/// At most so many people get one digest that is not split.
const READERS_MAX: usize = 500;

/// Who gets a digest as a whole.
#[derive(Default)]
pub(super) struct Whole {
    pub(super) to: Vec<String>,
    pub(super) cc: Vec<String>,
    pub(super) bcc: Vec<String>,
    pub(super) webhooks: Vec<String>,
}

/// The readers of a digest that is not split; `None` only where a mistake was noted. The place that
/// asks for mail is added to `mails`.
pub(super) fn whole(
    found: &mut Findings<'_>,
    names: &Names,
    table: &Shaped<DigestToml>,
    mails: &mut Vec<(At, String)>,
) -> Option<Whole> {
    let wire = &table.wire;
    let before = found.count();
    let list = table.required(found, "to", &wire.to, "[\"team@example.com\"]");
    if let Some(list) = list.filter(|list| list.get_ref().is_empty()) {
        let help = "write e.g. `to = [\"team@example.com\"]`";
        found.problem(table.at(list), "nobody to send to", help);
    }
    let to = list.map_or(&[][..], |list| list.get_ref());
    let mut readers = Readers { file: table.file, known: Vec::new(), webhooks: Vec::new() };
    let whole = Whole {
        to: readers.add(found, names, to, true),
        cc: readers.add(found, names, &wire.cc, false),
        bcc: readers.add(found, names, &wire.bcc, false),
        webhooks: readers.webhooks,
    };
    if let Some((_, at)) = readers.known.first() {
        mails.push((at.clone(), format!("the readers of digest `{}`", table.name)));
    }
    if let (Some(list), true) = (list, readers.known.len() > READERS_MAX) {
        let message = format!("{} recipients are more than {READERS_MAX}", readers.known.len());
        found.problem(table.at(list), message, "send to a mailing list");
    }
    (found.count() == before).then_some(whole)
}

/// Readers as they are found, each once.
struct Readers {
    file: usize,
    known: Vec<(String, At)>,
    webhooks: Vec<String>,
}

impl Readers {
    /// The addresses of a list. A mail receiver stands for its addresses; a webhook is no address.
    fn add(
        &mut self,
        found: &mut Findings<'_>,
        names: &Names,
        list: &[Text],
        webhooks: bool,
    ) -> Vec<String> {
        twice(found, self.file, list, "recipient");
        let mut added: Vec<(String, At)> = Vec::new();
        for entry in list {
            let at = At::new(self.file, entry.span());
            let (name, known) = (entry.get_ref(), &names.receivers);
            if known.declared.contains(name) {
                match known.made.get(name) {
                    Some(ReceiverSettings::Email(addresses)) => {
                        added.extend(addresses.iter().map(|address| (address.clone(), at.clone())));
                    }
                    Some(_) if !webhooks => {
                        let message = format!("`{name}` is a webhook, which no mail names");
                        found.problem(at, message, "write it in `to`");
                    }
                    Some(_) if names.of_incidents.contains(name) => {
                        let message = format!("`{name}` takes incidents, not digests");
                        let help = "name a mail address, a chat or a webhook of postrider's own \
                                    payload";
                        found.problem(at, message, help);
                    }
                    Some(ReceiverSettings::Webhook(_) | ReceiverSettings::Vendor(_)) => {
                        self.webhooks.push(name.clone());
                    }
                    None => {}
                }
            } else if name.contains('@') {
                added.extend(address(found, self.file, entry).map(|address| (address, at)));
            } else {
                let receivers = known.declared.iter().map(String::as_str);
                let help = closest(name, receivers).map_or_else(
                    || "write a mail address or the name of a receiver".to_owned(),
                    |name| format!("did you mean `{name}`?"),
                );
                let message = format!("`{name}` is neither a mail address nor a receiver");
                found.problem(at, message, help);
            }
        }
        let mut addresses = Vec::new();
        for (address, at) in added {
            if !self.known.iter().any(|(known, _)| known.eq_ignore_ascii_case(&address)) {
                self.known.push((address.clone(), at));
                addresses.push(address);
            } else if !twice_in(list, &address) {
                // One that is written twice in the list itself was told before.
                let message = format!("recipient `{address}` would get it twice");
                found.problem(at, message, "remove one of them");
            }
        }
        addresses
    }
}

/// Whether an entry is written more than once in a list.
fn twice_in(list: &[Text], entry: &str) -> bool {
    list.iter().filter(|text| text.get_ref().eq_ignore_ascii_case(entry)).count() > 1
}
