//! One mail server: where it is, how the connection is protected, who logs in.

use toml::Spanned;
use url::Host;

use super::super::super::problem::Findings;
use super::super::super::secret::{Followed, Surroundings};
use super::super::super::shape::{Raw, Shaped};
use super::super::super::text::At;
use super::super::super::wire::{FailoverToml, SmtpToml, Text};
use super::super::web::is_loopback;
use super::super::word;
use super::login::{self, Written};
use crate::receiver::smtp::{ServerSettings, SmtpTls};

/// The keys of a server, in whichever table they are.
struct Keys<'t> {
    file: usize,
    /// Where the table begins.
    at: At,
    host: Option<&'t Text>,
    port: Option<&'t Spanned<u16>>,
    tls: Option<&'t Text>,
    ca: Option<&'t Text>,
    login: Written<'t>,
}

impl Keys<'_> {
    fn at<V>(&self, value: &Spanned<V>) -> At {
        At::new(self.file, value.span())
    }
}

/// The server that is asked first.
pub(super) fn first(
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
    table: &Shaped<SmtpToml>,
    host: Option<&Text>,
    auth: Option<Raw<'_>>,
) -> Option<ServerSettings> {
    let wire = &table.wire;
    let auth = auth.map(|auth| login::auth(auth, found, surroundings));
    let keys = Keys {
        file: table.file,
        at: table.at.clone(),
        host,
        port: wire.port.as_ref(),
        tls: wire.tls.as_ref(),
        ca: wire.ca.as_ref(),
        login: Written { username: wire.username.as_ref(), password: wire.password.as_ref(), auth },
    };
    server(keys, found, surroundings, None)
}

/// A server that is asked where those before it cannot be used. What it does not say is as in `above`.
pub(super) fn further(
    mut raw: Raw<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
    above: Option<&ServerSettings>,
) -> Option<ServerSettings> {
    let auth = raw.take(found, "auth");
    let auth = auth.map(|auth| login::auth(auth, found, surroundings));
    let table = raw.shape::<FailoverToml>(found, &["auth"]);
    let wire = &table.wire;
    let host = table.required(found, "host", &wire.host, "\"smtp2.example.com\"");
    let keys = Keys {
        file: table.file,
        at: table.at.clone(),
        host,
        port: wire.port.as_ref(),
        tls: wire.tls.as_ref(),
        ca: wire.ca.as_ref(),
        login: Written { username: wire.username.as_ref(), password: wire.password.as_ref(), auth },
    };
    server(keys, found, surroundings, Some(above?))
}

fn server(
    keys: Keys<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
    above: Option<&ServerSettings>,
) -> Option<ServerSettings> {
    let host = keys.host.and_then(|text| host_of(found, &keys, text));
    let tls = protection(found, &keys, above);
    let port = match (keys.port, tls, above) {
        (Some(port), ..) => *port.get_ref(),
        (None, _, Some(above)) if keys.tls.is_none() => above.port,
        (None, Some(SmtpTls::Implicit), _) => 465,
        (None, Some(SmtpTls::None), _) => 25,
        (None, ..) => 587,
    };
    if let Some(port) = keys.port.filter(|port| *port.get_ref() == 0) {
        found.problem(keys.at(port), "port 0 is no port", "leave it out for 587");
    }
    let ca = match keys.ca {
        Some(text) => authority(found, surroundings, keys.at(text), keys.file, text),
        None => Some(above.and_then(|above| above.ca.clone())),
    };
    let (file, at) = (keys.file, keys.at.clone());
    let tls_at = keys.tls.map_or(keys.at.clone(), |text| keys.at(text));
    let login = keys.login.lower(found, surroundings, file, &at, above);
    if let (Some(SmtpTls::None), Some(host), Some(login)) = (tls, &host, &login) {
        clear_text(found, tls_at, host, port, login.is_some());
    }
    Some(ServerSettings { host: host?, port, tls: tls?, login: login?, ca: ca? })
}

fn protection(
    found: &mut Findings<'_>,
    keys: &Keys<'_>,
    above: Option<&ServerSettings>,
) -> Option<SmtpTls> {
    let words =
        [("starttls", SmtpTls::StartTls), ("implicit", SmtpTls::Implicit), ("none", SmtpTls::None)];
    match (keys.tls, keys.port.map(|port| *port.get_ref())) {
        (Some(text), _) => word(found, keys.file, text, &words),
        (None, Some(465)) => Some(SmtpTls::Implicit),
        // A port of its own is not that of a server above that speaks TLS from the first byte.
        (None, Some(_)) if above.is_some_and(|above| above.tls == SmtpTls::Implicit) => {
            Some(SmtpTls::StartTls)
        }
        (None, _) => Some(above.map_or(SmtpTls::StartTls, |above| above.tls)),
    }
}

fn host_of(found: &mut Findings<'_>, keys: &Keys<'_>, text: &Text) -> Option<String> {
    let written = text.get_ref();
    let host = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(written);
    let bare = host.parse::<std::net::IpAddr>().is_ok()
        || (!written.contains(':') && Host::parse(written).is_ok());
    if bare {
        return Some(host.to_owned());
    }
    let message = format!("`{written}` is not the name of a host");
    let help = "write it without scheme and port; the port goes into `port`";
    found.problem(keys.at(text), message, help);
    None
}

fn authority(
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
    at: At,
    file: usize,
    text: &Text,
) -> Option<Option<Vec<u8>>> {
    if !text.get_ref().starts_with("file:") {
        let message = format!("`{}` is not a certificate", text.get_ref());
        found.problem(at, message, "write e.g. `ca = \"file:ca.pem\"`");
        return None;
    }
    match surroundings.follow(found, file, text)? {
        Followed::Value(pem) if pem.contains("-----BEGIN CERTIFICATE-----") => {
            Some(Some(pem.into_bytes()))
        }
        Followed::Value(_) => {
            let message = format!("`{}` holds no certificate in PEM form", text.get_ref());
            found.problem(at, message, None);
            None
        }
        Followed::Unresolved => Some(None),
    }
}

/// Clear text goes over loopback, or to a relay on port 25 that asks for no credentials.
fn clear_text(found: &mut Findings<'_>, at: At, host: &str, port: u16, login: bool) {
    if is_loopback(host) {
        return;
    }
    if login {
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
