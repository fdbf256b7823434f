//! Commands on a declared host, as root, over OpenSSH's own `ssh`: for what LXD's API has no call.
//!
//! Who one is follows from the person's own keys, agent and `ssh_config`; the login is the profile's administrator, whom cloud-init
//! lets use `sudo` without a password. Whom one speaks to follows from the site secret alone: the host key is derived, and no other
//! file of known hosts, no DNS and no connection that is open already is believed instead.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::NamedTempFile;
use thiserror::Error;

use crate::child::{self, Ended, Limit};
use crate::model::{Cluster, Host};
use crate::seed::{ClusterKeys, write_files};
use crate::shell::escape;

/// Most that is read of what a command says, in bytes.
const ANSWER_MAX: usize = 4 << 20;

/// How long `ssh` may take to get in and out, beside what the command itself may take.
const WAY: Duration = Duration::from_secs(25);

/// A machine that is off costs this once; one that went off under a command is noticed after three such times.
const SECONDS: &str = "5";

/// After its time a command is asked to end, and this much later it is killed, in seconds.
const GRACE: &str = "5";

/// The exit status by which `timeout` of coreutils says that it ended the command.
const TIMED_OUT: i32 = 124;

/// The exit status by which `ssh` says that it is its own.
const OF_SSH: i32 = 255;

/// Lines that are kept of what a command complained of.
const LINES: usize = 8;

/// Why a command on a host was not run to a good end.
#[derive(Debug, Error)]
pub enum SshError {
    /// There is no `ssh`.
    #[error(
        "there is no program `ssh` here: install OpenSSH's client (Debian and Ubuntu: apt-get install openssh-client)"
    )]
    NoProgram,
    /// The operating system does not let it be run.
    #[error("cannot run ssh: {0}")]
    Start(#[source] io::Error),
    /// No host of that name is declared.
    #[error("{0} is not declared, so nothing is known of its SSH host key")]
    NotDeclared(String),
    /// Nobody is there, or the way to it is closed.
    #[error("{host} is not reached over ssh ({address}: {why}); is it on? lxseed status tells")]
    Silent {
        /// The host.
        host: String,
        /// Where it was looked for.
        address: String,
        /// What `ssh` said.
        why: String,
    },
    /// Somebody else is at its address.
    #[error(
        "what answers at {address} has not the SSH host key that {host} has of this site secret and its `generation`, so it was sent \
         nothing: another machine, or {host} set up by other hands; lxseed status tells who is there"
    )]
    OtherKey {
        /// The host.
        host: String,
        /// Where it was looked for.
        address: String,
    },
    /// It is the host, and this person may not log in.
    #[error(
        "{host} does not let you in as {user} ({why}): which of your keys is in its `ssh_authorized_keys`? Try: ssh -o \
         UserKnownHostsFile=out/{cluster}/known_hosts {user}@{address}"
    )]
    NotLetIn {
        /// The host.
        host: String,
        /// Its address.
        address: String,
        /// Its cluster.
        cluster: String,
        /// The login.
        user: String,
        /// What `ssh` said.
        why: String,
    },
    /// The person is logged in and cannot become root.
    #[error(
        "{user} cannot become root on {host} without a password ({why}): the file that lets it is /etc/sudoers.d/90-cloud-init-users"
    )]
    NoRoot {
        /// The host.
        host: String,
        /// The login.
        user: String,
        /// What `sudo` said.
        why: String,
    },
    /// It took longer than it may.
    #[error("{host} did not come to an end within {} s, and was cut off", .within.as_secs())]
    Late {
        /// The host.
        host: String,
        /// How long it could take.
        within: Duration,
    },
    /// It said more than an honest answer is.
    #[error("{host} says more than {ANSWER_MAX} bytes")]
    TooMuch {
        /// The host.
        host: String,
    },
    /// The command ended with an error of its own.
    #[error("{host} says: {said}")]
    Failed {
        /// The host.
        host: String,
        /// Its exit status; none if a signal ended it.
        code: Option<i32>,
        /// What it said on its standard error, its last lines.
        said: String,
    },
}

/// The declared hosts of a cluster as `ssh` reaches them.
#[derive(Debug)]
pub struct Ssh<'a> {
    cluster: &'a Cluster,
    known_hosts: NamedTempFile,
    program: PathBuf,
}

impl<'a> Ssh<'a> {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// If the file of host keys cannot be written, in the folder for temporary files.
    pub fn new(cluster: &'a Cluster, keys: &ClusterKeys) -> io::Result<Self> {
        Self::knowing(cluster, &write_files::known_hosts(cluster, keys))
    }

    /// The same by a file of host keys of one's own, in the format of OpenSSH, that goes by the hosts' names.
    pub(super) fn knowing(cluster: &'a Cluster, host_keys: &str) -> io::Result<Self> {
        // `ssh` expands some characters of this option, which ones depends on its version.
        let plain = |path: &Path| {
            let text = path.to_str()?;
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
            text.chars().all(is_plain).then(|| path.to_owned())
        };
        let folder = plain(&std::env::temp_dir()).unwrap_or_else(|| "/tmp".into());
        // Of mode 0600, so nobody else adds a key.
        let mut known_hosts = tempfile::Builder::new().prefix("lxseed-ssh-").tempfile_in(folder)?;
        known_hosts.write_all(host_keys.as_bytes())?;
        Ok(Self {
            cluster,
            known_hosts,
            program: "ssh".into(),
        })
    }

    /// Runs a POSIX shell script as root on a host, to its end, and returns what it said on its standard output. The script is
    /// constant text, and its values are positional arguments; both can be seen by others while it runs, here and there. What is
    /// secret goes to its standard input. It must not end with status 124 or 255 itself.
    ///
    /// # Errors
    /// See [`SshError`]. After [`SshError::Late`] and [`SshError::Silent`] it may have run, or may run still for `within`.
    pub fn run(
        &self,
        host: &str,
        script: &'static str,
        args: &[&str],
        input: &[u8],
        within: Duration,
    ) -> Result<Vec<u8>, SshError> {
        let stdin = match input {
            [] => Stdio::null(),
            _ => child::input(input).map_err(SshError::Start)?,
        };
        self.run_on(host, script, args, stdin, within)
    }

    /// The same with a file as standard input, which may be large.
    pub(super) fn send(
        &self,
        host: &str,
        script: &'static str,
        args: &[&str],
        file: File,
        within: Duration,
    ) -> Result<Vec<u8>, SshError> {
        self.run_on(host, script, args, file.into(), within)
    }

    fn run_on(
        &self,
        host: &str,
        script: &'static str,
        args: &[&str],
        stdin: Stdio,
        within: Duration,
    ) -> Result<Vec<u8>, SshError> {
        let Some(host) = self.cluster.hosts.iter().find(|known| known.name.as_str() == host) else {
            return Err(SshError::NotDeclared(host.to_owned()));
        };
        let mut command = child::command(&self.program);
        command
            .args(self.options(host))
            .args(["--", &host.address.to_string()])
            .arg(remote(script, args, within).map_err(SshError::Start)?)
            .stdin(stdin);
        let limit = Limit {
            time: within.saturating_add(WAY),
            stdout: ANSWER_MAX,
        };
        let name = || host.name.to_string();
        match child::run(&mut command, limit) {
            Ok(ended) if ended.status.success() => Ok(ended.stdout),
            Ok(ended) => Err(self.trouble(host, &ended, within)),
            Err(why) => Err(match why.kind() {
                io::ErrorKind::NotFound => SshError::NoProgram,
                io::ErrorKind::TimedOut => SshError::Late { host: name(), within },
                io::ErrorKind::FileTooLarge => SshError::TooMuch { host: name() },
                _ => SshError::Start(why),
            }),
        }
    }

    /// What is given on the command line holds against whatever `ssh_config` says.
    fn options(&self, host: &Host) -> Vec<OsString> {
        let mut known_hosts = OsString::from("UserKnownHostsFile=");
        known_hosts.push(self.known_hosts.path());
        // Keys are looked up by the host's name, whatever port or jump host a person's ssh_config has for its address.
        let alias = format!("HostKeyAlias={}", host.name);
        let timeout = format!("ConnectTimeout={SECONDS}");
        let alive = format!("ServerAliveInterval={SECONDS}");
        let settings = [
            &alias,
            "StrictHostKeyChecking=yes",
            "GlobalKnownHostsFile=/dev/null",
            "HostKeyAlgorithms=ssh-ed25519",
            "CheckHostIP=no",
            "VerifyHostKeyDNS=no",
            "UpdateHostKeys=no",
            // A connection that a person has open was made under another check.
            "ControlMaster=no",
            "ControlPath=none",
            "BatchMode=yes",
            &timeout,
            "ConnectionAttempts=1",
            &alive,
            "ServerAliveCountMax=3",
            "ClearAllForwardings=yes",
            "ForwardAgent=no",
            "ForwardX11=no",
            "Tunnel=no",
            "PermitLocalCommand=no",
            "RemoteCommand=none",
            // No banner among the complaints.
            "LogLevel=ERROR",
        ];
        let mut options: Vec<OsString> = vec!["-T".into(), "-l".into(), self.cluster.admin.user.clone().into()];
        let settings = settings.into_iter().map(OsString::from).chain([known_hosts]);
        options.extend(settings.flat_map(|setting| ["-o".into(), setting]));
        options
    }

    /// Why it failed. What `ssh` and `sudo` say is in English, as the environment they are given asks for.
    fn trouble(&self, host: &Host, ended: &Ended, within: Duration) -> SshError {
        let (name, address) = (host.name.to_string(), host.address.to_string());
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        let line = |words: &str| {
            said.lines()
                .find(|line| line.contains(words))
                .map(|line| line.trim().to_owned())
        };
        let user = self.cluster.admin.user.clone();
        match ended.status.code() {
            Some(OF_SSH) => {
                if line("Host key verification failed").is_some() || line("no matching host key type").is_some() {
                    SshError::OtherKey { host: name, address }
                } else if let Some(why) =
                    line("Permission denied (").or_else(|| line("Too many authentication failures"))
                {
                    let cluster = self.cluster.name.to_string();
                    SshError::NotLetIn {
                        host: name,
                        address,
                        cluster,
                        user,
                        why,
                    }
                } else {
                    let why = last_lines(&said);
                    SshError::Silent {
                        host: name,
                        address,
                        why,
                    }
                }
            }
            Some(1) if said.starts_with("sudo: ") => SshError::NoRoot {
                host: name,
                user,
                why: last_lines(&said),
            },
            Some(TIMED_OUT) => SshError::Late { host: name, within },
            code => SshError::Failed {
                host: name,
                code,
                said: last_lines(&said),
            },
        }
    }
}

/// What the login shell of the host is given. `timeout` there ends what nobody waits for here any more.
fn remote(script: &str, args: &[&str], within: Duration) -> io::Result<String> {
    let seconds = within.as_secs().max(1).to_string();
    let before = [
        "sudo", "-n", "timeout", "-k", GRACE, &seconds, "sh", "-c", script, "lxseed",
    ];
    let mut words = Vec::new();
    for word in before.iter().chain(args) {
        if !words.is_empty() {
            words.push(b' ');
        }
        escape(word, &mut words)?;
    }
    String::from_utf8(words).map_err(io::Error::other)
}

fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return "nothing".to_owned();
    }
    lines[lines.len().saturating_sub(LINES)..].join("; ")
}

#[cfg(test)]
mod tests;
