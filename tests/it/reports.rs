//! The formats of `check`, its options, and `explain`.
//!
//! What each format says of one broken site stands in `tests/reports/`; after a change on purpose, `LXSEED_BLESS=1
//! cargo test --test it reports` writes these files and `docs/rules.md` anew, and they are reviewed like code.

use std::fs;
use std::process::Command;

use crate::support::{Run, Site, assert_same_text, lxseed, lxseed_through, root};

/// Two errors with a second place and a fix, one of them through an alias, and a warning; names that need escapes.
fn broken() -> Site {
    Site::copy_of("profiles")
        .replace("lab/cluster.yaml", "  gateway:", "  gatway:")
        .replace(
            "lab/cluster.yaml",
            "allow:\n  two-members: the lab has two machines, and both are backed up\n",
            "",
        )
        .replace("rack/hosts/rack-b.yaml", "name: rack-b", "name: \"a,b:c%\\e[1m\"")
        .replace("lab/hosts/node2.yaml", "52:54:00:12:34:57", "5254.0012.3456")
}

fn check(site: &Site, options: &[&str]) -> Run {
    let arguments = ["check", "site"].iter().chain(options);
    lxseed(arguments).dir(site.parent()).run()
}

pub(crate) fn expect_file(name: &str, text: &str) {
    let path = root().join(name);
    if std::env::var_os("LXSEED_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_same_text(name, &expected, text);
}

#[test]
fn each_format_says_the_same_of_the_same_site() {
    let site = broken();
    let text = check(&site, &[]).expect_exit(1).expect_stdout("");
    expect_file("tests/reports/text", &text.stderr);
    for format in ["json", "sarif", "github", "junit"] {
        let run = check(&site, &["--format", format]).expect_exit(1).expect_stderr("");
        let mut shown = run.stdout;
        if format == "sarif" {
            // The rules are those of the reference, which is a file of its own.
            let mut log: serde_json::Value = serde_json::from_str(&shown).unwrap();
            let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array_mut().unwrap();
            assert_eq!(rules.len(), lxseed::report::rules().len());
            for result in log["runs"][0]["results"].as_array().unwrap() {
                let at = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
                assert_eq!(lxseed::report::rules()[at].code, result["ruleId"]);
            }
            log["runs"][0]["tool"]["driver"]["rules"] = serde_json::json!([]);
            shown = serde_json::to_string_pretty(&log).unwrap() + "\n";
        }
        expect_file(&format!("tests/reports/{format}"), &shown);
    }
}

#[test]
fn a_good_site_has_an_empty_report_in_every_format() {
    let site = Site::copy_of("profiles");
    let json = check(&site, &["--format", "json"]).expect_exit(0).expect_stderr("");
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["findings"], serde_json::json!([]));
    assert_eq!(report["summary"]["passed"], true);
    assert_eq!(report["summary"]["hosts"], 5);
    let sarif = check(&site, &["--format", "sarif"]).expect_exit(0).expect_stderr("");
    let log: serde_json::Value = serde_json::from_str(&sarif.stdout).unwrap();
    assert_eq!(log["runs"][0]["results"], serde_json::json!([]));
    check(&site, &["--format", "github"])
        .expect_exit(0)
        .expect_stderr("")
        .expect_stdout("");
    let junit = check(&site, &["--format", "junit"]).expect_exit(0).expect_stderr("");
    assert!(junit.stdout.contains("failures=\"0\""), "{junit}");
    check(&site, &["--quiet"])
        .expect_exit(0)
        .expect_stderr("")
        .expect_stdout("");
}

#[test]
fn strict_refuses_warnings_and_quiet_leaves_them_out() {
    let site = Site::copy_of("profiles/lab").replace("cluster.yaml", "kernel: hwe ", "kernel: ga ");
    let run = check(&site, &[]).expect_exit(0);
    run.expect_stdout("site: 1 cluster, 2 hosts: 1 warning\n");
    let run = check(&site, &["--strict"]).expect_exit(1).expect_stdout("");
    assert!(run.stderr.ends_with("1 warning, refused by --strict\n"), "{run}");
    check(&site, &["--quiet"])
        .expect_exit(0)
        .expect_stdout("")
        .expect_stderr("");
    let run = check(&site, &["--quiet", "--strict"]).expect_exit(1).expect_stdout("");
    assert!(run.stderr.starts_with("warning[R004]: "), "{run}");
    let run = check(&site, &["--strict", "--format", "junit"]).expect_exit(1);
    assert!(run.stdout.contains("failures=\"1\""), "{run}");
    let run = check(&site, &["--format", "junit"]).expect_exit(0);
    assert!(
        run.stdout.contains("failures=\"0\"") && run.stdout.contains("<system-out>"),
        "{run}"
    );
}

#[test]
fn no_more_findings_are_shown_than_asked_for_and_all_are_counted() {
    let site = broken();
    let run = check(&site, &["--max-findings", "1"]).expect_exit(1);
    let shown = |run: &Run| run.stderr.matches(" --> ").count();
    assert_eq!(shown(&run), 1, "{run}");
    assert!(run.stderr.ends_with("not shown\n"), "{run}");
    let json = check(&site, &["--max-findings", "1", "--format", "json"]).expect_exit(1);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["findings"].as_array().unwrap().len(), 1);
    let summary = &report["summary"];
    let count = |key: &str| summary[key].as_u64().unwrap();
    assert_eq!(count("omitted") + 1, count("errors") + count("warnings"));
    assert!(count("errors") >= 3, "{summary}");
    let all = check(&site, &["--max-findings", "0"]).expect_exit(1);
    assert_eq!(all.stderr, check(&site, &[]).stderr);
}

/// 405 hosts with a wrong key each, one of them with an address of no host.
fn many_mistakes() -> Site {
    let hosts = (0..405).map(|at| {
        format!(
            "---\nname: h{at}\ndisks: model\nnetwork: {{mac: \"52:54:00:aa:{:02x}:{:02x}\", adress: 10.0.{}.{}}}\n\
             slots: {{a1: {{serial: A{at}}}, a2: {{serial: B{at}}}}}\n",
            at / 256,
            at % 256,
            at / 200,
            10 + at % 200
        )
    });
    Site::copy_of("tests/mistakes/base/one-cluster")
        .file("hosts/hosts.yaml", &hosts.collect::<String>())
        .replace("cluster.yaml", "bootstrap: node1", "bootstrap: h400")
        .replace("cluster.yaml", "gateway: 192.168.10.1", "gateway: 192.168.20.1")
}

/// What a program says to somebody at a terminal, who has one.
fn at_a_terminal(site: &Site, command: &str) -> Run {
    let binary = env!("CARGO_BIN_EXE_lxseed");
    let mut script = Command::new("script");
    script
        .args(["-q", "-e", "-c", &format!("{binary} {command}"), "/dev/null"])
        .env("NO_COLOR", "1")
        .current_dir(site.parent());
    let mut run = Run::of(&mut script);
    run.stdout = run.stdout.replace("\r\n", "\n");
    run
}

#[test]
fn on_a_terminal_many_findings_are_told_in_brief() {
    let site = many_mistakes();
    let run = at_a_terminal(&site, "check site").expect_exit(1);
    expect_file("tests/reports/terminal", &run.stdout);
    assert!(run.stdout.lines().count() < 60, "{run}");
    let build = at_a_terminal(&site, "build site").expect_exit(1);
    assert!(build.stdout.lines().count() < 60, "{build}");
    assert!(
        build
            .stdout
            .contains("more of P001; `lxseed check --max-findings 0` shows all")
    );
    // A log keeps them all, and ends with the same table.
    let log = check(&site, &[]).expect_exit(1);
    assert_eq!(log.stderr.matches(" --> ").count(), 406, "{log}");
    let tail = |text: &str| {
        text.lines()
            .rev()
            .skip(1)
            .take(4)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(tail(&log.stderr), tail(&run.stdout));
    let all = at_a_terminal(&site, "check site --max-findings 0").expect_exit(1);
    assert_eq!(all.stdout.matches(" --> ").count(), 406);
}

#[test]
fn few_findings_look_the_same_on_a_terminal() {
    let site = broken();
    let run = at_a_terminal(&site, "check site").expect_exit(1);
    assert_same_text("on a terminal", &check(&site, &[]).stderr, &run.stdout);
}

/// A site with every way in, and permissions to erase.
#[test]
fn the_summary_tells_who_gets_in_and_what_may_be_erased() {
    let site = Site::copy_of("tests/good/client-certificates")
        .replace(
            "cluster.yaml",
            "  user: ops\n",
            "  user: ops\n  password_hash: \"$6$abcdefgh$bp46WUxDu2cphMRE0PvVJlqas2imuSq186YS793XKfmqn9XUEL17HECskUTZInaNigNndLLYc7A6yWBmFEFn3/\"\n",
        )
        .replace(
            "cluster.yaml",
            "admin:\n",
            "apt: {sources: {backports: {source: \"deb http://archive.ubuntu.com/ubuntu bionic-backports main\"}}}\nadmin:\n",
        )
        .replace("hosts/hosts.yaml", "{serial: WD-A100002}", "{serial: WD-A100002, wipe: WD-A100002/0a1b2c3d}")
        .replace("hosts/hosts.yaml", "name: node3\n", "name: node3\nreinstall: c4d8a1f0\n");
    let run = check(&site, &["--summary"]).expect_exit(0).expect_stderr("");
    expect_file("tests/reports/summary", &run.stdout);
    let json = check(&site, &["--summary", "--format", "json"]).expect_exit(0);
    expect_file("tests/reports/summary.json", &json.stdout);
    assert!(
        !(run.stdout + &json.stdout).contains("bp46WUxDu2cphMRE0PvVJlq"),
        "a hash is shown"
    );
    for format in ["sarif", "github", "junit"] {
        check(&site, &["--summary", "--format", format]).expect_exit(2);
    }
    let site = site.replace("cluster.yaml", "user: ops", "user: root");
    check(&site, &["--summary"]).expect_exit(1).expect_stdout("");
}

/// What a full disk has not taken was not reported.
#[test]
fn what_cannot_be_written_is_an_error_and_a_closed_pipe_is_none() {
    let site = Site::copy_of("profiles");
    let full = r#"exec "$@" >/dev/full"#;
    for arguments in [
        &["check", "site", "--format", "sarif"][..],
        &["check", "site", "--format", "json"],
        &["check", "site"],
        &["schema"],
        &["schema", "cluster"],
        &["explain", "F004"],
        &["explain", "--list"],
        &["--help"],
        &["--version"],
    ] {
        let run = lxseed_through(&["sh", "-c", full, "sh"], arguments)
            .dir(site.parent())
            .run();
        let run = run.expect_exit(1);
        assert!(
            run.stderr
                .starts_with("error: not everything could be written: No space left"),
            "{run}"
        );
        let closed = r#""$@" | true"#;
        let run = lxseed_through(&["bash", "-c", &format!("set -o pipefail; {closed}"), "sh"], arguments);
        run.dir(site.parent()).run().expect_exit(0).expect_stderr("");
    }
    // Warnings that nobody has seen.
    let site = Site::copy_of("profiles/lab").replace("cluster.yaml", "kernel: hwe ", "kernel: ga ");
    let blind = r#"exec "$@" 2>/dev/full"#;
    let run = lxseed_through(&["sh", "-c", blind, "sh"], ["check", "site"]);
    run.dir(site.parent()).run().expect_exit(1);
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for arguments in [
        &["check", "--format", "xml"][..],
        &["check", "--max-findings", "-1"],
        &["check", "a", "b"],
        &["explain"],
        &["explain", "Z999"],
        &["explain", "--list", "F004"],
    ] {
        let run = lxseed(arguments).run().expect_exit(2);
        assert!(run.stderr.starts_with("error: "), "{run}");
    }
    let run = lxseed(["explain", "two-member"]).run().expect_exit(2);
    run.expect_stderr("error: there is no rule `two-member`; did you mean `two-members`?\n");
}

#[test]
fn every_rule_is_explained_with_both_its_examples() {
    let list = lxseed(["explain", "--list"]).run().expect_exit(0).expect_stderr("");
    assert_eq!(list.stdout.lines().count(), lxseed::report::rules().len());
    for rule in lxseed::report::rules() {
        assert!(
            list.stdout.contains(&format!("{}  {} ", rule.code, rule.slug)),
            "{list}"
        );
        let by_code = lxseed(["explain", rule.code]).run().expect_exit(0).expect_stderr("");
        let by_slug = lxseed(["explain", rule.slug]).run().expect_exit(0);
        assert_eq!(by_code.stdout, by_slug.stdout);
        assert!(by_code.stdout.contains(&format!("[{}]: ", rule.code)), "{by_code}");
    }
}

#[test]
fn the_reference_in_the_docs_is_the_one_made_from_the_rules() {
    let run = lxseed(["explain", "--reference"])
        .run()
        .expect_exit(0)
        .expect_stderr("");
    expect_file("docs/rules.md", &run.stdout);
}
