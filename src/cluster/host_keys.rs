//! A member's own keys on its machine, over ssh: which ones it has, and how others take their place. LXD has no call for them.

use std::io;
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use super::ssh::{Ssh, SshError};
use crate::encoding::base64;
use crate::model::Cluster;
use crate::seed::{ClusterKeys, HostKeys};
use crate::trust::{ClientCertificate, KeyPair};

/// What is done there; it says how at its head.
const SCRIPT: &str = include_str!("../../templates/desk/host-keys.sh");

const LOOK: Duration = Duration::from_secs(30);

/// LXD lets operations end for five minutes, and has five more to be ready.
const EXCHANGE: Duration = Duration::from_secs(840);

/// sshd is there again within a moment.
const TRIES: usize = 10;

const PAUSE: Duration = Duration::from_millis(500);

/// What of its own keys was found on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnMachine {
    /// SHA-256 of the certificate that LXD has for its own.
    pub(super) server: String,
    /// Whether an exchange of that pair was not seen to its end: LXD may run with the one before.
    pub(super) is_under_way: bool,
    /// Whether its sshd shows the declared host key.
    pub(super) is_ssh_declared: bool,
}

/// The machine of a declared host whose keys are replaced.
#[derive(Debug)]
pub struct Machine<'a> {
    pub(super) name: &'a str,
    own: &'a HostKeys,
    earlier: Vec<HostKeys>,
    /// Believes the declared host key alone.
    declared: Ssh<'a>,
    /// Believes the earlier ones, too.
    any: Ssh<'a>,
}

impl<'a> Machine<'a> {
    /// A declared host, by its name, which may have any of the earlier keys; none if it is not declared. Connects to nobody yet.
    ///
    /// # Errors
    /// If the host keys cannot be written for `ssh`, in the folder for temporary files.
    pub fn new(
        cluster: &'a Cluster,
        keys: &'a ClusterKeys,
        name: &str,
        earlier: Vec<HostKeys>,
    ) -> io::Result<Option<Self>> {
        let mut hosts = cluster.hosts.iter().zip(&keys.hosts);
        let Some((host, own)) = hosts.find(|(host, _)| host.name.as_str() == name) else {
            return Ok(None);
        };
        let all = std::iter::once(own).chain(&earlier);
        let known: String = all.map(|keys| format!("{} {}\n", host.name, keys.ssh.public)).collect();
        Ok(Some(Self {
            name: host.name.as_str(),
            own,
            declared: Ssh::new(cluster, keys)?,
            any: Ssh::knowing(cluster, &known)?,
            earlier,
        }))
    }

    /// Looks which keys are there. This is where it shows whether one can get in at all.
    ///
    /// # Errors
    /// See [`SshError`].
    pub fn look(&self) -> Result<OnMachine, SshError> {
        let (said, is_ssh_declared) = match self.declared.run(self.name, SCRIPT, &["look"], b"", LOOK) {
            Err(SshError::OtherKey { .. }) => (self.any.run(self.name, SCRIPT, &["look"], b"", LOOK)?, false),
            said => (said?, true),
        };
        let said = String::from_utf8_lossy(&said);
        let (is_under_way, pem) = match said.strip_prefix("under way\n") {
            Some(rest) => (true, rest),
            None => (false, said.as_ref()),
        };
        Ok(OnMachine {
            // What is no certificate is none of the declared ones.
            server: ClientCertificate::parse(pem)
                .map_or_else(|_| String::new(), |found| found.fingerprint().to_owned()),
            is_under_way,
            is_ssh_declared,
        })
    }

    /// The pairs that LXD there may have had before.
    pub(super) fn earlier(&self) -> impl Iterator<Item = &KeyPair> {
        self.earlier.iter().map(|keys| &keys.server)
    }

    pub(super) fn server(&self) -> &KeyPair {
        &self.own.server
    }

    pub(super) fn give_server(&self) -> Result<(), SshError> {
        let (private, public) = (&self.own.server.private_key_pem, &self.own.server.certificate_pem);
        self.give("server", private.expose(), public.as_bytes())
    }

    /// Until sshd shows the new key.
    pub(super) fn give_ssh(&self) -> Result<(), SshError> {
        let public = format!("{}\n", self.own.ssh.public);
        self.give("ssh", self.own.ssh.private.expose(), public.as_bytes())?;
        let mut tries = 1;
        loop {
            match self.declared.run(self.name, "true", &[], b"", LOOK) {
                Err(SshError::OtherKey { .. } | SshError::Silent { .. }) if tries < TRIES => thread::sleep(PAUSE),
                other => return other.map(drop),
            }
            tries += 1;
        }
    }

    fn give(&self, what: &str, private: &[u8], public: &[u8]) -> Result<(), SshError> {
        let private = Zeroizing::new(base64(private));
        let input = Zeroizing::new(format!("{}\n{}\n", *private, base64(public)));
        self.any
            .run(self.name, SCRIPT, &[what], input.as_bytes(), EXCHANGE)
            .map(drop)
    }
}
