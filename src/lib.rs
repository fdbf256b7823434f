//! lxseed: from host and disk profiles to machines that install Ubuntu 18.04 unattended and come up as one LXD cluster.
//!
//! Data flows one way: [`source`] reads text, [`profile`] is what a user may write, [`check`] finds what is wrong with it,
//! [`model`] is what is known to be true, [`render`] turns the model into bytes and [`output`] puts them on disk.

pub mod output;
pub mod render;
pub mod trust;
