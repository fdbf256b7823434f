//! Seed images and `lxseed inspect`, held against the programs that others read images with.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Run, Site, lxseed, lxseed_through, skip, temp_dir, tool, tool_of_root};
use tempfile::TempDir;

const FILES: [&str; 3] = ["meta-data", "network-config", "user-data"];

/// The shipped sites, built; every host's folder.
fn built() -> (Site, Vec<PathBuf>) {
    let site = Site::copy_of("profiles");
    site.build().expect_exit(0);
    let mut hosts = Vec::new();
    for cluster in ["lab", "rack"] {
        for entry in fs::read_dir(site.out().join(cluster)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                hosts.push(path);
            }
        }
    }
    hosts.sort();
    assert_eq!(hosts.len(), 5);
    (site, hosts)
}

/// `lxseed image HOST --format FORMAT -o FILE`, in a folder of its own.
fn image(host: &Path, format: &str) -> (TempDir, PathBuf) {
    let dir = temp_dir();
    let path = dir.path().join("image");
    let args = ["image", host.to_str().unwrap(), "--format", format, "-o"];
    lxseed(args.into_iter().chain([path.to_str().unwrap()]))
        .run()
        .expect_exit(0);
    (dir, path)
}

fn run(program: &Path, args: &[&str]) -> Run {
    Run::of(Command::new(program).args(args).env("LC_ALL", "C"))
}

/// Standard output as it is, for files.
fn bytes(program: &Path, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program:?} {args:?}: {output:?}");
    output.stdout
}

/// blkid is what cloud-init asks, and 18.2 takes the lower-case label alone.
#[test]
fn blkid_finds_a_volume_labelled_cidata() {
    let Some(blkid) = tool("blkid") else { return };
    let (_site, hosts) = built();
    let (_dir, fat) = image(&hosts[0], "fat");
    let isos = hosts.iter().map(|host| (host.join("seed.iso"), "iso9660"));
    for (path, kind) in isos.chain([(fat, "vfat")]) {
        let said = run(&blkid, &["-p", "-o", "export", path.to_str().unwrap()]).expect_exit(0);
        for line in ["LABEL=cidata".to_owned(), format!("TYPE={kind}")] {
            assert!(said.stdout.lines().any(|found| found == line), "{said}");
        }
    }
}

#[test]
fn four_readers_agree_on_every_seed_iso() {
    let (Some(isoinfo), Some(bsdtar), Some(xorriso)) = (tool("isoinfo"), tool("bsdtar"), tool("xorriso")) else {
        return;
    };
    let (_site, hosts) = built();
    for host in &hosts {
        let iso = host.join("seed.iso");
        let iso = iso.to_str().unwrap();
        let dir = temp_dir();
        let folder = dir.path().to_str().unwrap();
        let extract = ["-osirrox", "on", "-indev", iso, "-extract", "/", folder];
        run(&xorriso, &extract).expect_exit(0);
        let listed = run(&bsdtar, &["-tf", iso]).expect_exit(0).stdout;
        let mut names: Vec<&str> = listed.lines().filter(|name| *name != ".").collect();
        names.sort_unstable();
        assert_eq!(names, FILES);
        for name in FILES {
            let seed = fs::read(host.join(name)).unwrap();
            let plain = format!("/{}.;1", name.to_uppercase().replace('-', "_"));
            for (reader, found) in [
                (
                    "Rock Ridge",
                    bytes(&isoinfo, &["-i", iso, "-R", "-x", &format!("/{name}")]),
                ),
                ("Joliet", bytes(&isoinfo, &["-i", iso, "-J", "-x", &format!("/{name}")])),
                ("plain names", bytes(&isoinfo, &["-i", iso, "-x", &plain])),
                ("bsdtar", bytes(&bsdtar, &["-xOf", iso, name])),
                ("xorriso", fs::read(dir.path().join(name)).unwrap()),
            ] {
                let found = if name == "user-data" { gunzip(&found) } else { found };
                assert!(found == seed, "{reader} reads another {name} from {iso}");
            }
            // Whoever mounts the medium on a machine with other users shows them no key.
            let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, if name == "user-data" { 0o400 } else { 0o444 }, "{name}");
        }
        let said = run(&isoinfo, &["-d", "-i", iso]).expect_exit(0).stdout;
        for part in ["Joliet with UCS level 3 found", "Rock Ridge signatures version 1 found"] {
            assert!(said.contains(part), "{said}");
        }
        // Fifty KiB of it are what the format asks for. The two members of the lab are what its size is promised for.
        let size = fs::metadata(iso).unwrap().len();
        let limit = if iso.contains("/lab/") { 96 } else { 104 };
        assert!(size <= limit << 10, "{iso} has {size} bytes");
    }
}

/// By another program than our own.
fn gunzip(packed: &[u8]) -> Vec<u8> {
    let dir = temp_dir();
    let path = dir.path().join("packed");
    fs::write(&path, packed).unwrap();
    let script = ["-c", "exec gzip -dc <\"$0\"", path.to_str().unwrap()];
    bytes(Path::new("sh"), &script)
}

#[test]
fn dosfstools_and_mtools_agree_on_the_fat_image() {
    let (Some(fsck), Some(mtype)) = (tool_of_root("fsck.vfat"), tool("mtype")) else {
        return;
    };
    let (_site, hosts) = built();
    for host in &hosts {
        let (_dir, path) = image(host, "fat");
        let path = path.to_str().unwrap();
        run(&fsck, &["-n", path]).expect_exit(0);
        for name in FILES {
            let found = bytes(&mtype, &["-i", path, &format!("::{name}")]);
            assert!(found == fs::read(host.join(name)).unwrap(), "{name} of {path}");
        }
    }
}

#[test]
fn image_makes_what_build_made_and_nothing_else_is_replaced() {
    let (site, hosts) = built();
    let (dir, iso) = image(&hosts[0], "iso");
    assert_eq!(fs::read(&iso).unwrap(), fs::read(hosts[0].join("seed.iso")).unwrap());
    assert_eq!(fs::metadata(&iso).unwrap().permissions().mode() & 0o7777, 0o600);
    let made = |host: &Path, to: &str| {
        lxseed(["image", host.to_str().unwrap(), "--format", "fat", "-o", to])
            .dir(dir.path())
            .run()
    };
    // An earlier image is replaced, also by one of the other kind.
    made(&hosts[1], "image").expect_exit(0);
    fs::write(dir.path().join("thesis.pdf"), "mine").unwrap();
    for (to, why) in [
        ("thesis.pdf", "thesis.pdf is there already"),
        (".", "does not name a file"),
        ("/dev/null", "is not a plain file"),
        ("no/image", "no/image cannot be written"),
    ] {
        let run = made(&hosts[0], to).expect_exit(1);
        assert!(run.stderr.contains(why), "{run}");
    }
    let mut left: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["image", "thesis.pdf"]);
    assert_eq!(fs::read(dir.path().join("thesis.pdf")).unwrap(), b"mine");
    // What is not what was built is not put on a medium.
    fs::write(hosts[0].join("network-config"), "edited").unwrap();
    let run = made(&hosts[0], "other").expect_exit(1);
    assert!(
        run.stderr.contains("network-config was altered since it was built"),
        "{run}"
    );
    let run = made(&site.out(), "other").expect_exit(1);
    assert!(
        run.stderr.contains("there is no user-data, so it is not a seed"),
        "{run}"
    );
    let run = made(Path::new("nowhere"), "other").expect_exit(1);
    assert!(run.stderr.contains("nowhere is not a folder"), "{run}");
    assert!(!dir.path().join("other").exists());
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let (_site, hosts) = built();
    let dir = temp_dir();
    let small = dir.path().to_str().unwrap();
    let mount =
        format!("mount -t tmpfs -o size=32k none {small} || exit 77; \"$@\"; code=$?; ls -A {small}; exit $code");
    let starter = ["unshare", "-m", "sh", "-c", &mount, "sh"];
    let to = format!("{small}/image");
    let run = lxseed_through(&starter, ["image", hosts[0].to_str().unwrap(), "-o", &to]).run();
    if run.code == 77 || run.stderr.contains("unshare failed") {
        skip("a file system of its own can be mounted by root alone");
        return;
    }
    let run = run.expect_exit(1).expect_stdout("");
    assert!(run.stderr.contains("no space is left"), "{run}");
}

#[test]
fn a_build_without_images_has_none() {
    let site = Site::copy_of("profiles");
    lxseed(["build", "site", "--no-seed-iso"])
        .dir(site.parent())
        .run()
        .expect_exit(0);
    let out = lxseed(["inspect", "out"]).dir(site.parent()).run().expect_exit(0);
    assert!(!out.stdout.contains("seed.iso"), "{out}");
    site.build().expect_exit(0);
    let out = lxseed(["inspect", "out"]).dir(site.parent()).run().expect_exit(0);
    assert_eq!(out.stdout.matches("seed.iso").count(), 5, "{out}");
}

fn inspect(path: &Path) -> Run {
    lxseed(["inspect", path.to_str().unwrap()]).run()
}

#[test]
fn inspect_tells_what_an_image_is_for_and_no_secret() {
    let (_site, hosts) = built();
    let host = hosts.iter().find(|host| host.ends_with("node1")).unwrap();
    let (_dir, fat) = image(host, "fat");
    let user_data = fs::read_to_string(host.join("user-data")).unwrap();
    let key = user_data.split("PRIVATE KEY-----\\n").nth(1).unwrap();
    let key = &key[..60];
    for path in [host.join("seed.iso"), fat] {
        let run = inspect(&path).expect_exit(0).expect_stderr("");
        for part in [
            "labelled cidata",
            "\n  host           node1\n",
            "\n  boots          52:54:00:12:34:56\n",
            "\n  address        192.168.10.11/24\n",
            "\n  cluster        lab\n",
            "\n  role           bootstrap\n",
            "\n  system         Ubuntu 18.04 hwe, LXD 5.0/stable\n",
            "instance-id    node1-",
        ] {
            assert!(run.stdout.contains(part), "{part:?}: {run}");
        }
        assert!(!run.stdout.contains(key) && !run.stdout.contains("PRIVATE"), "{run}");
    }
}

/// A seed that somebody wrote by hand names its host in cloud-init's own words.
#[test]
fn a_seed_of_others_keeps_its_name() {
    let dir = temp_dir();
    for (name, text) in [
        ("user-data", "#cloud-config\n{}\n"),
        ("meta-data", "instance-id: i-1\nlocal-hostname: desk\n"),
    ] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let (_dir, path) = image(dir.path(), "iso");
    let run = inspect(&path).expect_exit(0).expect_stderr("");
    assert!(run.stdout.contains("\n  host        desk\n"), "{run}");
}

#[test]
fn inspect_holds_a_tree_against_its_manifest() {
    let (site, hosts) = built();
    let run = inspect(&site.out()).expect_exit(0).expect_stderr("");
    assert!(run.stdout.ends_with("every file is as it was built\n"), "{run}");
    fs::write(hosts[0].join("lxd-preseed.yaml"), "edited").unwrap();
    fs::remove_file(hosts[1].join("seed.iso")).unwrap();
    fs::set_permissions(hosts[2].join("user-data"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(site.out().join("notes"), "mine").unwrap();
    let run = inspect(&site.out()).expect_exit(1);
    let below = |host: usize, name: &str| {
        let path = hosts[host].join(name);
        path.strip_prefix(site.out()).unwrap().display().to_string()
    };
    for line in [
        format!("{} was altered\n", below(0, "lxd-preseed.yaml")),
        format!("{} is missing\n", below(1, "seed.iso")),
        format!("{} has mode 0644 instead of 0600\n", below(2, "user-data")),
        "notes was written by no build\n".to_owned(),
    ] {
        assert!(run.stderr.contains(&line), "{line}: {run}");
    }
}

#[test]
fn inspect_says_what_is_wrong_with_what_is_no_image() {
    let (_site, hosts) = built();
    let dir = temp_dir();
    let path = dir.path().join("x");
    let iso = fs::read(hosts[0].join("seed.iso")).unwrap();
    for (bytes, why) in [
        (&iso[..40_000], "it is cut off, 40000 of "),
        (&iso[..34_000], "it ends before its volume descriptors"),
        (
            &b"no image"[..],
            "it is neither a folder that lxseed built nor an ISO 9660 or FAT image",
        ),
        (b"", "it is neither a folder that lxseed built nor"),
    ] {
        fs::write(&path, bytes).unwrap();
        let run = inspect(&path).expect_exit(1).expect_stdout("");
        assert!(run.stderr.contains(why), "{why}: {run}");
    }
    let run = inspect(dir.path()).expect_exit(1);
    assert!(run.stderr.contains("holds no manifest.json of lxseed"), "{run}");
    let run = inspect(&hosts[0]).expect_exit(1);
    assert!(run.stderr.contains("it is a part of /"), "{run}");
    let run = inspect(Path::new("/nowhere/at/all")).expect_exit(1);
    assert!(run.stderr.contains("/nowhere/at/all"), "{run}");
    // Somebody else's image.
    let mut other = iso.clone();
    other[16 * 2048 + 40..][..6].copy_from_slice(b"Ubuntu");
    let at = other.windows(9).position(|name| name == b"user-data").unwrap();
    other[at] = b'x';
    fs::write(&path, other).unwrap();
    let run = inspect(&path).expect_exit(1);
    assert!(
        run.stderr
            .contains("labelled `Ubuntu`, neither a seed nor an install medium"),
        "{run}"
    );
    // Upper case is what cloud-init 18.2 passes over.
    let mut shouting = iso;
    shouting[16 * 2048 + 40..][..6].copy_from_slice(b"CIDATA");
    fs::write(&path, shouting).unwrap();
    let run = inspect(&path).expect_exit(1);
    assert!(
        run.stderr
            .contains("looks for the label cidata in exactly this spelling"),
        "{run}"
    );
}
