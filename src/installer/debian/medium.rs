//! What an install medium for many hosts holds beside their seeds: how it is told which of them a machine is.

use camino::Utf8PathBuf;

use super::questions::{self, DebconfError};
use crate::model::{Cluster, Host};
use crate::seed::{Content, File};

/// The folder on the medium that everything of lxseed lies in.
pub const FOLDER: &str = "lxseed";
/// What a system that was installed says of itself, on its root file system.
pub(super) const MARK: &str = "etc/lxseed/installed";
/// The answers that the boot menu names.
pub(super) const START: &str = "start.cfg";

/// The script that names a host's answers.
const PICK: &str = concat!(
    "#!/bin/sh\n# lxseed: which of the hosts on this medium is this machine? Made by lxseed, the same on every medium.\n\n",
    include_str!("../../../templates/installer/debian/common.sh"),
    "\n",
    include_str!("../../../templates/installer/debian/pick.sh"),
);

/// The files at the top of the medium's folder, for these hosts; paths are relative to it. An installed machine
/// restarts, or is switched off.
///
/// # Errors
/// If the answers are not what the installer takes.
pub fn medium<'a>(
    hosts: impl Iterator<Item = (&'a Cluster, &'a Host)>,
    poweroff: bool,
) -> Result<Vec<File>, DebconfError> {
    // Relative to the place of this very file, which is how the installer finds the host's answers, too.
    let mut start = format!("d-i preseed/include_command string sh /cdrom/{FOLDER}/pick\n");
    if poweroff {
        start.push_str("d-i debian-installer/exit/poweroff boolean true\n");
    }
    questions::lint(START, &start)?;
    // A line each; the serial number may hold blanks, so it comes last.
    let hosts: String = hosts
        .map(|(cluster, host)| {
            let serial = host.dmi_serial.as_deref().unwrap_or_default();
            let line = format!("{} {} {} {serial}", host.mac, cluster.name, host.name);
            format!("{}\n", line.trim_end())
        })
        .collect();
    let files = [(START, start), ("pick", PICK.to_owned()), ("hosts", hosts)];
    Ok(files
        .into_iter()
        .map(|(name, text)| File {
            path: Utf8PathBuf::from(name),
            content: Content::Public(text.into_bytes()),
        })
        .collect())
}
