//! What a server offers in its answer to EHLO.

/// A way to log in that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    Login,
    XOAuth2,
}

/// What the server offered in its answer to EHLO.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Offers {
    pub(super) starttls: bool,
    pub(super) pipelining: bool,
    pub(super) eight_bit: bool,
    pub(super) utf8: bool,
    /// `Some(0)`: sizes are understood, without a limit. Bytes.
    pub(super) size_max: Option<usize>,
    /// Ways to log in that we speak too.
    pub(super) logins: Vec<Mechanism>,
}

impl Offers {
    /// Reads the lines after the greeting.
    pub(super) fn read<'a>(lines: impl Iterator<Item = &'a str>) -> Offers {
        let mut offers = Offers::default();
        for line in lines {
            let mut parts = line.split_whitespace();
            let keyword = parts.next().unwrap_or_default().to_ascii_uppercase();
            match keyword.as_str() {
                "STARTTLS" => offers.starttls = true,
                "PIPELINING" => offers.pipelining = true,
                "8BITMIME" => offers.eight_bit = true,
                "SMTPUTF8" => offers.utf8 = true,
                "SIZE" => {
                    offers.size_max = Some(parts.next().and_then(|n| n.parse().ok()).unwrap_or(0));
                }
                "AUTH" => offers.logins.extend(parts.filter_map(mechanism)),
                // As old servers write it: `AUTH=LOGIN PLAIN`.
                other => {
                    if let Some(first) = other.strip_prefix("AUTH=") {
                        offers
                            .logins
                            .extend(std::iter::once(first).chain(parts).filter_map(mechanism));
                    }
                }
            }
        }
        offers
    }
}

fn mechanism(name: &str) -> Option<Mechanism> {
    match name.to_ascii_uppercase().as_str() {
        "PLAIN" => Some(Mechanism::Plain),
        "LOGIN" => Some(Mechanism::Login),
        "XOAUTH2" => Some(Mechanism::XOAuth2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Mechanism, Offers};

    #[test]
    fn offers_are_read_in_any_case() {
        let lines = [
            "STARTTLS",
            "size 1000",
            "Auth PLAIN login CRAM-MD5 xoauth2",
            "8bitmime",
            "Pipelining",
            "X-OTHER 1",
        ];
        let expected = Offers {
            starttls: true,
            pipelining: true,
            eight_bit: true,
            utf8: false,
            size_max: Some(1_000),
            logins: vec![Mechanism::Plain, Mechanism::Login, Mechanism::XOAuth2],
        };
        assert_eq!(Offers::read(lines.into_iter()), expected);
        assert_eq!(Offers::read(["SIZE"].into_iter()).size_max, Some(0));
        assert_eq!(Offers::read(["auth=login"].into_iter()).logins, [Mechanism::Login]);
        assert_eq!(Offers::read([].into_iter()), Offers::default());
    }
}
