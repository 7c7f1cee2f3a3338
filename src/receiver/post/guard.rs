//! Which addresses may be called, and keeping the address itself out of every text.
//!
//! HTTPS is required, except to this machine or, where the config says `private = true`, to a private
//! network. Whatever a name resolves to, link-local addresses (where clouds keep credentials) and
//! addresses that are no machine's are never called, and private ones only where the config says
//! so: the check is on the address connected to, so a name cannot be pointed elsewhere after it.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// What to write where a private address is meant.
const MEANT: &str = "write `private = true` if that is meant";

/// Whether an address may be called: HTTPS with a host, or HTTP to this machine; `private`: also in
/// a private network.
///
/// # Errors
/// What is wrong, as the end of a sentence about the address; the address itself is not in it.
pub fn check_url(url: &str, private: bool) -> Result<(), String> {
    parse_url(url, private).map(drop)
}

/// As [`check_url`], with the parsed address.
pub(super) fn parse_url(url: &str, private: bool) -> Result<Url, String> {
    let url = Url::parse(url.trim()).map_err(|_| "is not an address on the web")?;
    let host = url.host().ok_or("is not an address on the web: it has no host")?;
    let ip = literal(&host);
    if ip.is_some_and(is_forbidden) {
        return Err("names a link-local or reserved address, which is never called".into());
    }
    let local = is_local(&host);
    let inside = ip.map(|ip| is_private(ip) || is_loopback(ip));
    match url.scheme() {
        "https" | "http" if !private && !local && inside == Some(true) => {
            return Err(format!("names a private address: {MEANT}"));
        }
        "https" => {}
        "http" if local || private && inside != Some(false) => {}
        "http" => return Err("uses `http`; `https` is needed, except to this machine".into()),
        other => return Err(format!("uses `{}`; `https` is needed", known_scheme(other))),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("carries a user name or password, which are never sent so".into());
    }
    Ok(url)
}

/// Resolves names and drops the addresses that must not be called.
pub(super) struct Guard(Reach);

/// How far an endpoint's name may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// To this machine alone.
    Local,
    /// To this machine and private networks: clear text is spoken.
    Inside,
    /// Beyond private networks.
    Outside,
    /// To every machine.
    Anywhere,
}

impl Reach {
    fn allows(self, ip: IpAddr) -> bool {
        let inside = is_loopback(ip) || is_private(ip);
        !is_forbidden(ip)
            && match self {
                Reach::Local => is_loopback(ip),
                Reach::Inside => inside,
                Reach::Outside => !inside,
                Reach::Anywhere => true,
            }
    }
}

impl Guard {
    /// The guard for one endpoint.
    pub(super) fn for_url(url: &Url, private: bool) -> Guard {
        let local = url.host().is_some_and(|host| is_local(&host));
        Guard(match (url.scheme(), private) {
            (_, false) if local => Reach::Local,
            ("http", false) => Reach::Local,
            ("http", true) => Reach::Inside,
            (_, false) => Reach::Outside,
            (_, true) => Reach::Anywhere,
        })
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            let allowed: Vec<SocketAddr> =
                found.iter().filter(|address| reach.allows(address.ip())).copied().collect();
            if allowed.is_empty() {
                let private = found.iter().any(|address| Reach::Anywhere.allows(address.ip()));
                return Err(Box::new(Refused { private }).into());
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

fn is_loopback(ip: IpAddr) -> bool {
    inner(ip).is_loopback()
}

/// Link-local, unspecified, broadcast and multicast addresses.
fn is_forbidden(ip: IpAddr) -> bool {
    match inner(ip) {
        IpAddr::V4(ip) => {
            ip.is_link_local() || ip.is_broadcast() || ip.is_multicast() || ip.octets()[0] == 0
        }
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_multicast() || ip.is_unspecified(),
    }
}

/// Addresses of networks that are nobody else's business: private, shared by a carrier, for tests.
fn is_private(ip: IpAddr) -> bool {
    match inner(ip) {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            ip.is_private()
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && matches!(b, 18 | 19))
                || (a, b, c) == (192, 0, 0)
        }
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

/// The address that is really called: IPv4 addresses come in several IPv6 clothes.
fn inner(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip.to_canonical() else { return ip.to_canonical() };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        // 6to4 and NAT64.
        (0x2002, _) => v4(b, c),
        (0x64, 0xff9b) => v4(g, h),
        // The old way of writing an IPv4 address; `::` and `::1` are IPv6's own.
        (0, 0) if (c, d, e, f) == (0, 0, 0, 0) && (g, h) != (0, 0) && (g, h) != (0, 1) => v4(g, h),
        _ => IpAddr::V6(v6),
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

    use super::{Guard, Reach, check_url, repeats_address};

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
        ] {
            assert_eq!(check_url(url, false), Ok(()), "{url}");
            assert_eq!(check_url(url, true), Ok(()), "{url}");
        }
    }

    #[test]
    fn private_networks_are_called_where_the_config_says_so() {
        for url in [
            "https://10.1.2.3/hook",
            "http://10.1.2.3/hook",
            "http://192.168.0.9:9093/",
            "https://172.16.0.1/",
            "https://100.64.0.1/",
            "https://[fd00::1]/",
            "https://[64:ff9b::a00:1]/",
            "https://0xa.1/",
        ] {
            assert_eq!(check_url(url, true), Ok(()), "{url}");
            let why = check_url(url, false).unwrap_err();
            assert!(why.contains("`private = true`"), "{url}: {why}");
        }
        // A name is judged when it is resolved.
        assert_eq!(check_url("http://alertmanager:9093/", true), Ok(()));
        check("http://alertmanager:9093/", false, "`https` is needed");
        check("http://93.184.216.34/", true, "`https` is needed");
    }

    #[test]
    fn what_may_not_be_called_is_refused_without_showing_it() {
        for private in [false, true] {
            check("CANARY", private, "is not an address on the web");
            check("canary-scheme:CANARY", private, "it has no host");
            check("ftp://example.com/CANARY", private, "uses `ftp`");
            check("canary://example.com/CANARY", private, "another scheme");
            check("https://user:CANARY@example.com/", private, "user name or password");
            check("https://169.254.169.254/CANARY", private, "link-local");
            check("https://0xa9fea9fe/CANARY", private, "link-local");
            check("https://[::ffff:169.254.169.254]/CANARY", private, "link-local");
            check("https://[64:ff9b::a9fe:a9fe]/CANARY", private, "link-local");
            check("https://[2002:a9fe:a9fe::]/CANARY", private, "link-local");
            check("https://[::a9fe:a9fe]/CANARY", private, "link-local");
            check("https://[fe80::1]/CANARY", private, "link-local");
            check("https://0.0.0.0/CANARY", private, "reserved");
            check("https://224.0.0.1/CANARY", private, "reserved");
        }
        check("http://hooks.example.com/CANARY", false, "`https` is needed");
        check("http://localhost.example.com/CANARY", false, "`https` is needed");
    }

    #[test]
    fn the_guard_looks_at_the_address_connected_to() {
        use Reach::{Anywhere, Inside, Local, Outside};
        for (ip, allowing) in [
            ("93.184.216.34", &[Outside, Anywhere][..]),
            ("2606:2800::1", &[Outside, Anywhere]),
            ("10.0.0.1", &[Inside, Anywhere]),
            ("100.127.0.1", &[Inside, Anywhere]),
            ("fd12::1", &[Inside, Anywhere]),
            ("127.0.0.1", &[Local, Inside, Anywhere]),
            ("::1", &[Local, Inside, Anywhere]),
            ("::ffff:10.0.0.1", &[Inside, Anywhere]),
            ("2002:a00:1::", &[Inside, Anywhere]),
            ("169.254.169.254", &[]),
            ("::ffff:169.254.169.254", &[]),
            ("fe80::1", &[]),
            ("ff02::1", &[]),
            ("::", &[]),
        ] {
            for reach in [Local, Inside, Outside, Anywhere] {
                let allowed = reach.allows(ip.parse().unwrap());
                assert_eq!(allowed, allowing.contains(&reach), "{reach:?} {ip}");
            }
        }
    }

    #[test]
    fn how_far_a_name_may_lead_follows_from_scheme_host_and_the_word_private() {
        for (url, private, reach) in [
            ("https://hooks.example.com/", false, Reach::Outside),
            ("https://hooks.example.com/", true, Reach::Anywhere),
            ("http://localhost/", false, Reach::Local),
            ("https://localhost/", false, Reach::Local),
            ("http://alertmanager/", true, Reach::Inside),
        ] {
            assert_eq!(Guard::for_url(&Url::parse(url).unwrap(), private).0, reach, "{url}");
        }
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
    fn check(url: &str, private: bool, expected: &str) {
        let why = check_url(url, private).unwrap_err();
        assert!(why.contains(expected), "{url}: {why}");
        assert!(!why.to_lowercase().contains("canary"), "{why}");
    }
}
