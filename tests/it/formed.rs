//! What the life of a cluster leaves in its profile, and what becomes of the seeds: `formed`, `spares`, `retired`.

use std::collections::BTreeMap;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lxseed::trust::SiteSecret;
use serde_json::Value;

use crate::support::{Entry, SECRET, Site, assert_same_tree, lxseed, tree};

const FORMED: &str = "formed: 5f0c1d2e3b4a6978\n";

/// Three hosts in one cluster.
fn site() -> Site {
    Site::copy_of("tests/good/bootstrap-as-a-mapping").replace(
        "cluster.yaml",
        "bootstrap: {host: node1}",
        "bootstrap: node1",
    )
}

fn with(site: Site, lines: &str) -> Site {
    site.replace(
        "cluster.yaml",
        "bootstrap: node1\n",
        &format!("bootstrap: node1\n{lines}"),
    )
}

/// What cloud-init writes on a host, by path.
fn planted(site: &Site, host: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(site.out().join("lab").join(host).join("user-data")).unwrap();
    let document: Value = serde_yaml::from_str(&text).unwrap();
    let files = document["write_files"].as_array().unwrap().iter();
    let text = |file: &Value, key: &str| file[key].as_str().unwrap().to_owned();
    files
        .map(|file| {
            let content = match file.get("encoding") {
                Some(_) => String::from_utf8_lossy(&STANDARD.decode(text(file, "content")).unwrap()).into_owned(),
                None => text(file, "content"),
            };
            (text(file, "path"), content)
        })
        .collect()
}

/// The lines of a host's script that say who it is and whom it knows.
fn told(site: &Site, host: &str, name: &str) -> String {
    let script = fs::read_to_string(site.out().join("lab").join(host).join("lxseed-firstboot")).unwrap();
    let mut lines = script.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap().to_owned()
}

fn of_host(site: &Site, host: &str) -> Vec<Entry> {
    let mut entries = tree(&site.out());
    entries.retain(|entry| entry.path.starts_with(&format!("lab/{host}/")));
    entries
}

fn fingerprint(host: &str, generation: u32) -> String {
    let secret = SiteSecret::parse(SECRET).unwrap();
    secret.lxd_server("lab", host, generation).unwrap().fingerprint
}

#[test]
fn of_a_formed_cluster_no_seed_can_found() {
    let site = with(site(), "spares: [node4]\n");
    let run = site.build().expect_exit(0);
    assert!(run.stdout.contains(" bootstrap "), "{run}");
    let founder = planted(&site, "node1");
    assert!(founder.contains_key("/etc/lxseed/tls/cluster.key"));
    let joiners = ["node2", "node3"].map(|host| of_host(&site, host));

    let site = with(site, FORMED);
    let run = site.build().expect_exit(0);
    assert!(
        !run.stdout.contains("bootstrap") && run.stdout.contains(" joins "),
        "{run}"
    );
    let keys: Vec<String> = planted(&site, "node1").into_keys().collect();
    let of_joiner: Vec<String> = planted(&site, "node2").into_keys().collect();
    assert_eq!(keys, of_joiner);
    assert!(
        !keys
            .iter()
            .any(|path| path.contains("cluster.key") || path.contains("/trust/")),
        "{keys:?}"
    );
    for (name, value) in [
        ("ROLE", "'joiner'"),
        ("ALONE", "''"),
        ("CLIENTS", "()"),
        ("SPARES", "()"),
    ] {
        assert_eq!(told(&site, "node1", name), value, "{name}");
    }
    let preseed = fs::read_to_string(site.out().join("lab/node1/lxd-preseed.yaml")).unwrap();
    let preseed: Value = serde_yaml::from_str(&preseed).unwrap();
    assert!(
        preseed["cluster"]["cluster_certificate"].is_string() && preseed["storage_pools"].is_null(),
        "{preseed}"
    );
    // The seeds of the others say the same as before.
    for (host, before) in ["node2", "node3"].into_iter().zip(joiners) {
        assert_same_tree(&before, &of_host(&site, host));
    }
}

#[test]
fn alone_does_not_make_a_formed_cluster_found() {
    let site = with(site(), FORMED).replace(
        "cluster.yaml",
        "bootstrap: node1",
        "bootstrap: {host: node1, alone: true}",
    );
    let run = site.build().expect_exit(0);
    assert!(run.stderr.contains("nobody forms it any more"), "{run}");
    assert!(!run.stdout.contains("alone"), "{run}");
    assert_eq!(told(&site, "node1", "ALONE"), "''");
}

/// The founder trusts it from the first day; nobody else hears of it.
#[test]
fn a_spare_is_trusted_and_is_no_host() {
    let site = site();
    site.build().expect_exit(0);
    let before = ["node2", "node3"].map(|host| of_host(&site, host));
    let known = fs::read_to_string(site.out().join("lab/known_hosts")).unwrap();
    let site = with(site, "spares: [node5, node4]\n");
    let run = site.build().expect_exit(0);
    assert!(
        run.stdout.contains(" 3 members,") && !run.stdout.contains("node4"),
        "{run}"
    );
    assert!(!site.out().join("lab/node4").exists());
    assert_eq!(fs::read_to_string(site.out().join("lab/known_hosts")).unwrap(), known);
    for (host, before) in ["node2", "node3"].into_iter().zip(before) {
        assert_same_tree(&before, &of_host(&site, host));
    }
    assert_eq!(told(&site, "node1", "SPARES"), "('node5' 'node4')");
    assert_eq!(told(&site, "node1", "MEMBERS"), "('node1' 'node2' 'node3')");
    let secret = SiteSecret::parse(SECRET).unwrap();
    for spare in ["node4", "node5"] {
        let certificate = &planted(&site, "node1")[&format!("/etc/lxseed/trust/servers/{spare}.crt")];
        assert_eq!(
            *certificate,
            secret.lxd_server("lab", spare, 1).unwrap().certificate_pem
        );
    }
    // One that is a host by now is trusted as one, once, and by the keys it has.
    let node3 = fs::read_to_string(site.path().join("hosts/hosts.yaml")).unwrap();
    let node3 = node3.split("---\n").last().unwrap();
    let node4 = node3
        .replace("node3", "node4")
        .replace("00:03", "00:04")
        .replace("10.13", "10.14")
        .replace("0003}", "0004}");
    let site = site.file("hosts/node4.yaml", &node4);
    site.build().expect_exit(0);
    assert_eq!(told(&site, "node1", "SPARES"), "('node5')");
    let mut trusted: Vec<String> = planted(&site, "node1").into_keys().collect();
    trusted.retain(|path| path.contains("/trust/servers/"));
    let expected = ["node2", "node3", "node4", "node5"].map(|name| format!("/etc/lxseed/trust/servers/{name}.crt"));
    assert_eq!(trusted, expected);
}

#[test]
fn a_retired_certificate_is_in_no_seed_again() {
    let (first, second) = (fingerprint("node3", 1), fingerprint("node3", 2));
    let site = with(site(), &format!("retired: {{node3: [{first}, {second}]}}\n"));
    // That it is retired `check` sees, since the first keys are the only ones it can tell.
    let run = site.build().expect_exit(1);
    assert!(run.stderr.contains("error[C012]"), "{run}");
    let raised = |site: Site, generation: u32| {
        let hosts = fs::read_to_string(site.path().join("hosts/hosts.yaml")).unwrap();
        let hosts: Vec<&str> = hosts.lines().filter(|line| !line.starts_with("generation")).collect();
        let hosts = hosts.join("\n") + "\n";
        let hosts = hosts.replace("name: node3\n", &format!("name: node3\ngeneration: {generation}\n"));
        site.file("hosts/hosts.yaml", &hosts)
    };
    let site = raised(site, 2);
    site.check().expect_exit(0);
    let refusal = format!("lab/node3: its certificate {second} is retired");
    let run = site.build().expect_exit(1);
    assert!(
        run.stderr.contains(&refusal) && run.stderr.contains("`generation: 3`"),
        "{run}"
    );
    assert!(!site.out().join("lab").exists(), "nothing is written");

    let site = raised(site, 3);
    site.build().expect_exit(0);
    let retired = format!("{first}\n{second}\n");
    assert_eq!(planted(&site, "node1")["/etc/lxseed/trust/retired"], retired);
    assert!(!planted(&site, "node2").contains_key("/etc/lxseed/trust/retired"));

    // The other verbs that make seeds, or say what they would be, refuse as well.
    let site = raised(site, 2);
    for verb in [&["build", "--check", "site"][..], &["diff", "site"]] {
        let run = lxseed(verb).dir(site.parent()).run().expect_exit(1);
        assert!(run.stderr.contains(&refusal), "{run}");
    }
}

/// What a build says of a formed cluster: what has not reached its machines, and who is to be let in.
#[test]
fn a_build_of_a_formed_cluster_claims_no_more_than_it_does() {
    let notes = |stderr: &str| -> Vec<String> {
        let lines = stderr.lines().filter(|line| line.starts_with("note: "));
        lines.map(ToOwned::to_owned).collect()
    };
    let node4 = |site: &Site| {
        let hosts = fs::read_to_string(site.path().join("hosts/hosts.yaml")).unwrap();
        let node3 = hosts.split("---\n").last().unwrap();
        let node4 = node3.replace("node3", "node4").replace("00:03", "00:04");
        node4.replace("10.13", "10.14").replace("0003}", "0004}")
    };
    let site = site();
    site.build().expect_exit(0);
    // Of one that is not formed nothing is said.
    let site = site.replace("cluster.yaml", "gateway: 192.168.10.1\n", "gateway: 192.168.10.2\n");
    let run = site.build().expect_exit(0);
    assert_eq!(notes(&run.stderr), [""; 0]);

    let site = with(site, FORMED);
    let changed = |names: &str, seeds: &str, how: &str| {
        format!(
            "note: the {seeds} of {names} {how}: machines that are set up already do not see that; `lxseed plan site --only lab` tells \
             what has not reached them"
        )
    };
    let diff = lxseed(["diff", "site"]).dir(site.parent()).run().expect_exit(3);
    assert_eq!(notes(&diff.stderr), [changed("node1", "seed", "would change")]);
    let run = site.build().expect_exit(0);
    assert_eq!(notes(&run.stderr), [changed("node1", "seed", "changed")]);
    // A second time nothing has changed, nor if a file was only damaged.
    assert_eq!(notes(&site.build().expect_exit(0).stderr), [""; 0]);

    let text = node4(&site);
    let site = site.file("hosts/node4.yaml", &text);
    let all = "node1, node2, node3";
    let new = "note: node4 is new: when it is on, `lxseed admit lab/node4 site` lets it in".to_owned();
    let diff = lxseed(["diff", "site"]).dir(site.parent()).run().expect_exit(3);
    assert_eq!(
        notes(&diff.stderr),
        [changed(all, "seeds", "would change"), new.clone()]
    );
    let run = site.build().expect_exit(0);
    assert_eq!(notes(&run.stderr), [changed(all, "seeds", "changed"), new]);
    assert_eq!(notes(&site.build().expect_exit(0).stderr), [""; 0]);
    // Where nothing was built before, nobody can say what is new.
    fs::remove_dir_all(site.out()).unwrap();
    assert_eq!(notes(&site.build().expect_exit(0).stderr), [""; 0]);
}

/// A spare was trusted before it was declared.
#[test]
fn a_spare_that_is_declared_need_not_be_let_in() {
    let site = with(site(), &format!("spares: [node3]\n{FORMED}"));
    let hosts = fs::read_to_string(site.path().join("hosts/hosts.yaml")).unwrap();
    let (others, node3) = hosts.rsplit_once("---\n").unwrap();
    let allow = "allow: {two-members: a test}\nbootstrap: node1\n";
    let site = site
        .replace("cluster.yaml", "bootstrap: node1\n", allow)
        .file("hosts/hosts.yaml", others);
    site.build().expect_exit(0);
    let site = site.file("hosts/node3.yaml", node3);
    let run = site.build().expect_exit(0);
    assert!(
        run.stderr.contains("the seeds of node1, node2 changed") && !run.stderr.contains("admit"),
        "{run}"
    );
}
