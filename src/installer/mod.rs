//! What installs the system on a bare machine: one module per installer.

pub mod debian;
