//! What installs the system on a bare machine: one module per installer, and the choice among them.

pub mod debian;

use crate::model::{Cluster, Host};
use crate::seed::File;
use crate::target::Installer;
use debian::DebianError;

/// The templates of every installer, parsed once.
pub struct Installers {
    debian: debian::Installer,
}

impl Installers {
    /// Parses the templates.
    ///
    /// # Errors
    /// If a template is not well-formed, which a test of every build would have shown.
    pub fn new() -> Result<Self, DebianError> {
        Ok(Self {
            debian: debian::Installer::new()?,
        })
    }

    /// What the installer of a host's release is told, beside the seed.
    ///
    /// # Errors
    /// If these are not answers that it takes.
    pub fn files(&self, cluster: &Cluster, host: &Host) -> Result<Vec<File>, DebianError> {
        match cluster.ubuntu.installer {
            Installer::Debian => Ok(vec![self.debian.answers(cluster, host)?]),
        }
    }
}

/// Whether a file of a host's folder is one that an installer reads.
#[must_use]
pub fn reads(name: &str) -> bool {
    name == debian::ANSWERS
}
