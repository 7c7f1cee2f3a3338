//! Which addresses a webhook may call, and keeping the address itself out of every text.
//!
//! HTTPS is required, except to this machine. Whatever a name resolves to, link-local addresses
//! (where clouds keep credentials) and addresses that are no machine's are never called: the check
//! is on the address connected to, so a name cannot be pointed elsewhere after it.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Whether a webhook may call this address: HTTPS with a host, or HTTP to this machine.
///
/// # Errors
/// What is wrong, as the end of a sentence about the address; the address itself is not in it.
pub fn check_url(url: &str) -> Result<(), String> {
    parse_url(url).map(drop)
}

/// As [`check_url`], with the parsed address.
pub(super) fn parse_url(url: &str) -> Result<Url, String> {
    let url = Url::parse(url.trim()).map_err(|err| format!("is not a URL: {err}"))?;
    let host = url.host().ok_or("has no host")?;
    if let Some(ip) = literal(&host)
        && is_forbidden(ip)
    {
        return Err("names a link-local or reserved address, which webhooks never call".into());
    }
    match url.scheme() {
        "https" => {}
        "http" if is_local(&host) => {}
        "http" => return Err("uses `http`; `https` is needed, except to this machine".into()),
        other => return Err(format!("uses `{}`; `https` is needed", known_scheme(other))),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("carries a user name or password, which webhooks do not send".into());
    }
    Ok(url)
}

/// Resolves names and drops the addresses that must not be called.
pub(super) struct Guard {
    /// Clear text is spoken, so only this machine will do.
    local_only: bool,
}

impl Guard {
    /// The guard for one endpoint.
    pub(super) fn for_url(url: &Url) -> Guard {
        Guard { local_only: url.scheme() == "http" }
    }

    fn allows(local_only: bool, ip: IpAddr) -> bool {
        if local_only { ip.to_canonical().is_loopback() } else { !is_forbidden(ip) }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let local_only = self.local_only;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| Guard::allows(local_only, address.ip())).collect();
            if allowed.is_empty() {
                return Err(Box::new(Refused).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The name resolves to addresses that must not be called, and to no other.
#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its host name leads to an address that webhooks never call")
    }
}

impl Error for Refused {}

/// Finds the guard's refusal in a chain of causes.
pub(super) fn refusal_in(err: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(err);
    while let Some(err) = cause {
        if let Some(refused) = err.downcast_ref::<Refused>() {
            return Some(refused.to_string());
        }
        let wrapped = err.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => err.source(),
        };
    }
    None
}

/// Drops an answer's text when it repeats a part of the address, as error pages like to do.
pub(super) fn withhold(url: &Url, said: String) -> String {
    let decoded =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let plain = decoded(&said);
    let mut parts: Vec<String> = url.path_segments().into_iter().flatten().map(decoded).collect();
    parts.extend(
        url.query_pairs().flat_map(|(name, value)| [name.into_owned(), value.into_owned()]),
    );
    parts.extend(url.fragment().map(decoded));
    let repeats = parts.iter().any(|part| part.len() >= 4 && plain.contains(part.as_str()));
    if repeats { "(its words repeat the address and are withheld)".into() } else { said }
}

fn literal(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(ip) => Some(IpAddr::V4(*ip)),
        Host::Ipv6(ip) => Some(IpAddr::V6(*ip)),
    }
}

fn is_local(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => IpAddr::V6(*ip).to_canonical().is_loopback(),
    }
}

/// Link-local, unspecified, broadcast and multicast addresses. Private networks are allowed: the
/// operator writes the address, and in-house chat servers live there.
fn is_forbidden(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            ip.is_link_local() || ip.is_broadcast() || ip.is_multicast() || ip.octets()[0] == 0
        }
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_multicast() || ip.is_unspecified(),
    }
}

/// A scheme for an error's text; an unknown one could be a mispasted secret.
fn known_scheme(scheme: &str) -> &str {
    match scheme {
        "ftp" | "file" | "ws" | "wss" | "mailto" => scheme,
        _ => "another scheme",
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{Guard, check_url, withhold};

    #[test]
    fn https_anywhere_and_http_to_this_machine_only() {
        for url in [
            "https://hooks.example.com/services/T0/B0/x?key=y",
            "https://10.1.2.3/hook",
            "http://localhost:8080/hook",
            "http://127.0.0.1:9/hook",
            "http://[::1]:9/hook",
            "http://[::ffff:127.0.0.1]/hook",
            "http://0x7f.1/hook",
        ] {
            assert_eq!(check_url(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_may_not_be_called_is_refused_without_showing_it() {
        check("http://hooks.example.com/CANARY", "`https` is needed");
        check("http://localhost.example.com/CANARY", "`https` is needed");
        check("http://10.1.2.3/CANARY", "`https` is needed");
        check("CANARY", "is not a URL");
        check("canary-scheme:CANARY", "has no host");
        check("ftp://example.com/CANARY", "uses `ftp`");
        check("canary://example.com/CANARY", "another scheme");
        check("https://user:CANARY@example.com/", "user name or password");
        check("https://169.254.169.254/CANARY", "link-local");
        check("https://0xa9fea9fe/CANARY", "link-local");
        check("https://[::ffff:169.254.169.254]/CANARY", "link-local");
        check("https://[fe80::1]/CANARY", "link-local");
        check("https://0.0.0.0/CANARY", "reserved");
        check("https://224.0.0.1/CANARY", "reserved");
    }

    #[test]
    fn the_guard_looks_at_the_address_connected_to() {
        for (local_only, ip, allowed) in [
            (false, "93.184.216.34", true),
            (false, "10.0.0.1", true),
            (false, "127.0.0.1", true),
            (false, "169.254.169.254", false),
            (false, "::ffff:169.254.169.254", false),
            (false, "fe80::1", false),
            (false, "ff02::1", false),
            (false, "::", false),
            (true, "127.0.0.1", true),
            (true, "::1", true),
            (true, "10.0.0.1", false),
        ] {
            assert_eq!(
                Guard::allows(local_only, ip.parse().unwrap()),
                allowed,
                "{local_only} {ip}"
            );
        }
    }

    #[test]
    fn words_that_repeat_the_address_are_withheld() {
        let url = Url::parse("https://h.example/services/T00%2FB7/xyz?token=s3cret&a=b").unwrap();
        for text in ["Cannot POST /services/", "bad token s3cret", "no T00/B7", "no T00%2FB7 here"]
        {
            assert!(withhold(&url, text.into()).contains("withheld"), "{text}");
        }
        assert_eq!(withhold(&url, "invalid_payload a b".into()), "invalid_payload a b");
    }

    #[track_caller]
    fn check(url: &str, expected: &str) {
        let why = check_url(url).unwrap_err();
        assert!(why.contains(expected), "{url}: {why}");
        assert!(!why.to_lowercase().contains("canary"), "{why}");
    }
}
