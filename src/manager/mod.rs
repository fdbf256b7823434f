//! What forms the cluster: one module per manager of instances.

pub(crate) mod lxd;
