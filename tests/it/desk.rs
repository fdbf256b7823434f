//! Where people stand and what they type: files and folders of a site, names that are nearly right, edits that are made.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use crate::support::{Run, Site, lxseed, root, tool, tree};

/// A folder with the shipped profiles in it, as they are.
fn desk() -> Site {
    let mut site = Site::new();
    for entry in tree(&root().join("profiles")) {
        if entry.path.ends_with(".yaml") {
            site = site.bytes(format!("profiles/{}", entry.path), &entry.bytes);
        }
    }
    site
}

/// A site with a mistake in each of two files, at `site/profiles`.
fn site() -> Site {
    desk()
        .replace("profiles/lab/hosts/node1.yaml", "address:", "adress:")
        .replace("profiles/rack/cluster.yaml", "gateway:", "gatway:")
}

#[test]
fn a_file_or_folder_of_a_site_is_checked_from_anywhere() {
    let site = site();
    let top = site.path();
    let errors = |dir: &str, named: &str| {
        let run = lxseed(["check", named]).dir(&top.join(dir)).run().expect_exit(1);
        let codes = run.stderr.lines().filter(|line| line.starts_with("error[")).count();
        let places: Vec<&str> = run
            .stderr
            .lines()
            .filter_map(|line| line.trim().strip_prefix("--> "))
            .collect();
        (
            codes,
            places.join(" "),
            run.stderr.lines().last().unwrap_or_default().to_owned(),
        )
    };
    let node1 = "profiles/lab/hosts/node1.yaml";
    let one = (
        1,
        format!("{node1}:6:3"),
        "1 error; 1 error elsewhere in the site".to_owned(),
    );
    assert_eq!(errors(".", node1).0, one.0);
    assert!(errors(".", node1).1.starts_with(node1), "{:?}", errors(".", node1));
    assert_eq!(errors(".", node1).2, one.2);
    assert_eq!(errors(".", "profiles/lab/hosts").2, one.2);
    assert_eq!(errors("profiles/lab/hosts", "node1.yaml").2, one.2);
    assert!(
        errors("profiles/lab/hosts", "node1.yaml")
            .1
            .starts_with("../../lab/hosts/node1.yaml:")
    );
    // A file that is right, beside others that are not.
    let run = lxseed(["check", "profiles/lab/cluster.yaml"])
        .dir(&top)
        .run()
        .expect_exit(0);
    run.expect_stdout("profiles/lab/cluster.yaml: 2 clusters, 5 hosts: no findings; 2 errors elsewhere in the site\n");
    for dir in ["profiles", "profiles/lab", "profiles/lab/hosts"] {
        let run = lxseed(["check"]).dir(&top.join(dir)).run().expect_exit(1);
        assert!(run.stderr.ends_with("\n2 errors\n"), "{run}");
    }
    // Whoever names a cluster's folder means that cluster.
    let run = lxseed(["check", "profiles/lab"]).dir(&top).run().expect_exit(1);
    assert!(run.stderr.ends_with("\n1 error\n"), "{run}");
    fs::write(top.join("notes.yaml"), "a: b\n").unwrap();
    let lone = Site::new().file("notes.yaml", "a: b\n");
    let run = lxseed(["check", "notes.yaml"]).dir(&lone.path()).run().expect_exit(2);
    run.expect_stderr("error: notes.yaml is a file in no site: there is no cluster.yaml in its folder or above it\n");
}

#[test]
fn names_that_are_nearly_right_are_known() {
    let site = desk();
    let top = site.path();
    let run = lxseed(["check", "profils"]).dir(&top).run().expect_exit(1);
    assert!(run.stderr.contains("= help: did you mean profiles?"), "{run}");
    for (only, help) in [
        (
            "node1",
            "there is no cluster `node1`; it is a host: write `--only lab/node1`",
        ),
        ("labb", "there is no cluster `labb`; did you mean `lab`?"),
        ("xyz", "there is no cluster `xyz`; the clusters are lab, rack"),
        ("lab/noed1", "cluster `lab` has no host `noed1`; did you mean `node1`?"),
    ] {
        let run = lxseed(["build", "--only", only]).dir(&top).run().expect_exit(2);
        assert_eq!(run.stderr, format!("error: --only {only}: {help}\n"));
    }
    let run = lxseed(["build", "--dry-run"]).dir(&top).run().expect_exit(3);
    assert!(!top.join("out").exists(), "{run}");
    lxseed(["validate"]).dir(&top).run().expect_exit(0);
}

#[test]
fn sure_edits_are_made_and_the_rest_is_reported() {
    let host = "hosts/hosts.yaml";
    let site = Site::copy_of("tests/mistakes/base/one-cluster")
        .replace("cluster.yaml", "  overlay: fan\n", "  overlai: fan # the usual\r\n")
        .replace(
            "cluster.yaml",
            "ubuntu: \"18.04\"",
            "ubuntu: 18.04 # quotes are missing",
        )
        .replace(host, "52:54:00:aa:00:03", "5254.00AA.0003")
        .replace(host, "address: 192.168.10.12", "address: 192.168.10.11");
    let top = site.path();
    fs::set_permissions(top.join("cluster.yaml"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::rename(top.join(host), top.join("hosts.real")).unwrap();
    symlink("../hosts.real", top.join(host)).unwrap();
    let run = lxseed(["check", "site", "--fix"])
        .dir(site.parent())
        .run()
        .expect_exit(1);
    run.expect_stdout(
        "fixed site/cluster.yaml:2:9: P004 `cluster.ubuntu` is a number, but it takes text\n\
         fixed site/cluster.yaml:10:3: P001 `cluster.network` has no key `overlai`\n\
         2 findings fixed\n",
    );
    let run = lxseed(["check", "site", "--fix"])
        .dir(site.parent())
        .run()
        .expect_exit(1);
    // An address that is free is a guess; nothing else is left.
    assert!(
        run.stderr.starts_with("error[F003]: ") && run.stderr.ends_with("\n1 error\n"),
        "{run}"
    );
    let cluster = fs::read_to_string(top.join("cluster.yaml")).unwrap();
    assert!(cluster.contains("  overlay: fan # the usual\r\n"), "{cluster}");
    assert!(
        cluster.contains("ubuntu: \"18.04\" # quotes are missing\n"),
        "{cluster}"
    );
    let mode = fs::metadata(top.join("cluster.yaml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    assert!(fs::symlink_metadata(top.join(host)).unwrap().is_symlink());
    let names: Vec<_> = fs::read_dir(&top)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn the_schemas_are_written_beside_a_site() {
    let site = desk();
    let run = lxseed(["schema", "-o", "schema"])
        .dir(&site.path())
        .run()
        .expect_exit(0);
    let settings: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let globs = settings["yaml.schemas"].as_object().unwrap();
    assert_eq!(globs["./schema/host.json"], "**/hosts/*.yaml");
    assert_eq!(globs.len(), 3);
    for kind in ["cluster", "host", "disks"] {
        let name = format!("schema/{kind}.json");
        let written = fs::read(site.path().join(&name)).unwrap();
        assert_eq!(written, fs::read(root().join(&name)).unwrap(), "{name}");
    }
}

/// What an editor shows of a file of a site whose schemas `lxseed schema -o schema` has written.
fn editor(site: &Site, file: &str, text: &str, at: Option<(usize, usize)>) -> Option<serde_json::Value> {
    let program = tool("yaml-editor")?;
    let run = lxseed(["schema", "-o", "schema"])
        .dir(&site.path())
        .run()
        .expect_exit(0);
    let settings: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let job = serde_json::json!({"schemas": settings["yaml.schemas"], "file": file, "text": text, "at": at});
    let mut command = Command::new("timeout");
    command.arg("60").arg(program).arg(site.path());
    let run = Run::with_input(&mut command, job.to_string().as_bytes()).expect_exit(0);
    Some(serde_json::from_str(&run.stdout).unwrap())
}

#[test]
fn an_editor_completes_inside_a_volume_and_checks_every_document() {
    let site = desk();
    let volume = "name: model\nos: {slot: os}\nvolumes:\n  data1:\n    ";
    let Some(shown) = editor(&site, "profiles/lab/disks/model.yaml", volume, Some((4, 4))) else {
        return;
    };
    assert_eq!(shown["labels"], serde_json::json!(["device", "mirror", "zfs_mirror"]));
    let two = "name: model\nos: {slot: os}\nvolumes:\n  data1: {device: a, mirror: [a, b]}\n";
    let shown = editor(&site, "profiles/lab/disks/model.yaml", two, None).unwrap();
    assert_eq!(shown["diagnostics"].as_array().unwrap().len(), 1, "{shown}");
    let hosts = fs::read_to_string(root().join("tests/mistakes/base/one-cluster/hosts/hosts.yaml")).unwrap();
    let shown = editor(&site, "profiles/lab/hosts/hosts.yaml", &hosts, None).unwrap();
    assert_eq!(shown["diagnostics"], serde_json::json!([]));
    let misspelt = hosts.replace("name: node2", "nmae: node2");
    let shown = editor(&site, "profiles/lab/hosts/hosts.yaml", &misspelt, None).unwrap();
    let lines: Vec<&serde_json::Value> = shown["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| &each[0])
        .collect();
    assert_eq!(lines, [5, 5], "{shown}");
}
