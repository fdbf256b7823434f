//! Free addresses, which reports suggest in place of wrong ones.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::view::SiteView;

/// Addresses of a site's subnets that nothing in its profiles has, each handed out once.
pub(super) struct FreeAddresses {
    taken: HashSet<IpAddr>,
    /// Where the search in a subnet goes on.
    next: HashMap<IpNet, u128>,
}

impl FreeAddresses {
    pub(super) fn of(site: &SiteView<'_>) -> Self {
        let hosts = site
            .hosts()
            .filter_map(|host| host.host().network.as_ref()?.value.address.as_ref());
        let networks: Vec<_> = site
            .profiles()
            .filter_map(|profile| Some(&profile.network.as_ref()?.value))
            .collect();
        let gateways = networks.iter().filter_map(|network| network.gateway.as_ref());
        let nameservers = networks
            .iter()
            .filter_map(|network| network.nameservers.as_ref())
            .flat_map(|list| &list.value);
        Self {
            taken: hosts
                .chain(gateways)
                .chain(nameservers)
                .map(|address| address.value.to_canonical())
                .collect(),
            next: HashMap::new(),
        }
    }

    /// A free address of the subnet: the one that `instead_of` has within its own subnet if that is free, else the
    /// next.
    pub(super) fn take(&mut self, subnet: IpNet, instead_of: IpAddr) -> Option<IpAddr> {
        let host_bits = u32::from(subnet.max_prefix_len() - subnet.prefix_len());
        if host_bits < 2 {
            return None;
        }
        let network = number(subnet.network());
        // No host has the first address of a subnet, nor the last one of an IPv4 subnet.
        let all_ones = u128::MAX >> (128 - host_bits);
        let last = if subnet.network().is_ipv4() {
            all_ones - 1
        } else {
            all_ones
        };
        let own = number(instead_of) & all_ones;
        let wish = if subnet.network().is_ipv4() == instead_of.is_ipv4() && (1..=last).contains(&own) {
            own
        } else {
            10.min(last)
        };
        let wished = address(network | wish, &subnet);
        if self.taken.insert(wished) {
            return Some(wished);
        }
        let from = wish.max(self.next.get(&subnet).copied().unwrap_or(1));
        // Of one candidate more than there are taken addresses, one is free.
        let tries = u128::try_from(self.taken.len()).ok()?.min(last - 1);
        let found = (0..=tries).map(|step| (from - 1 + step) % last + 1).find_map(|offset| {
            let address = address(network | offset, &subnet);
            (!self.taken.contains(&address)).then_some((offset, address))
        });
        let (offset, address) = found?;
        self.taken.insert(address);
        self.next.insert(subnet, offset + 1);
        Some(address)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn address(number: u128, subnet: &IpNet) -> IpAddr {
    match subnet {
        // Within the subnet, so it fits in 32 bits.
        IpNet::V4(_) => IpAddr::V4(u32::try_from(number).unwrap_or(u32::MAX).into()),
        IpNet::V6(_) => IpAddr::V6(number.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn take(taken: &[&str], subnet: &str, instead_of: &[&str]) -> Vec<Option<String>> {
        let mut free = FreeAddresses {
            taken: taken.iter().map(|text| text.parse().unwrap()).collect(),
            next: HashMap::new(),
        };
        let subnet = subnet.parse().unwrap();
        instead_of
            .iter()
            .map(|text| free.take(subnet, text.parse().unwrap()))
            .map(|found| found.map(|address| address.to_string()))
            .collect()
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some((*text).to_owned())).collect()
    }

    #[test]
    fn a_free_address_is_near_the_wrong_one_and_given_once() {
        assert_eq!(
            take(
                &["10.0.0.1", "10.0.0.11", "10.0.0.12"],
                "10.0.0.0/24",
                &["10.9.9.40", "10.0.0.11", "10.0.0.11", "10.0.0.255", "fd00::7"]
            ),
            some(&["10.0.0.40", "10.0.0.13", "10.0.0.14", "10.0.0.10", "10.0.0.15"])
        );
        assert_eq!(
            take(&["fd00::1"], "fd00::/64", &["fd00::", "fd00::1"]),
            some(&["fd00::a", "fd00::2"])
        );
        assert_eq!(
            take(&[], "::/0", &["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]),
            some(&["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"])
        );
    }

    #[test]
    fn a_full_subnet_has_none() {
        assert_eq!(take(&["10.0.0.1", "10.0.0.2"], "10.0.0.0/30", &["10.0.0.1"]), [None]);
        assert_eq!(take(&["10.0.0.2"], "10.0.0.0/30", &["10.0.0.2"]), some(&["10.0.0.1"]));
        assert_eq!(take(&[], "10.0.0.0/31", &["10.0.0.0"]), [None]);
        assert_eq!(take(&[], "10.0.0.0/32", &["10.0.0.0"]), [None]);
    }
}
