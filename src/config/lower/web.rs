//! Addresses on the web, and the secrets that go to them.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Why an address on the web cannot be used, without the address itself: it may hold a token.
pub(super) fn address_trouble(address: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(address) else { return Some("is not an address on the web") };
    let Some(host) = url.host_str() else { return Some("is not an address on the web") };
    match url.scheme() {
        "https" => None,
        "http" if is_loopback(host) => None,
        "http" => Some("must begin with `https://`"),
        _ => Some("is not an address on the web"),
    }
}

/// The host of an address, in small letters.
pub(super) fn host_of(address: &str) -> Option<String> {
    Url::parse(address).ok()?.host_str().map(str::to_lowercase)
}

/// Whether a resolved secret is there; it is empty where a check could not resolve it.
pub(super) fn resolved(secret: &SecretString) -> bool {
    !secret.expose_secret().is_empty()
}
