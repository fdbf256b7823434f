//! How machines are on their network beyond one card with one address: `mtu`, `routes`.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::lower::{FromText, Misfit, record};
use crate::model::{LARGEST_MTU, SMALLEST_MTU};

/// Bytes of a frame, as an editor knows them.
pub(super) fn mtu() -> Value {
    json!({"minimum": SMALLEST_MTU, "maximum": LARGEST_MTU, "examples": [9000]})
}

/// What netplan writes as a number with a sign.
const POSITIVE: u32 = i32::MAX as u32;

record! {
    /// One entry of `routes:`, in netplan's words.
    pub(crate) struct Route {
        /// The network that is reached by it.
        required to: Destination,
        /// The router that knows the way there.
        required via: IpAddr = json!({"examples": ["192.168.10.254"]}),
        /// The router is on the same wire, although its address is not in the subnet.
        optional on_link: bool = json!({"default": false}),
        /// The smaller one of two routes to the same network is taken.
        optional metric: u32 = json!({"maximum": POSITIVE}),
        /// The number of another routing table than the main one, which only rules of your own look into.
        optional table: u32 = json!({"minimum": 1, "maximum": POSITIVE}),
    }
}

impl Route {
    /// The largest `metric` and `table` there is.
    pub(crate) const LARGEST: u32 = POSITIVE;
}

/// Where a route leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination(pub(crate) IpNet);

impl FromText for Destination {
    const EXPECTED: &'static str = "a network such as 10.0.0.0/8";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        if text == "default" {
            return Err("the default route is `gateway` in cluster.yaml".into());
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            let host = IpNet::from(address).to_string();
            return Err(Misfit::from("it has no prefix length").suggestion(Some(host)));
        }
        IpNet::from_text(text).map(Self)
    }

    fn limits() -> Value {
        super::describe::merged(IpNet::limits(), json!({"examples": ["10.0.0.0/8"]}))
    }
}
