//! Which addresses anybody on the Internet could reach, and which only we can.
//!
//! An address of a private network, of this machine or of a cloud's metadata service is where a
//! request of ours does what its author could not. The registries are IANA's "IPv4" and "IPv6
//! Special-Purpose Address Registry" (as of 2026-11); addresses that carry another one inside are
//! refused altogether, but for IPv4-mapped ones, which are judged as what they are.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// Addresses that begin alike: `10.0.0.0/8`, `fd00::/8`, or a single one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: u128,
    prefix: u32,
}

/// What is no place on the Internet.
const SPECIAL_V4: [Range; 16] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),   // shared by a carrier's customers
    v4([127, 0, 0, 0], 8),     // this machine
    v4([169, 254, 0, 0], 16),  // this link, and metadata services
    v4([172, 16, 0, 0], 12),   // private
    v4([192, 0, 0, 0], 24),    // protocols
    v4([192, 0, 2, 0], 24),    // documentation
    v4([192, 31, 196, 0], 24), // AS112
    v4([192, 52, 193, 0], 24), // AMT
    v4([192, 88, 99, 0], 24),  // relays of 6to4
    v4([192, 168, 0, 0], 16),  // private
    v4([192, 175, 48, 0], 24), // AS112
    v4([198, 18, 0, 0], 15),   // benchmarks
    v4([198, 51, 100, 0], 24), // documentation
    v4([203, 0, 113, 0], 24),  // documentation
];
/// Multicast, reserved and broadcast: all from here on.
const ABOVE_V4: u8 = 224;

/// The only part of IPv6 that is given out for the Internet. Outside of it are `::1`, NAT64
/// (`64:ff9b::/96`, `64:ff9b:1::/48`), `100::/64`, `5f00::/16`, unique local, link-local and
/// multicast addresses.
const GLOBAL_V6: Range = v6([0x2000, 0, 0, 0], 3);
const SPECIAL_V6: [Range; 5] = [
    v6([0x2001, 0, 0, 0], 23), // protocols, Teredo, benchmarks, ORCHID
    v6([0x2001, 0xdb8, 0, 0], 32),
    v6([0x2002, 0, 0, 0], 16), // 6to4
    v6([0x2620, 0x4f, 0x8000, 0], 48),
    v6([0x3fff, 0, 0, 0], 20), // documentation
];

/// Whether `address` is a place on the Internet like any other.
pub fn is_public(address: IpAddr) -> bool {
    let is_in = |ranges: &[Range]| ranges.iter().any(|range| range.contains(address));
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.octets()[0] < ABOVE_V4 && !is_in(&SPECIAL_V4),
        IpAddr::V6(_) => GLOBAL_V6.contains(address) && !is_in(&SPECIAL_V6),
    }
}

impl Range {
    /// Whether `address`, mapped or not, is one of these.
    pub fn contains(self, address: IpAddr) -> bool {
        (bits(address) ^ self.first).leading_zeros() >= self.prefix
    }
}

impl FromStr for Range {
    type Err = ();

    /// Reads CIDR notation; bits beyond the prefix must be zero, since a range that is not what it looks
    /// like is a mistake.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, length) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let (all, outer) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let length = match length {
            Some(length) => length.parse().map_err(|_| ())?,
            None => all,
        };
        if length > all {
            return Err(());
        }
        let range = Self { first: bits(address), prefix: outer + length };
        let rest = u128::MAX.checked_shr(range.prefix).unwrap_or(0);
        if range.first & rest == 0 { Ok(range) } else { Err(()) }
    }
}

/// Both families in one: IPv4 as its mapped address.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

const fn v4([a, b, c, d]: [u8; 4], prefix: u32) -> Range {
    Range { first: Ipv4Addr::new(a, b, c, d).to_ipv6_mapped().to_bits(), prefix: 96 + prefix }
}

const fn v6([a, b, c, d]: [u16; 4], prefix: u32) -> Range {
    Range { first: Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_bits(), prefix }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public_in_any_spelling() {
        let special = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.9",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::a00:1",
            "100::1",
            "100:0:0:1::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:2::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2620:4f:8000::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for text in special {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn neighbours_of_special_ranges_are_public() {
        let public = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "2606:4700::1111",
            "2a00:1450::1",
        ];
        for text in public {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_range_holds_what_begins_like_it() {
        let range: Range = "10.1.0.0/16".parse().unwrap();

        assert!(range.contains("10.1.255.255".parse().unwrap()));
        assert!(range.contains("::ffff:10.1.0.1".parse().unwrap()));
        assert!(!range.contains("10.2.0.0".parse().unwrap()));
        assert!("::1".parse::<Range>().unwrap().contains("::1".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Range>().unwrap().contains("8.8.8.8".parse().unwrap()));
        assert!(!"0.0.0.0/0".parse::<Range>().unwrap().contains("fd00::1".parse().unwrap()));
    }

    #[test]
    fn a_range_that_is_not_what_it_looks_like_is_none() {
        for text in
            ["", "/", "10.0.0.1/8", "10.0.0.0/33", "fd00::1/8", "::/129", "10.0.0.0/x", "a/8"]
        {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
    }
}
