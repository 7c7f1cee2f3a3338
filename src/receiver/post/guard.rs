//! Which addresses may be called, and keeping the address itself out of every text.
//!
//! HTTPS is required, except to this machine or, where the config says so (`private`, `allow`), to a
//! private network. Whatever a name resolves to, link-local addresses (where clouds keep credentials)
//! and addresses that are no machine's are never called, and private ones only where the config says
//! so. The check sits in the resolver, so what was checked is what is connected to: a name cannot be
//! pointed elsewhere in between.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::network::{Network, is_forbidden, is_loopback, is_private};
use super::passage::Passage;

/// What to write where a private address is meant.
const MEANT: &str = "write e.g. `allow = [\"10.1.2.0/24\"]` or `private = true` if that is meant";

/// An address that may be called: HTTPS with a host, or HTTP to this machine; also to a private
/// network where `passage` says so.
///
/// # Errors
/// What is wrong, as the end of a sentence about the address; the address itself is not in it.
pub(super) fn parse_url(url: &str, passage: &Passage) -> Result<Url, String> {
    let url = Url::parse(url.trim()).map_err(|_| "is not an address on the web")?;
    let host = url.host().ok_or("is not an address on the web: it has no host")?;
    let ip = literal(&host);
    if ip.is_some_and(is_forbidden) {
        return Err("names a link-local or reserved address, which is never called".into());
    }
    let local = is_local(&host);
    let inside = ip.map(|ip| is_private(ip) || is_loopback(ip));
    let allowed = |ip: IpAddr| passage.allow.iter().any(|network| network.holds(ip));
    let clear = match ip {
        // A name is judged when it is resolved.
        None => passage.private || !passage.allow.is_empty(),
        Some(ip) => inside == Some(true) && (passage.private || allowed(ip)),
    };
    match url.scheme() {
        "https" | "http" if !local && inside == Some(true) && !clear => {
            return Err(format!("names a private address: {MEANT}"));
        }
        "https" => {}
        "http" if local || clear => {}
        "http" => return Err("uses `http`; `https` is needed, except to this machine".into()),
        other => return Err(format!("uses `{}`; `https` is needed", known_scheme(other))),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("carries a user name or password, which are never sent so".into());
    }
    Ok(url)
}

/// The addresses of a host's name, as the system knows them.
pub(super) type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Asks the system.
pub(super) fn system() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect()) })
    })
}

/// Resolves names and drops the addresses that must not be called.
pub(super) struct Guard {
    reach: Reach,
    lookup: Lookup,
}

/// How far an endpoint's name may lead.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reach {
    /// To this machine.
    loopback: bool,
    /// To any private network.
    private: bool,
    /// To these private networks, or parts of this machine.
    allow: Vec<Network>,
    /// Beyond private networks.
    outside: bool,
}

impl Reach {
    /// What follows from an address and what the config says of it.
    fn of(url: &Url, passage: &Passage) -> Reach {
        let local = url.host().is_some_and(|host| is_local(&host));
        Reach {
            loopback: local || passage.private,
            private: passage.private,
            allow: passage.allow.clone(),
            // In clear text nothing leaves the private networks.
            outside: url.scheme() == "https" && (!local || passage.private),
        }
    }

    /// The same for a proxy: what goes through it is encrypted, so it may be spoken to in clear text
    /// anywhere.
    fn of_proxy(url: &Url, passage: &Passage) -> Reach {
        Reach {
            outside: !url.host().is_some_and(|host| is_local(&host)),
            ..Reach::of(url, passage)
        }
    }

    fn allows(&self, ip: IpAddr) -> bool {
        let named = || self.allow.iter().any(|network| network.holds(ip));
        match ip {
            ip if is_forbidden(ip) => false,
            ip if is_loopback(ip) => self.loopback || named(),
            ip if is_private(ip) => self.private || named(),
            _ => self.outside,
        }
    }
}

impl Guard {
    /// The guard for one endpoint.
    pub(super) fn of(url: &Url, passage: &Passage, lookup: Lookup) -> Guard {
        Guard { reach: Reach::of(url, passage), lookup }
    }

    /// The guard for a proxy.
    pub(super) fn of_proxy(url: &Url, passage: &Passage, lookup: Lookup) -> Guard {
        Guard { reach: Reach::of_proxy(url, passage), lookup }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, found) = (self.reach.clone(), (self.lookup)(name.as_str().to_owned()));
        Box::pin(async move {
            let found = found.await?;
            let allowed: Vec<SocketAddr> =
                found.iter().filter(|address| reach.allows(address.ip())).copied().collect();
            if allowed.is_empty() {
                let private = found.iter().any(|address| !is_forbidden(address.ip()));
                return Err(Refused { private }.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The name resolves to addresses that must not be called, and to no other.
#[derive(Debug)]
struct Refused {
    /// They are of a private network: the config can allow that.
    private: bool,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.private {
            true => write!(f, "its host name leads to a private address: {MEANT}"),
            false => f.write_str("its host name leads to an address that is never called"),
        }
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

/// Whether an answer repeats a part of the address, as error pages like to do.
pub(super) fn repeats_address(url: &Url, said: &str) -> bool {
    let decoded =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let plain = decoded(said);
    let mut parts: Vec<String> = url.path_segments().into_iter().flatten().map(decoded).collect();
    parts.extend(
        url.query_pairs().flat_map(|(name, value)| [name.into_owned(), value.into_owned()]),
    );
    parts.extend(url.fragment().map(decoded));
    parts.iter().any(|part| part.len() >= 4 && plain.contains(part.as_str()))
}

/// The address a host is, if it is no name.
pub(super) fn literal(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(ip) => Some(IpAddr::V4(*ip)),
        Host::Ipv6(ip) => Some(IpAddr::V6(*ip)),
    }
}

/// Whether a host is this machine by what it is called.
pub(super) fn is_local(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => IpAddr::V6(*ip).to_canonical().is_loopback(),
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

    use super::{Reach, parse_url, repeats_address};
    use crate::receiver::post::Passage;

    fn private() -> Passage {
        Passage { private: true, ..Passage::default() }
    }

    fn allowing(networks: &[&str]) -> Passage {
        let allow = networks.iter().map(|text| text.parse().unwrap()).collect();
        Passage { allow, ..Passage::default() }
    }

    #[test]
    fn https_anywhere_and_http_to_this_machine_only() {
        for url in [
            "https://hooks.example.com/services/T0/B0/x?key=y",
            "http://localhost:8080/hook",
            "http://127.0.0.1:9/hook",
            "https://127.0.0.1:9/hook",
            "http://[::1]:9/hook",
            "http://[::ffff:127.0.0.1]/hook",
            "http://0x7f.1/hook",
            "http://2130706433/hook",
            "http://0177.0.0.1./hook",
        ] {
            for passage in [Passage::default(), private(), allowing(&["10.0.0.0/8"])] {
                parse_url(url, &passage).unwrap_or_else(|why| panic!("{url} {why}"));
            }
        }
    }

    #[test]
    fn private_networks_are_called_where_the_config_says_so() {
        let all =
            allowing(&["10.0.0.0/8", "192.168.0.9", "172.16.0.0/16", "100.64.0.0/24", "fd00::/32"]);
        for url in [
            "https://10.1.2.3/hook",
            "http://10.1.2.3/hook",
            "http://192.168.0.9:9093/",
            "https://172.16.0.1/",
            "https://100.64.0.1/",
            "https://[fd00::1]/",
            "https://[64:ff9b::a00:1]/",
            "https://0xa.1/",
            "https://167837955/",
            "https://012.1.2.3/",
            "https://１０.1.2.3/",
        ] {
            for passage in [private(), all.clone()] {
                parse_url(url, &passage).unwrap_or_else(|why| panic!("{url} {why}"));
            }
            check(url, &Passage::default(), "`private = true`");
            check(url, &allowing(&["10.99.0.0/16"]), "`allow = [");
        }
        // A name is judged when it is resolved.
        for passage in [private(), allowing(&["10.0.0.0/8"])] {
            parse_url("http://alertmanager:9093/", &passage).unwrap();
            check("http://93.184.216.34/", &passage, "`https` is needed");
        }
        check("http://alertmanager:9093/", &Passage::default(), "`https` is needed");
    }

    #[test]
    fn what_may_not_be_called_is_refused_without_showing_it() {
        for passage in [Passage::default(), private(), allowing(&["10.0.0.0/8", "127.0.0.0/8"])] {
            let check = |url, expected| check(url, &passage, expected);
            check("CANARY", "is not an address on the web");
            check("canary-scheme:CANARY", "it has no host");
            check("ftp://example.com/CANARY", "uses `ftp`");
            check("canary://example.com/CANARY", "another scheme");
            check("https://user:CANARY@example.com/", "user name or password");
            check("https://example.com@169.254.169.254/CANARY", "link-local");
            check("https://169.254.169.254/CANARY", "link-local");
            check("https://0xa9fea9fe/CANARY", "link-local");
            check("https://2852039166/CANARY", "link-local");
            check("https://0251.0376.0251.0376/CANARY", "link-local");
            check("https://169.0xfe.43518/CANARY", "link-local");
            check("https://169.254.169.254./CANARY", "link-local");
            check("https://[::ffff:169.254.169.254]/CANARY", "link-local");
            check("https://[64:ff9b::a9fe:a9fe]/CANARY", "link-local");
            check("https://[2002:a9fe:a9fe::]/CANARY", "link-local");
            check("https://[::a9fe:a9fe]/CANARY", "link-local");
            check("https://[fe80::1]/CANARY", "link-local");
            check("https://0.0.0.0/CANARY", "reserved");
            check("https://0/CANARY", "reserved");
            check("https://224.0.0.1/CANARY", "reserved");
            check("https://255.255.255.255/CANARY", "reserved");
        }
        check("http://hooks.example.com/CANARY", &Passage::default(), "`https` is needed");
        check("http://localhost.example.com/CANARY", &Passage::default(), "`https` is needed");
    }

    #[test]
    fn how_far_a_name_may_lead_follows_from_scheme_host_and_what_is_allowed() {
        let ten = || allowing(&["10.1.0.0/16"]);
        // l this machine, a 10.1.2.3, p 10.2.0.1, o outside.
        for (url, passage, reach) in [
            ("https://hooks.example.com/", Passage::default(), "o"),
            ("https://hooks.example.com/", private(), "lapo"),
            ("https://hooks.example.com/", ten(), "ao"),
            ("http://localhost/", Passage::default(), "l"),
            ("https://localhost/", Passage::default(), "l"),
            ("https://localhost./", ten(), "la"),
            ("http://alertmanager/", private(), "lap"),
            ("http://alertmanager/", ten(), "a"),
        ] {
            let found = Reach::of(&Url::parse(url).unwrap(), &passage);
            let found: String = [
                ('l', "127.0.0.1"),
                ('a', "10.1.2.3"),
                ('p', "10.2.0.1"),
                ('o', "93.184.216.34"),
                ('!', "169.254.169.254"),
                ('!', "::ffff:169.254.169.254"),
                ('!', "fe80::1"),
            ]
            .into_iter()
            .filter(|(_, ip)| found.allows(ip.parse().unwrap()))
            .map(|(sign, _)| sign)
            .collect();
            assert_eq!(found, reach, "{url} {passage:?}");
        }
    }

    #[test]
    fn a_proxy_is_guarded_as_an_endpoint_is_and_may_be_spoken_to_in_clear_text() {
        let reach = |url: &str, passage: &Passage| {
            let reach = Reach::of_proxy(&Url::parse(url).unwrap(), passage);
            ["93.184.216.34", "10.1.2.3", "127.0.0.1", "169.254.169.254"]
                .map(|ip| reach.allows(ip.parse().unwrap()))
        };
        let ten = allowing(&["10.1.0.0/16"]);
        assert_eq!(reach("http://proxy:3128", &Passage::default()), [true, false, false, false]);
        assert_eq!(reach("http://proxy:3128", &ten), [true, true, false, false]);
        assert_eq!(reach("http://localhost:3128", &ten), [false, true, true, false]);
    }

    #[test]
    fn words_that_repeat_the_address_are_noticed() {
        let url = Url::parse("https://h.example/services/T00%2FB7/xyz?token=s3cret&a=b").unwrap();
        for text in ["Cannot POST /services/", "bad token s3cret", "no T00/B7", "no T00%2FB7 here"]
        {
            assert!(repeats_address(&url, text), "{text}");
        }
        assert!(!repeats_address(&url, "invalid_payload a b"));
    }

    #[track_caller]
    fn check(url: &str, passage: &Passage, expected: &str) {
        let why = parse_url(url, passage).unwrap_err();
        assert!(why.contains(expected), "{url}: {why}");
        assert!(!why.to_lowercase().contains("canary"), "{why}");
    }
}
