//! What a host's network is, from what its cluster says for all and what it says itself.

use crate::model::{self, ModelError, Wiring};
use crate::profile::{ClusterNetwork, HostNetwork, Route, Spanned};

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
        let missing = || ModelError("a route has no end".to_owned());
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
    Ok(Wiring {
        mtu: mtu(common, own).map(|mtu| mtu.value),
        routes: routes.collect::<Result<_, ModelError>>()?,
    })
}
