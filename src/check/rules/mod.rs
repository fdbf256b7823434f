//! The rules about meaning, a subject a file.

#![deny(
    dead_code,
    reason = "a rule that the list at the head of its file leaves out is an error"
)]

mod access;
mod apt;
mod bonds;
mod budget;
mod certificates;
pub(super) mod cloud_config;
mod cluster;
mod disk_ids;
mod disk_names;
mod disk_numbers;
mod disk_refs;
mod disks;
mod further;
mod keyboard;
mod life;
mod links;
mod media;
mod models;
mod names;
mod network;
pub(super) mod offline;
mod proxy;
pub(super) mod release;
mod resolver;
mod services;
mod sizes;
mod slots;
mod subnet;
mod sysctl;
mod volumes;

use super::registry::Check;
use crate::finding::Family;
pub(super) use certificates::{DESK, USER};

/// Every family and the files that its rules are in, in the order of the reference.
pub(super) static FAMILIES: &[(Family, &[&[&Check]])] = &[
    (Family::new('N', "Names"), &[names::CHECKS]),
    (
        Family::new('F', "Network"),
        &[
            network::CHECKS,
            subnet::CHECKS,
            resolver::CHECKS,
            links::CHECKS,
            bonds::CHECKS,
            further::CHECKS,
        ],
    ),
    (
        Family::new('D', "Disks, volumes and pools"),
        &[
            disks::CHECKS,
            slots::CHECKS,
            disk_ids::CHECKS,
            disk_numbers::CHECKS,
            sizes::CHECKS,
            volumes::CHECKS,
        ],
    ),
    (
        Family::new('C', "The cluster"),
        &[cluster::CHECKS, life::CHECKS, models::CHECKS],
    ),
    (Family::new('R', "Release and channel"), &[release::CHECKS]),
    (
        Family::new('T', "Time and place"),
        &[services::CHECKS, keyboard::CHECKS],
    ),
    (Family::new('U', "The way out"), &[proxy::CHECKS, apt::CHECKS]),
    (Family::new('A', "Access"), &[access::CHECKS, certificates::CHECKS]),
    (Family::new('M', "Install media"), &[media::CHECKS]),
    (Family::new('O', "The offline bundle"), &[offline::CHECKS]),
    (Family::new('K', "The running kernel"), &[sysctl::CHECKS]),
    (Family::new('X', "Your own cloud-config"), &[cloud_config::CHECKS]),
    (Family::new('B', "Budgets"), &[budget::CHECKS]),
];
