//! `[smtp]`: the mail server.

use lettre::message::Mailbox;
use url::Host;

use super::super::problem::Findings;
use super::super::secret::{Followed, Surroundings};
use super::super::shape::{Raw, Shaped};
use super::super::text::At;
use super::super::wire::{SmtpToml, Text};
use super::web::is_loopback;
use super::{Names, word};
use crate::receiver::smtp::{CONNECTIONS, Login, ServerSettings, SmtpSettings, SmtpTls};

/// Lowers `[smtp]`.
pub(super) fn lower(
    raw: Raw<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> Option<SmtpSettings> {
    let table = raw.shape::<SmtpToml>(found, &[]);
    let wire = &table.wire;
    let host = table.required(found, "host", &wire.host, "\"smtp.example.com\"");
    let host = host.and_then(|text| smtp_host(found, &table, text));
    let from = table.required(found, "from", &wire.from, "\"Postrider <reports@example.com>\"");
    let from = from.and_then(|text| sender(found, table.at(text), text));
    let tls = match &wire.tls {
        Some(text) => word(
            found,
            table.file,
            text,
            &[
                ("starttls", SmtpTls::StartTls),
                ("implicit", SmtpTls::Implicit),
                ("none", SmtpTls::None),
            ],
        ),
        None if wire.port.as_ref().is_some_and(|port| *port.get_ref() == 465) => {
            Some(SmtpTls::Implicit)
        }
        None => Some(SmtpTls::StartTls),
    };
    let port = match (&wire.port, tls) {
        (Some(port), _) => *port.get_ref(),
        (None, Some(SmtpTls::Implicit)) => 465,
        (None, Some(SmtpTls::None)) => 25,
        (None, _) => 587,
    };
    if let Some(port) = wire.port.as_ref().filter(|port| *port.get_ref() == 0) {
        found.problem(table.at(port), "port 0 is no port", "leave it out for 587");
    }
    let login = login(found, &table, surroundings);
    let ca = wire.ca.as_ref().map(|text| authority(found, &table, surroundings, text));
    if let (Some(SmtpTls::None), Some(host)) = (tls, &host) {
        clear_text(found, &table, host, port);
    }
    let (from, from_address) = from?;
    let server = ServerSettings {
        host: host?,
        port,
        tls: tls?,
        login: login?,
        ca: match ca {
            Some(ca) => ca?,
            None => None,
        },
    };
    Some(SmtpSettings {
        servers: vec![server],
        from,
        envelope_from: from_address,
        connections: CONNECTIONS,
    })
}

fn smtp_host(found: &mut Findings<'_>, table: &Shaped<SmtpToml>, text: &Text) -> Option<String> {
    let written = text.get_ref();
    let host = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(written);
    let bare = host.parse::<std::net::IpAddr>().is_ok()
        || (!written.contains(':') && Host::parse(written).is_ok());
    if bare {
        return Some(host.to_owned());
    }
    let message = format!("`{written}` is not the name of a host");
    found.problem(
        table.at(text),
        message,
        "write it without scheme and port; the port goes into `port`",
    );
    None
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

fn login(
    found: &mut Findings<'_>,
    table: &Shaped<SmtpToml>,
    surroundings: Surroundings<'_>,
) -> Option<Option<Login>> {
    match (&table.wire.username, &table.wire.password) {
        (None, None) => Some(None),
        (Some(user), Some(password)) => {
            let user = surroundings.given(found, table.file, user)?;
            let password = surroundings.secret(found, table.file, password)?;
            Some(Some(Login::Password { user, password }))
        }
        (Some(user), None) => {
            let help = "write e.g. `password = \"env:SMTP_PASSWORD\"`";
            found.problem(table.at(user), "`username` without `password`", help);
            None
        }
        (None, Some(password)) => {
            let help = "write e.g. `username = \"postrider\"`";
            found.problem(table.at(password), "`password` without `username`", help);
            None
        }
    }
}

fn authority(
    found: &mut Findings<'_>,
    table: &Shaped<SmtpToml>,
    surroundings: Surroundings<'_>,
    text: &Text,
) -> Option<Option<Vec<u8>>> {
    if !text.get_ref().starts_with("file:") {
        let message = format!("`{}` is not a certificate", text.get_ref());
        found.problem(table.at(text), message, "write e.g. `ca = \"file:ca.pem\"`");
        return None;
    }
    match surroundings.follow(found, table.file, text)? {
        Followed::Value(pem) if pem.contains("-----BEGIN CERTIFICATE-----") => {
            Some(Some(pem.into_bytes()))
        }
        Followed::Value(_) => {
            let message = format!("`{}` holds no certificate in PEM form", text.get_ref());
            found.problem(table.at(text), message, None);
            None
        }
        Followed::Unresolved => Some(None),
    }
}

/// Clear text goes over loopback, or to a relay on port 25 that asks for no credentials.
fn clear_text(found: &mut Findings<'_>, table: &Shaped<SmtpToml>, host: &str, port: u16) {
    let at = table.wire.tls.as_ref().map_or(table.at.clone(), |text| table.at(text));
    if is_loopback(host) {
        return;
    }
    if table.wire.password.is_some() {
        let message = format!("the password would go to `{host}` in clear text");
        found.problem(at, message, "remove `tls = \"none\"`");
    } else if port == 25 {
        let message = format!("mail goes to `{host}` in clear text");
        found.note(at, message, "use a server that offers STARTTLS where there is one");
    } else {
        let message = format!("mail would go to `{host}` in clear text");
        let help = "`tls = \"none\"` is only for loopback, or for a relay on port 25 without login";
        found.problem(at, message, help);
    }
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
