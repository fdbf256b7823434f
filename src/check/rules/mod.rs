//! The rules, a family a file.

mod access;
mod budget;
mod certificates;
mod cluster;
mod disk_ids;
mod disk_numbers;
mod disks;
mod media;
mod names;
mod network;
pub(super) mod offline;
pub(super) mod release;
mod resolver;
mod sizes;
mod slots;
mod subnet;
mod volumes;

use super::Check;

/// Every family, in the order in which findings of one place are told.
pub(super) const FAMILIES: &[&[Check]] = &[
    names::CHECKS,
    network::CHECKS,
    subnet::CHECKS,
    resolver::CHECKS,
    disks::CHECKS,
    slots::CHECKS,
    disk_ids::CHECKS,
    disk_numbers::CHECKS,
    sizes::CHECKS,
    volumes::CHECKS,
    cluster::CHECKS,
    release::CHECKS,
    access::CHECKS,
    certificates::CHECKS,
    budget::CHECKS,
    media::CHECKS,
    offline::CHECKS,
];
