//! `lxseed show`: every key that holds for a host, its value, and where it comes from.

use std::process::Command;

use crate::reports::expect_file;
use crate::support::{Run, Site, lxseed};

fn show(site: &Site, args: &[&str]) -> Run {
    let mut all = vec!["show"];
    all.extend(args);
    all.push("site");
    lxseed(all).dir(site.parent()).without_secret().run()
}

#[test]
fn the_whole_of_a_host_is_shown_with_its_places() {
    let site = Site::copy_of("tests/good/shared-models");
    let run = show(&site, &["node1"]).expect_exit(0).expect_stderr("");
    expect_file("tests/reports/show", &run.stdout);
    let same = show(&site, &["lab/node1"]).expect_exit(0);
    assert_eq!(same.stdout, run.stdout);
    let json = show(&site, &["lab/node1", "--format", "json"]).expect_exit(0);
    expect_file("tests/reports/show.json", &json.stdout);
}

/// Each layer goes before the next one, key by key; one way to find a disk takes the place of another.
#[test]
fn a_host_goes_before_its_model_and_that_before_defaults() {
    let site = Site::copy_of("tests/good/shared-otherwise-on-one-host");
    let of = |host: &str| {
        let run = show(&site, &[host]).expect_exit(0);
        let of_os = run.stdout.lines().filter(|line| line.contains("slots.os."));
        let words = of_os.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        words.collect::<Vec<_>>()
    };
    assert_eq!(
        of("node1"),
        [
            "slots.os.hctl 0:0:0:0 defaults, site/cluster.yaml:18",
            "slots.os.min_size 100GB defaults, site/cluster.yaml:18",
            "slots.os.max_size 300GB disks profile, site/disks/model.yaml:7",
        ]
    );
    assert_eq!(
        of("node2"),
        [
            "slots.os.max_size 250GB model mirrors, site/cluster.yaml:19",
            "slots.os.by_path pci-0000:00:1f.2-ata-1 model mirrors, site/cluster.yaml:19",
            "slots.os.min_size 100GB defaults, site/cluster.yaml:18",
        ]
    );
    assert_eq!(
        of("node3"),
        [
            "slots.os.by_id ata-WDC_WD10EZEX-00WN4A0_WD-WCC6Y4ABCDEF site/hosts/hosts.yaml:13",
            "slots.os.min_size 100GB defaults, site/cluster.yaml:18",
            "slots.os.max_size 300GB disks profile, site/disks/model.yaml:7",
        ]
    );
}

#[test]
fn no_hash_is_shown_and_a_wrong_name_is_answered() {
    let hash = "$6$abcdefgh$bp46WUxDu2cphMRE0PvVJlqas2imuSq186YS793XKfmqn9XUEL17HECskUTZInaNigNndLLYc7A6yWBmFEFn3/";
    let user = format!("  user: ops\n  password_hash: \"{hash}\"\n");
    let site = Site::copy_of("tests/good/shared-models").replace("cluster.yaml", "  user: ops\n", &user);
    for format in ["text", "json"] {
        let run = show(&site, &["node1", "--format", format]).expect_exit(0);
        assert!(
            run.stdout.contains("(not shown)") && !run.stdout.contains("bp46WU"),
            "{run}"
        );
    }
    for (name, said) in [
        ("node9", "there is no host `node9`; did you mean `node1`?"),
        ("lab/node9", "there is no host `lab/node9`; did you mean `lab/node1`?"),
        ("lab", "there is no host `lab`; it is a cluster: write lab/HOST"),
        ("x", "there is no host `x`; the hosts are node1, node2, node3"),
    ] {
        let run = show(&site, &[name]).expect_exit(2).expect_stdout("");
        assert!(run.stderr.contains(said), "{run}");
    }
    let site = Site::copy_of("tests/good/two-clusters-with-hosts-of-the-same-names");
    let run = show(&site, &["node1"]).expect_exit(2);
    assert!(run.stderr.contains("several clusters have it; write `"), "{run}");
    let site = site.replace("a/cluster.yaml", "name: lab", "name: Lab");
    show(&site, &["node1"]).expect_exit(1).expect_stdout("");
}

/// Where a person looks at it, a value that is too long beside its place is cut.
#[test]
fn a_narrow_terminal_gets_narrow_columns() {
    let site = Site::copy_of("tests/good/shared-models");
    let command = format!("stty cols 100; {} show node1 site", env!("CARGO_BIN_EXE_lxseed"));
    let mut script = Command::new("script");
    script
        .args(["-q", "-e", "-c", &command, "/dev/null"])
        .env("NO_COLOR", "1")
        .current_dir(site.parent());
    let run = Run::of(&mut script).expect_exit(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines.iter().any(|line| line.contains('…')), "{run}");
    assert!(lines.iter().all(|line| line.trim_end().chars().count() <= 100), "{run}");
}
