//! What a host's network is, from what its cluster says for all and what it says itself.

use crate::model::{self, Link, Mac, ModelError, Wiring};
use crate::profile::{Bond, ClusterNetwork, HostNetwork, Route, Spanned, USUAL_INTERVAL};

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
pub(super) fn wiring(common: &ClusterNetwork, own: &HostNetwork) -> Result<Wiring, ModelError> {
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
    })
}

fn missing(what: &str) -> ModelError {
    ModelError(format!("{what} is missing"))
}

fn bonded(bond: &Bond, own: &HostNetwork) -> Result<model::Bond, ModelError> {
    let names = bond.links.iter().flat_map(|links| &links.value);
    let links = names.map(|name| {
        let mac = own.macs().find(|(link, _)| *link == Some(&name.value));
        let (_, mac) = mac.ok_or_else(|| missing(&format!("link {}", name.value)))?;
        Ok(Link {
            name: name.value.clone(),
            mac: mac.value,
        })
    });
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
        let mac = own.macs().next().ok_or_else(|| missing("mac"))?;
        return Ok(mac.1.value);
    };
    let primary = bond.links.iter().find(|link| bond.primary.as_ref() == Some(&link.name));
    let link = primary.or(bond.links.first());
    Ok(link.ok_or_else(|| missing("bond.links"))?.mac)
}
