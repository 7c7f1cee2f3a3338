//! `[smtp]`: the mail servers, the sender and what mails are signed with.

use lettre::message::Mailbox;
use toml::Spanned;
use toml::de::DeValue;

use super::super::problem::Findings;
use super::super::secret::Surroundings;
use super::super::shape::{Raw, Shaped};
use super::super::text::At;
use super::super::wire::{SmtpToml, Text};
use super::{Names, address};
use crate::receiver::smtp::{CONNECTIONS, SmtpSettings};
use crate::render::mail::dkim::Signer;

mod dkim;
mod login;
mod server;

/// The most connections to one server.
const CONNECTIONS_MAX: u16 = 100;
/// The most servers besides the first, and the most keys.
const LIST_MAX: usize = 8;

/// Lowers `[smtp]`.
pub(super) fn lower(
    mut raw: Raw<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> Option<(SmtpSettings, Vec<Signer>)> {
    let before = found.count();
    let auth = raw.take(found, "auth");
    let keys = take_list(&mut raw, found, "dkim");
    let others = take_list(&mut raw, found, "failover");
    let table = raw.shape::<SmtpToml>(found, &["auth", "dkim", "failover"]);
    let wire = &table.wire;
    let host = table.required(found, "host", &wire.host, "\"smtp.example.com\"");
    let from = table.required(found, "from", &wire.from, "\"Postrider <reports@example.com>\"");
    let from = from.and_then(|text| sender(found, table.at(text), text));
    let returns = wire.envelope_from.as_ref().map(|text| address(found, table.file, text));
    let first = server::first(found, surroundings, &table, host, auth);
    let others: Vec<_> = (others.into_iter())
        .map(|raw| server::further(raw, found, surroundings, first.as_ref()))
        .collect();
    let connections = connections(found, &table);
    let domain = from.as_ref().map(|(_, address)| crate::render::mail::domain_of(address));
    let keys = dkim::lower(keys, found, surroundings, domain);
    let (from, from_address) = from?;
    (found.count() == before).then_some(())?;
    let settings = SmtpSettings {
        servers: std::iter::once(first).chain(others).collect::<Option<_>>()?,
        from,
        envelope_from: match returns {
            Some(returns) => returns?,
            None => from_address,
        },
        connections,
    };
    Some((settings, keys))
}

/// Takes a list of tables out of a table, each to be shaped by itself.
fn take_list<'a>(raw: &mut Raw<'a>, found: &mut Findings<'_>, key: &str) -> Vec<Raw<'a>> {
    let Some((written, value)) = raw.table.remove_entry(key) else { return Vec::new() };
    let at = At::new(raw.file, written.span());
    let DeValue::Array(list) = value.into_inner() else {
        let help = format!("write `{key} = [{{ ... }}]`");
        found.problem(at, format!("`{key}` must be a list of tables"), help);
        return Vec::new();
    };
    if list.len() > LIST_MAX {
        found.problem(at, format!("`{key}` has more than {LIST_MAX} entries"), "name fewer");
    }
    let mut tables = Vec::new();
    for (index, entry) in list.into_iter().enumerate() {
        let at = At::new(raw.file, entry.span());
        match entry.into_inner() {
            DeValue::Table(table) => tables.push(Raw {
                file: raw.file,
                title: format!("entry {} of `{key}`", index + 1),
                name: key.to_owned(),
                at,
                table,
            }),
            _ => found.problem(at, format!("an entry of `{key}` must be a table"), None),
        }
    }
    tables
}

/// `Name <address>` or a bare address: as the header has it, and the address alone.
fn sender(found: &mut Findings<'_>, at: At, text: &Text) -> Option<(String, String)> {
    let written = text.get_ref();
    match written.parse::<Mailbox>() {
        Ok(mailbox) if !written.contains(char::is_control) => {
            Some((written.clone(), mailbox.email.to_string()))
        }
        _ => {
            let message = format!("`{written}` is not a sender");
            found.problem(at, message, "write e.g. `Postrider <reports@example.com>`");
            None
        }
    }
}

fn connections(found: &mut Findings<'_>, table: &Shaped<SmtpToml>) -> usize {
    let Some(written) = &table.wire.connections else { return CONNECTIONS };
    let count = *written.get_ref();
    if !(1..=CONNECTIONS_MAX).contains(&count) {
        let message = format!("`connections` must be from 1 to {CONNECTIONS_MAX}");
        let help = format!("leave it out for {CONNECTIONS}");
        found.problem(At::new(table.file, Spanned::span(written)), message, help);
    }
    usize::from(count)
}

/// Mail is to be sent, and there is no `[smtp]`: told once, where the first mail is asked for.
pub(super) fn missing(found: &mut Findings<'_>, names: &Names) {
    let owner = names.general.owner_at.clone().map(|at| (at, "the owner".to_owned()));
    if let Some((at, who)) =
        names.mails.iter().cloned().chain(owner).min_by_key(|(at, _)| at.clone())
    {
        let message = format!("mail goes to {who}, but there is no `[smtp]`");
        let help = "write `[smtp]` with `host = \"smtp.example.com\"` and \
                    `from = \"Postrider <reports@example.com>\"`";
        found.problem(at, message, help);
    }
}
