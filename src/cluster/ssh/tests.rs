#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::cluster::verify::world::Good;
use crate::trust::testing::Folder;

const SOON: Duration = Duration::from_secs(5);

/// What stands in for `ssh`: it keeps its arguments, and does what is written for it; the command is in `$last`.
fn with<T>(does: &str, test: impl FnOnce(&Ssh<'_>, &Folder, &str) -> T) -> T {
    let folder = Folder::new();
    let kept = folder.path().join("arguments");
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >{kept}\nfor last; do :; done\n{does}\n");
    let program = folder.write("ssh", &script, 0o700);
    let good = Good::new().unwrap();
    let cluster = &good.site.clusters[0];
    let mut ssh = Ssh::new(cluster, &good.keys).unwrap();
    ssh.program = program.into();
    test(&ssh, &folder, cluster.hosts[1].name.as_str())
}

/// The host's login shell reads the command, and `sudo` runs it.
const RUNS: &str = r#"sudo() { shift; "$@"; }; eval "$last""#;

#[test]
fn a_script_gets_its_words_and_its_input_as_they_are() {
    with(RUNS, |ssh, folder, host| {
        let words = ["it's", "$(>hit) `>hit`", "", "-n", "a\nb"];
        let script = r#"printf '[%s]' "$0" "$@"; cat; echo "not this" >&2"#;
        let said = ssh.run(host, script, &words, b"\0secret\xff", SOON).unwrap();
        let expected = b"[lxseed][it's][$(>hit) `>hit`][][-n][a\nb]\0secret\xff";
        assert_eq!(said, expected);
        let seen = std::fs::read_to_string(folder.path().join("arguments")).unwrap();
        assert!(!seen.contains("secret"));
        assert!(!folder.path().join("hit").exists());
    });
}

#[test]
fn only_the_derived_host_key_is_believed() {
    with(
        "cat \"$(sed -n 's/^UserKnownHostsFile=//p' ${0%/*}/arguments)\"",
        |ssh, folder, host| {
            let known = ssh.run(host, "true", &[], b"", SOON).unwrap();
            let known = String::from_utf8(known).unwrap();
            let good = Good::new().unwrap();
            let own = good.site.clusters[0].hosts.iter().zip(&good.keys.hosts);
            for (host, keys) in own {
                assert!(known.contains(&format!("{},{} {}\n", host.name, host.address, keys.ssh.public)));
            }
            let seen = std::fs::read_to_string(folder.path().join("arguments")).unwrap();
            for setting in [
                format!("HostKeyAlias={host}"),
                "StrictHostKeyChecking=yes".to_owned(),
                "GlobalKnownHostsFile=/dev/null".to_owned(),
                "ControlPath=none".to_owned(),
                "ForwardAgent=no".to_owned(),
                "BatchMode=yes".to_owned(),
            ] {
                assert!(seen.lines().any(|line| line == setting), "{setting}");
            }
            use std::os::unix::fs::PermissionsExt as _;
            let mode = ssh.known_hosts.as_file().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o600);
        },
    );
}

/// What OpenSSH 9.2 and sudo 1.9 say, word for word.
#[test]
fn trouble_is_told_apart() {
    type Is = fn(&SshError) -> bool;
    let cases: [(&str, Is); 8] = [
        (
            "echo 'No ED25519 host key is known for node2 and you have requested strict checking.\nHost key verification failed.' >&2; exit 255",
            |error| matches!(error, SshError::OtherKey { .. }),
        ),
        (
            "echo 'ops@10.0.0.2: Permission denied (publickey).' >&2; exit 255",
            |error| matches!(error, SshError::NotLetIn { user, .. } if user == "ops"),
        ),
        (
            "echo 'ssh: connect to host 10.0.0.2 port 22: Connection refused' >&2; exit 255",
            |error| matches!(error, SshError::Silent { why, .. } if why.ends_with("Connection refused")),
        ),
        ("echo 'sudo: a password is required' >&2; exit 1", |error| {
            matches!(error, SshError::NoRoot { .. })
        }),
        (
            "echo 'error: cannot refresh \"lxd\"' >&2; exit 10",
            |error| matches!(error, SshError::Failed { code: Some(10), said, .. } if said.contains("cannot refresh")),
        ),
        (
            "exit 3",
            |error| matches!(error, SshError::Failed { code: Some(3), said, .. } if said == "nothing"),
        ),
        ("exec yes", |error| matches!(error, SshError::TooMuch { .. })),
        ("exit 124", |error| matches!(error, SshError::Late { .. })),
    ];
    for (does, is) in cases {
        with(does, |ssh, _, host| {
            let error = ssh.run(host, "true", &[], b"", SOON).unwrap_err();
            assert!(is(&error), "{does}: {error:?}");
        });
    }
    with("", |ssh, _, _| {
        let error = ssh.run("nobody", "true", &[], b"", SOON).unwrap_err();
        assert!(matches!(error, SshError::NotDeclared(_)));
    });
    with("", |ssh, folder, host| {
        std::fs::remove_file(folder.path().join("ssh")).unwrap();
        let error = ssh.run(host, "true", &[], b"", SOON).unwrap_err();
        assert!(matches!(error, SshError::NoProgram));
    });
}

#[test]
fn a_command_that_does_not_end_is_ended_on_the_host() {
    with(RUNS, |ssh, _, host| {
        let begin = std::time::Instant::now();
        let error = ssh.run(host, "sleep 60", &[], b"", Duration::from_secs(1)).unwrap_err();
        assert!(matches!(error, SshError::Late { .. }), "{error:?}");
        assert!(begin.elapsed() < Duration::from_secs(20));
    });
}
