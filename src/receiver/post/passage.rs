//! How an endpoint may be reached, besides its address: what a config says of the way there.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::guard::{is_local, literal, parse_url};
use super::network::{Network, is_forbidden, is_loopback, is_private};

/// The way to an endpoint.
#[derive(Clone, Debug, Default)]
pub struct Passage {
    /// Whether it may lead to any private address, and then in clear text too.
    pub private: bool,
    /// Private networks it may lead to.
    pub allow: Vec<Network>,
    /// Certificate authorities besides the system's, in PEM.
    pub ca: Option<Vec<u8>>,
    /// The proxy that is asked to connect; its address can hold a password.
    pub proxy: Option<SecretString>,
    /// How long an attempt may take, where it is not as usual.
    pub timeout: Option<Duration>,
}

impl Passage {
    /// Whether an address may be called on this way.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence about the address; the address itself is not in it.
    pub fn check(&self, url: &str) -> Result<(), String> {
        self.parse(url).map(drop)
    }

    /// As [`Passage::check`], with the parsed address.
    pub(super) fn parse(&self, url: &str) -> Result<Url, String> {
        let url = parse_url(url, self)?;
        if self.proxy.is_some() {
            if url.scheme() != "https" {
                return Err("uses `http`; through a proxy `https` is needed".into());
            }
            if url.host().is_some_and(|host| is_local(&host)) {
                return Err("names this machine, to which no proxy leads".into());
            }
        }
        Ok(url)
    }

    /// Whether the proxy may be asked; there need not be one.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence about the proxy; its address is not in it.
    pub fn check_proxy(&self) -> Result<(), String> {
        self.parse_proxy().map(drop)
    }

    /// As [`Passage::check_proxy`], with the parsed address.
    pub(super) fn parse_proxy(&self) -> Result<Option<Url>, String> {
        let Some(proxy) = &self.proxy else { return Ok(None) };
        let url = Url::parse(proxy.expose_secret().trim())
            .map_err(|_| "is not an address on the web: write e.g. `http://proxy:3128`")?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("is not spoken to by `http` or `https`".into());
        }
        let host = url.host().ok_or("is not an address on the web: it has no host")?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err("has a path: only host and port are asked for".into());
        }
        if let Some(ip) = literal(&host) {
            let allowed = self.private || self.allow.iter().any(|network| network.holds(ip));
            if is_forbidden(ip) {
                return Err("is a link-local or reserved address, which is never called".into());
            }
            if is_private(ip) && !is_loopback(ip) && !allowed {
                return Err("is in a private network: write its address into `allow`".into());
            }
        }
        Ok(Some(url))
    }

    /// What of the proxy must not be repeated: user name and password.
    pub(super) fn withheld(&self) -> Vec<SecretString> {
        let Ok(Some(url)) = self.parse_proxy() else { return Vec::new() };
        let password = url.password().unwrap_or_default();
        [url.username(), password].into_iter().map(SecretString::from).collect()
    }
}

/// Whether an address may be called: HTTPS with a host, or HTTP to this machine; `private`: also in
/// a private network.
///
/// # Errors
/// What is wrong, as the end of a sentence about the address; the address itself is not in it.
pub fn check_url(url: &str, private: bool) -> Result<(), String> {
    Passage { private, ..Passage::default() }.check(url)
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::Passage;

    fn through(proxy: &str, allow: &[&str]) -> Passage {
        let allow = allow.iter().map(|text| text.parse().unwrap()).collect();
        Passage { proxy: Some(SecretString::from(proxy)), allow, ..Passage::default() }
    }

    #[test]
    fn a_proxy_is_a_host_that_may_be_called() {
        for (proxy, allow) in [
            ("http://proxy:3128", &[][..]),
            ("https://proxy.example.com", &[]),
            ("http://user:pass@proxy:3128/", &[]),
            ("http://10.1.2.3:3128", &["10.1.2.3"]),
            ("http://127.0.0.1:3128", &[]),
        ] {
            assert_eq!(through(proxy, allow).check_proxy(), Ok(()), "{proxy}");
        }
        for (proxy, why) in [
            ("proxy", "is not an address"),
            ("proxy:3128", "by `http` or `https`"),
            ("socks5://proxy:1080", "by `http` or `https`"),
            ("http://proxy:3128/CANARY", "has a path"),
            ("http://10.1.2.3:3128", "in a private network"),
            ("http://169.254.169.254", "link-local"),
            ("http://[::ffff:169.254.169.254]:80", "link-local"),
        ] {
            let told = through(proxy, &[]).check_proxy().unwrap_err();
            assert!(told.contains(why) && !told.contains("CANARY"), "{proxy}: {told}");
        }
    }

    #[test]
    fn through_a_proxy_go_encrypted_messages_to_other_machines() {
        let passage = through("http://proxy:3128", &["10.0.0.0/8"]);
        assert_eq!(passage.check("https://hooks.example.com/x"), Ok(()));
        assert!(passage.check("http://10.1.2.3/x").unwrap_err().contains("through a proxy"));
        assert!(passage.check("https://localhost/x").unwrap_err().contains("names this machine"));
        assert!(passage.check("https://169.254.169.254/x").unwrap_err().contains("link-local"));
    }
}
