//! LXD, installed from its snap.

pub(crate) mod preseed;
