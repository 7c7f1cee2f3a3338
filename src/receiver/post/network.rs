//! What an address on the network is: this machine's, a private network's, nobody's.
//!
//! An IPv4 address comes in several IPv6 clothes; what is judged is always the one inside.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network as it is written: `10.1.0.0/16`, `fd00:12::/32`, or one address. Only networks that
/// lie within private ones can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    /// How many bits say which network it is.
    bits: u8,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Network {
    Network { first: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }
}

const fn v6(high: u16, second: u16, third: u16, bits: u8) -> Network {
    Network { first: IpAddr::V6(Ipv6Addr::new(high, second, third, 0, 0, 0, 0, 0)), bits }
}

/// This machine.
const LOOPBACK: [Network; 2] =
    [v4(127, 0, 0, 0, 8), Network { first: IpAddr::V6(Ipv6Addr::LOCALHOST), bits: 128 }];

/// Networks that are nobody else's business: private, shared by a carrier, between providers and
/// their customers, for measurements; and translators to IPv4 of one's own.
const PRIVATE: [Network; 9] = [
    v4(10, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 168, 0, 0, 16),
    v4(100, 64, 0, 0, 10),
    v4(192, 0, 0, 0, 24),
    v4(198, 18, 0, 0, 15),
    v6(0xfc00, 0, 0, 7),
    v6(0xfec0, 0, 0, 10),
    v6(0x64, 0xff9b, 1, 48),
];

/// Link-local (where clouds keep credentials), "this network", multicast, reserved, broadcast; and
/// Teredo, which hides an IPv4 address that cannot be judged.
const FORBIDDEN: [Network; 8] = [
    v4(0, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
    v6(0xfe80, 0, 0, 10),
    v6(0xff00, 0, 0, 8),
    v6(0x2001, 0, 0, 32),
    Network { first: IpAddr::V6(Ipv6Addr::UNSPECIFIED), bits: 128 },
];

impl Network {
    /// Whether an address is of it, in whatever clothes.
    pub(super) fn holds(&self, ip: IpAddr) -> bool {
        match (self.first, inner(ip)) {
            (IpAddr::V4(first), IpAddr::V4(ip)) => {
                // A shift by the whole width is what a network of no bits needs: everything.
                let shift = 32 - u32::from(self.bits);
                (u32::from(first) ^ u32::from(ip)).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(ip)) => {
                let shift = 128 - u32::from(self.bits);
                (u128::from(first) ^ u128::from(ip)).checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    fn lies_within(&self, other: &Network) -> bool {
        let alike = self.first.is_ipv4() == other.first.is_ipv4();
        alike && other.bits <= self.bits && other.holds(self.first)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address
            .trim()
            .parse()
            .map_err(|_| format!("`{text}` is not a network: write e.g. `10.1.0.0/16`"))?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => {
                bits.trim().parse().ok().filter(|bits| *bits <= most).ok_or_else(|| {
                    format!("`{text}` is not a network: after `/` stands 0 to {most}")
                })?
            }
        };
        let network = Network { first, bits };
        if !LOOPBACK.iter().chain(&PRIVATE).any(|known| network.lies_within(known)) {
            return Err(format!(
                "`{text}` is not a private network: public ones need no leave, link-local ones \
                 have none"
            ));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// Whether an address is this machine's.
pub(super) fn is_loopback(ip: IpAddr) -> bool {
    LOOPBACK.iter().any(|network| network.holds(ip))
}

/// Whether an address is never called.
pub(super) fn is_forbidden(ip: IpAddr) -> bool {
    FORBIDDEN.iter().any(|network| network.holds(ip))
}

/// Whether an address is of a private network.
pub(super) fn is_private(ip: IpAddr) -> bool {
    PRIVATE.iter().any(|network| network.holds(ip))
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
        // 6to4 and NAT64; other translators' prefixes are private as a whole.
        (0x2002, _) => v4(b, c),
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => v4(g, h),
        // The old way of writing an IPv4 address, and translated ones (`::ffff:0:a.b.c.d`); `::` and
        // `::1` are IPv6's own.
        (0, 0) if (c, d, e, f) == (0, 0, 0, 0) && (g, h) != (0, 0) && (g, h) != (0, 1) => v4(g, h),
        (0, 0) if (c, d, e, f) == (0, 0, 0xffff, 0) => v4(g, h),
        // ISATAP: the last half says whose address it is.
        _ if matches!((e, f), (0 | 0x200, 0x5efe)) => v4(g, h),
        _ => IpAddr::V6(v6),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Network, is_forbidden, is_loopback, is_private};

    #[test]
    fn what_an_address_is_does_not_depend_on_its_clothes() {
        // L loopback, P private, F forbidden, `.` anybody's.
        for (ip, kind) in [
            ("93.184.216.34", '.'),
            ("9.255.255.255", '.'),
            ("10.0.0.0", 'P'),
            ("10.255.255.255", 'P'),
            ("11.0.0.0", '.'),
            ("172.15.255.255", '.'),
            ("172.16.0.0", 'P'),
            ("172.31.255.255", 'P'),
            ("172.32.0.0", '.'),
            ("192.168.0.1", 'P'),
            ("192.169.0.1", '.'),
            ("100.63.255.255", '.'),
            ("100.64.0.0", 'P'),
            ("100.127.255.255", 'P'),
            ("100.128.0.0", '.'),
            ("192.0.0.192", 'P'),
            ("192.0.1.0", '.'),
            ("198.18.0.1", 'P'),
            ("198.19.255.255", 'P'),
            ("198.20.0.0", '.'),
            ("127.0.0.1", 'L'),
            ("127.255.255.254", 'L'),
            ("0.0.0.0", 'F'),
            ("0.1.2.3", 'F'),
            ("169.254.169.254", 'F'),
            ("224.0.0.1", 'F'),
            ("240.0.0.1", 'F'),
            ("255.255.255.255", 'F'),
            ("2606:2800::1", '.'),
            ("::1", 'L'),
            ("::", 'F'),
            ("fd00:ec2::254", 'P'),
            ("fc00::1", 'P'),
            ("fec0::1", 'P'),
            ("fe80::1", 'F'),
            ("ff02::1", 'F'),
            ("2001:0:a9fe:a9fe::1", 'F'),
            ("2001:4860::1", '.'),
            // One address in many clothes.
            ("::ffff:169.254.169.254", 'F'),
            ("::169.254.169.254", 'F'),
            ("::ffff:0:169.254.169.254", 'F'),
            ("64:ff9b::169.254.169.254", 'F'),
            ("2002:a9fe:a9fe::1", 'F'),
            ("2606:2800::5efe:a9fe:a9fe", 'F'),
            ("2606:2800::200:5efe:a9fe:a9fe", 'F'),
            ("::ffff:10.0.0.1", 'P'),
            ("::10.0.0.1", 'P'),
            ("64:ff9b::10.0.0.1", 'P'),
            ("64:ff9b:1::10.0.0.1", 'P'),
            ("2002:a00:1::", 'P'),
            ("::ffff:127.0.0.1", 'L'),
            ("64:ff9b::127.0.0.1", 'L'),
            ("64:ff9b::93.184.216.34", '.'),
        ] {
            let address: IpAddr = ip.parse().unwrap();
            let found = match (is_loopback(address), is_private(address), is_forbidden(address)) {
                (true, false, false) => 'L',
                (false, true, false) => 'P',
                (false, false, true) => 'F',
                (false, false, false) => '.',
                several => panic!("{ip} is {several:?}"),
            };
            assert_eq!(found, kind, "{ip}");
        }
    }

    #[test]
    fn a_network_holds_what_it_says() {
        let network: Network = "10.1.0.0/16".parse().unwrap();
        for (ip, holds) in [
            ("10.1.0.0", true),
            ("10.1.255.255", true),
            ("10.2.0.0", false),
            ("10.0.255.255", false),
            ("::ffff:10.1.2.3", true),
            ("64:ff9b::10.1.2.3", true),
            ("fd00::1", false),
        ] {
            assert_eq!(network.holds(ip.parse().unwrap()), holds, "{ip}");
        }
        let one: Network = "fd00:12::7".parse().unwrap();
        assert!(one.holds("fd00:12::7".parse().unwrap()));
        assert!(!one.holds("fd00:12::8".parse().unwrap()));
        assert_eq!(one.to_string(), "fd00:12::7/128");
    }

    #[test]
    fn only_private_networks_can_be_allowed() {
        for text in ["10.0.0.0/8", "10.1.2.3", "172.16.0.0/12", "127.0.0.0/8", "fd00::/8", "::1"] {
            text.parse::<Network>().unwrap();
        }
        for (text, why) in [
            ("ten", "is not a network"),
            ("10.0.0.0/33", "0 to 32"),
            ("fd00::/129", "0 to 128"),
            ("10.0.0.0/-1", "0 to 32"),
            ("10.0.0.0/", "0 to 32"),
            ("10.0.0.0/7", "is not a private network"),
            ("0.0.0.0/0", "is not a private network"),
            ("::/0", "is not a private network"),
            ("172.0.0.0/8", "is not a private network"),
            ("93.184.216.0/24", "is not a private network"),
            ("169.254.0.0/16", "is not a private network"),
            ("fe80::/10", "is not a private network"),
        ] {
            let told = text.parse::<Network>().unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
