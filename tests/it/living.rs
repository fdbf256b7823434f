//! What the verbs that ask machines say where no machine is.
//!
//! What `verify` finds of machines that answer is tested beside src/cluster/verify/, on what was seen of them.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::reports::expect_file;
use crate::support::{Run, Site, lxseed_through};

/// Longest time until a verb says that nobody answers.
const SOON: Duration = Duration::from_secs(8);

const HOSTS: [&str; 3] = ["192.168.10.11", "192.168.10.12", "192.168.10.13"];

/// Three hosts, all in one network of which nothing else is known.
fn site() -> Site {
    Site::copy_of("tests/mistakes/base/one-cluster")
}

/// A run of the program in a network of its own, in which this comes first; none where that is not allowed.
fn in_a_network(first: &str, site: &Site, arguments: &[&str]) -> Option<Run> {
    let script = format!("{first}\nexec \"$@\"");
    let starter = ["unshare", "-r", "-n", "sh", "-c", &script, "sh"];
    let begun = Instant::now();
    let run = lxseed_through(&starter, arguments).dir(site.parent()).run();
    if run.stderr.contains("unshare failed") || run.stderr.contains("unshare: ") {
        assert!(std::env::var_os("CI").is_none(), "{run}");
        return None;
    }
    assert!(begun.elapsed() < SOON, "{:?}: {run}", begun.elapsed());
    Some(run)
}

/// In a network without a way to anybody.
fn alone(site: &Site, arguments: &[&str]) -> Option<Run> {
    in_a_network(":", site, arguments)
}

/// In one in which every declared machine is on, and no LXD listens.
fn beside_machines(site: &Site, arguments: &[&str]) -> Option<Run> {
    let addresses = HOSTS.map(|address| format!("ip addr add {address}/32 dev lo\n"));
    in_a_network(&format!("ip link set lo up\n{}", addresses.concat()), site, arguments)
}

#[test]
fn nobody_answers_is_an_exit_status_of_its_own() {
    let site = site();
    let Some(run) = alone(&site, &["verify", "site"]) else {
        return;
    };
    let run = run.expect_exit(4).expect_stdout("");
    expect_file("tests/reports/verify/text", &run.stderr);
    let json = alone(&site, &["verify", "site", "--format", "json"]).unwrap();
    let json = json.expect_exit(4).expect_stderr("");
    expect_file("tests/reports/verify/json", &json.stdout);
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["findings"][0]["code"], "L001");
    let run = beside_machines(&site, &["verify", "site"]).unwrap().expect_exit(4);
    assert!(
        run.stderr
            .contains("192.168.10.12 and 192.168.10.13 (on, and no LXD listens)"),
        "{run}"
    );
    for arguments in [
        &["status", "site"][..],
        &["status", "site", "--format", "json"],
        &["rescue", "site"],
    ] {
        alone(&site, arguments).unwrap().expect_exit(4);
        beside_machines(&site, arguments).unwrap().expect_exit(4);
    }
}

/// Nobody's LXD is refreshed unless all members are there, and to no LXD that the machines cannot run.
#[test]
fn an_upgrade_wants_everybody() {
    let site = site();
    let Some(run) = alone(&site, &["upgrade", "--channel", "5.0/candidate", "site"]) else {
        return;
    };
    let run = run.expect_exit(1).expect_stdout("");
    assert!(
        run.stderr
            .contains("nothing was changed: LXD goes on only with all members, and "),
        "{run}"
    );
    let run = alone(&site, &["upgrade", "--channel", "6/stable", "site"]).unwrap();
    assert!(run.expect_exit(2).stderr.contains("track 6 asks for kernel 6.8"));
}

/// Where no machine is nothing is rotated, and what a person has to do is told from the profiles alone.
#[test]
fn keys_are_rotated_where_somebody_answers() {
    let site = site();
    for kind in ["desk", "cluster", "clients"] {
        let Some(run) = alone(&site, &["rotate", kind, "site"]) else {
            return;
        };
        let run = run.expect_exit(1).expect_stdout("");
        assert!(
            run.stderr.contains("no member of lab answers: nothing was changed"),
            "{run}"
        );
    }
    let run = alone(&site, &["rotate", "host", "node1", "site"])
        .unwrap()
        .expect_exit(1);
    assert!(run.stderr.contains("nothing was changed"), "{run}");
    let run = alone(&site, &["rotate", "all", "site"]).unwrap().expect_exit(0);
    for told in [
        "lxseed secret new --secret-file ",
        "lxseed rotate all site --old-secret-file ",
        "lxseed retire CLUSTER/HOST site --evacuate",
    ] {
        assert!(run.stdout.contains(told), "{run}");
    }
    let gone = alone(&site, &["rotate", "all", "site", "--old-secret-file", "gone"])
        .unwrap()
        .expect_exit(1);
    assert!(gone.stderr.contains("gone"), "{gone}");
    // The same secret in another file is no new one.
    let same = site.parent().join("same");
    std::fs::write(&same, format!("{}\n", crate::support::SECRET)).unwrap();
    std::fs::set_permissions(&same, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let run = alone(&site, &["rotate", "all", "site", "--old-secret-file", "same"])
        .unwrap()
        .expect_exit(1);
    assert!(run.stderr.contains("same is the site's secret itself"), "{run}");
}

#[test]
fn every_format_of_check_is_one_of_verify() {
    let site = site();
    let verify = |format| alone(&site, &["verify", "site", "--format", format]);
    let Some(sarif) = verify("sarif") else {
        return;
    };
    let log: Value = serde_json::from_str(&sarif.expect_exit(4).stdout).unwrap();
    let result = &log["runs"][0]["results"][0];
    let at = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][at]["id"], "L001");
    let github = verify("github").unwrap().expect_exit(4);
    assert!(
        github.stdout.starts_with("::error file=site/cluster.yaml,line=1,"),
        "{github}"
    );
    let junit = verify("junit").unwrap().expect_exit(4);
    assert!(junit.stdout.contains("<testsuite name=\"lxseed verify\""), "{junit}");
    assert!(junit.stdout.contains("failures=\"1\""), "{junit}");
}

#[test]
fn machines_are_held_against_profiles_that_are_right_and_with_the_secret_they_were_built_with() {
    let wrong = site().replace("cluster.yaml", "overlay: fan", "overlay: fam");
    for format in ["text", "json"] {
        let Some(run) = alone(&wrong, &["verify", "site", "--format", format]) else {
            return;
        };
        run.expect_exit(1);
    }
    let site = site();
    let run = alone(&site, &["verify", "site", "--only", "lab/node1"]).unwrap();
    run.expect_exit(2)
        .expect_stderr("error: --only takes a cluster here: its members tell of one another\n");
    let starter = ["env", "-u", "LXSEED_SECRET"];
    let run = lxseed_through(&starter, ["verify", "site"]).dir(site.parent()).run();
    let run = run.expect_exit(1);
    assert!(run.stderr.contains("there is no site secret at "), "{run}");
}
