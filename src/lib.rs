//! lxseed: from host and disk profiles to machines that install Ubuntu 18.04 unattended and come up as one LXD cluster.
//!
//! Data flows one way: [`source`] reads text, [`profile`] is what a user may write, [`check`] finds what is wrong with it,
//! [`model`] is what is known to be true, [`render`] turns the model into bytes, [`media`] makes images of them and [`output`]
//! puts them on disk. [`contract`] holds what the outside world promises, [`trust`] the secret and what is derived from it, [`report`] how findings look,
//! [`schema`] what an editor is told of profiles.

pub mod check;
mod chunks;
pub mod finding;
mod git;
mod gzip;
mod hex;
pub mod installer;
mod manager;
pub mod media;
pub mod model;
pub mod profile;
pub mod report;
pub mod seed;
mod shell;
mod snap;
pub mod source;
pub mod target;
pub mod tree;
pub mod trust;
pub mod yaml;
