//! What a host's network is, from what its cluster says for all and what it says itself.

use ipnet::IpNet;

use crate::model::{self, Further, Link, Mac, ModelError, Wiring};
use crate::profile::{
    Bond, Cluster, ClusterNetwork, FurtherNetwork, HostNetwork, Route, Spanned, USUAL_INTERVAL, entries,
};

/// The largest packet on the host's network, if anybody says it.
pub(super) fn mtu<'a>(common: &'a ClusterNetwork, own: &'a HostNetwork) -> Option<&'a Spanned<u32>> {
    own.mtu.as_ref().or(common.mtu.as_ref())
}

/// The routes of the host: its own list, where it has one, in place of its cluster's.
pub(super) fn routes<'a>(common: &'a ClusterNetwork, own: &'a HostNetwork) -> &'a [Spanned<Route>] {
    let routes = own.routes.as_ref().or(common.routes.as_ref());
    routes.map_or(&[], |routes| &routes.value)
}

/// All of it that the renders take.
pub(super) fn wiring(cluster: &Cluster, common: &ClusterNetwork, own: &HostNetwork) -> Result<Wiring, ModelError> {
    let routes = routes(common, own).iter().map(|route| {
        let missing = || missing("a route's end");
        let Route {
            to,
            via,
            on_link,
            metric,
            table,
            ..
        } = &route.value;
        Ok(model::Route {
            to: to.as_ref().ok_or_else(missing)?.value.0,
            via: via.as_ref().ok_or_else(missing)?.value,
            on_link: on_link.as_ref().is_some_and(|on_link| on_link.value),
            metric: metric.as_ref().map(|metric| metric.value),
            table: table.as_ref().map(|table| table.value),
        })
    });
    let bond = common.bond.as_ref().map(|bond| bonded(&bond.value, own));
    Ok(Wiring {
        mtu: mtu(common, own).map(|mtu| mtu.value),
        routes: routes.collect::<Result<_, ModelError>>()?,
        bond: bond.transpose()?,
        vlan: common.vlan.as_ref().and_then(|vlan| u16::try_from(vlan.value).ok()),
        bridge: common.bridge.as_ref().map(|bridge| bridge.value.clone()),
        further: entries(cluster.networks.as_ref())
            .iter()
            .map(|(name, network)| further(&name.value, &network.value, own))
            .collect::<Result<_, ModelError>>()?,
    })
}

fn missing(what: &str) -> ModelError {
    ModelError(format!("{what} is missing"))
}

fn further(name: &str, network: &FurtherNetwork, own: &HostNetwork) -> Result<Further, ModelError> {
    let link = network.link.as_ref().map(|link| linked(&link.value, own));
    let address = network.subnet.as_ref().map(|subnet| {
        let addresses = own.networks.as_ref();
        let address = addresses.and_then(|addresses| addresses.value.get(name));
        let (_, address) = address.ok_or_else(|| missing(&format!("an address in {name}")))?;
        IpNet::new(address.value, subnet.value.prefix_len()).map_err(|why| ModelError(why.to_string()))
    });
    Ok(Further {
        link: link.transpose()?,
        vlan: network.vlan.as_ref().and_then(|vlan| u16::try_from(vlan.value).ok()),
        mtu: network.mtu.as_ref().map(|mtu| mtu.value),
        address: address.transpose()?,
    })
}

fn linked(name: &str, own: &HostNetwork) -> Result<Link, ModelError> {
    let mac = own.macs().find(|(link, _)| *link == Some(name));
    let (_, mac) = mac.ok_or_else(|| missing(&format!("link {name}")))?;
    Ok(Link {
        name: name.to_owned(),
        mac: mac.value,
    })
}

fn bonded(bond: &Bond, own: &HostNetwork) -> Result<model::Bond, ModelError> {
    let names = bond.links.iter().flat_map(|links| &links.value);
    let links = names.map(|name| linked(&name.value, own));
    let interval = bond.mii_monitor_interval.as_ref();
    Ok(model::Bond {
        links: links.collect::<Result<_, ModelError>>()?,
        mode: bond.mode.as_ref().ok_or_else(|| missing("bond.mode"))?.value,
        lacp_rate: bond.lacp_rate.as_ref().map(|rate| rate.value),
        mii_monitor_interval: interval.map_or(USUAL_INTERVAL, |interval| interval.value),
        primary: bond.primary.as_ref().map(|primary| primary.value.clone()),
        transmit_hash_policy: bond.transmit_hash_policy.as_ref().map(|policy| policy.value),
    })
}

/// The card that the installer uses, and by whose address a medium knows the host: the bond's `primary` or first one, else
/// the only one there is.
pub(super) fn first_card(wiring: &Wiring, own: &HostNetwork) -> Result<Mac, ModelError> {
    let Some(bond) = &wiring.bond else {
        let further = |name: Option<&str>| {
            wiring
                .further
                .iter()
                .any(|further| name.is_some() && name == further.name())
        };
        let mac = own.macs().find(|(name, _)| !further(*name));
        return Ok(mac.ok_or_else(|| missing("mac"))?.1.value);
    };
    let primary = bond.links.iter().find(|link| bond.primary.as_ref() == Some(&link.name));
    let link = primary.or(bond.links.first());
    Ok(link.ok_or_else(|| missing("bond.links"))?.mac)
}
