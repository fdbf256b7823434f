//! BundledFile snaps, from the folder of a site to the disk of a machine: what `check` reads in them is what mksquashfs put
//! there, what a baked medium holds is what lay in the folder, and what late_command plants is what the medium holds.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Run, Site, lxseed, root, temp_dir, tool};

const SITE: &str = "tests/good/offline";
const SNAPS: [&str; 3] = ["snapd_20092", "core20_1974", "lxd_24322"];

fn run(program: &Path, args: &[&str]) -> Run {
    Run::of(Command::new(program).args(args).env("LC_ALL", "C"))
}

/// Runs one of the makers in tests/common.
fn make(python: &Path, maker: &str, args: &[&str]) {
    let maker = root().join("tests/common").join(maker);
    run(python, &[&["-B", maker.to_str().unwrap()], args].concat()).expect_exit(0);
}

/// However a snap is packed, the last line of a long snap.yaml is read: in fragments and in blocks of its own, packed
/// or not, beside so many files that the folder's listing takes several blocks.
#[test]
fn every_way_of_packing_that_can_be_read_is_read() {
    let (Some(mksquashfs), Some(python)) = (tool("mksquashfs"), tool("python3")) else {
        return;
    };
    let tree = temp_dir();
    let meta = tree.path().join("meta");
    fs::create_dir(&meta).unwrap();
    for at in 0..3000 {
        fs::write(meta.join(format!("a-file-of-the-snap-number-{at}")), "").unwrap();
    }
    let line = "  words of a description, which is long, and as long again\n";
    let text = |repeat: usize, version: &str| {
        format!(
            "name: lxd\nbase: core20\ndescription: |\n{}version: {version}\n",
            line.repeat(repeat)
        )
    };
    let ways: [&[&str]; 6] = [
        &["-comp", "xz"],
        &["-comp", "xz", "-no-fragments"],
        &["-comp", "xz", "-Xbcj", "x86", "-b", "1M"],
        &["-comp", "gzip"],
        &["-comp", "gzip", "-b", "4096", "-no-fragments"],
        &["-noI", "-noD", "-noF"],
    ];
    for (number, way) in ways.iter().enumerate() {
        for (repeat, version) in [(1, format!("9.{number}.1")), (3000, format!("9.{number}.2"))] {
            fs::write(meta.join("snap.yaml"), text(repeat, &version)).unwrap();
            let site = Site::copy_of(SITE);
            let snap = site.path().join("snaps/lxd_24322.snap");
            fs::remove_file(&snap).unwrap();
            let paths = [tree.path().to_str().unwrap(), snap.to_str().unwrap()];
            run(&mksquashfs, &[&paths[..], way].concat()).expect_exit(0);
            let script = "import pathlib, sys; sys.path.insert(0, sys.argv[1]); import snaps; \
                          snaps.write_assertions(pathlib.Path(sys.argv[2]), 'lxd', 24322)";
            let common = root().join("tests/common");
            run(&python, &["-Bc", script, common.to_str().unwrap(), paths[1]]).expect_exit(0);
            let said = site.check().expect_exit(1);
            let expected = format!("site/snaps/lxd_24322.snap is LXD `{version}`");
            assert!(
                said.stderr.contains(&expected) && said.stderr.ends_with("\n1 error\n"),
                "{way:?}: {said}"
            );
        }
    }
}

/// A site whose snaps follow from nothing but the folder: another revision of LXD makes every host of the cluster out
/// of date.
#[test]
fn another_revision_is_another_build() {
    let Some(python) = tool("python3") else {
        return;
    };
    if tool("mksquashfs").is_none() {
        return;
    }
    let site = Site::copy_of(SITE);
    site.build().expect_exit(0);
    let script = |site: &Site| fs::read_to_string(site.out().join("lab/node2/lxseed-firstboot")).unwrap();
    assert!(
        script(&site).contains("\nOFFLINE=('snapd_20092' 'core20_1974' 'lxd_24322')\n"),
        "{}",
        script(&site)
    );
    let check = || {
        lxseed(["build", "site", "-o", "out", "--check"])
            .dir(site.parent())
            .run()
    };
    check().expect_exit(0);
    // Where the folder lies matters to nobody.
    fs::rename(site.path().join("snaps"), site.path().join("moved")).unwrap();
    let cluster = site.path().join("cluster.yaml");
    let text = fs::read_to_string(&cluster).unwrap();
    fs::write(&cluster, text.replace("snaps: snaps", "snaps: ./moved/")).unwrap();
    check().expect_exit(0);
    let folder = site.path().join("moved");
    for file in ["lxd_24322.snap", "lxd_24322.assert"] {
        fs::remove_file(folder.join(file)).unwrap();
    }
    let folder = folder.to_str().unwrap();
    make(
        &python,
        "snaps.py",
        &[folder, "lxd", "25112", "5.0.2-d4b0e5d", "core20"],
    );
    let said = check().expect_exit(3).stdout;
    for host in ["node1", "node2", "node3"] {
        let line = format!("lab/{host}/lxseed-firstboot would change\n");
        assert!(said.contains(&line), "{said}");
    }
    site.build().expect_exit(0);
    assert!(script(&site).contains("'lxd_25112')\n"), "{}", script(&site));
    let image = site.out().join("lab/node1/seed.iso");
    let said = lxseed(["inspect", image.to_str().unwrap()]).run().expect_exit(0);
    assert!(said.stdout.contains("snapd_20092, core20_1974, lxd_25112"), "{said}");
}

/// A baked stand-in, and where its /lxseed was unpacked.
struct Medium {
    site: Site,
    iso: PathBuf,
    folder: PathBuf,
}

fn medium(python: &Path, xorriso: &Path) -> Medium {
    let site = Site::copy_of(SITE);
    let parent = site.parent().to_owned();
    let iso = parent.join("lab.iso");
    make(python, "iso.py", &[parent.join("standin.iso").to_str().unwrap()]);
    bake(&site, "lab.iso").expect_exit(0);
    let folder = parent.join("cdrom");
    fs::create_dir(&folder).unwrap();
    let (from, to) = (iso.to_str().unwrap(), folder.to_str().unwrap());
    run(
        xorriso,
        &["-no_rc", "-osirrox", "on", "-indev", from, "-extract", "/", to],
    )
    .expect_exit(0);
    Medium { site, iso, folder }
}

fn bake(site: &Site, output: &str) -> Run {
    lxseed(["bake", "site", "--iso", "standin.iso", "-o", output, "--unpublished"])
        .dir(site.parent())
        .run()
}

#[test]
fn a_medium_carries_the_snaps_and_late_command_plants_them() {
    let (Some(python), Some(xorriso), Some(busybox), Some(md5sum)) =
        (tool("python3"), tool("xorriso"), tool("busybox"), tool("md5sum"))
    else {
        return;
    };
    let Medium { site, iso, folder } = medium(&python, &xorriso);
    let on_medium = folder.join("lxseed/lab/lxd_snaps");
    let mut expected = Vec::new();
    for stem in SNAPS {
        for extension in ["assert", "snap"] {
            expected.push(format!("{stem}.{extension}"));
        }
    }
    expected.sort();
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&on_medium), expected);
    let same = |folder: &Path, mode: u32| {
        for name in &expected {
            let path = folder.join(name);
            assert_eq!(
                fs::read(&path).unwrap(),
                fs::read(site.path().join("snaps").join(name)).unwrap(),
                "{name}"
            );
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, mode, "{name}");
        }
    };
    same(&on_medium, 0o444);
    // The installer's own check of its medium covers them.
    let sums = fs::read_to_string(folder.join("md5sum.txt")).unwrap();
    for name in &expected {
        let line = sums
            .lines()
            .find(|line| line.ends_with(&format!("  ./lxseed/lab/lxd_snaps/{name}")))
            .unwrap_or_else(|| panic!("{name} is not in md5sum.txt"));
        let path = on_medium.join(name);
        let said = run(&md5sum, &[path.to_str().unwrap()]).expect_exit(0).stdout;
        assert_eq!(said.split(' ').next(), line.split(' ').next());
    }
    let said = lxseed(["inspect", iso.to_str().unwrap()]).run();
    for stem in SNAPS {
        assert!(said.stdout.contains(&format!("lab installs {stem}\n")), "{said}");
    }
    assert!(!said.stderr.contains("is not what was put on it"), "{said}");

    // Of what a build writes for a host, what is for the desk does not travel.
    assert_eq!(
        names(&folder.join("lxseed/lab/node1")),
        ["meta-data", "network-config", "preseed.cfg", "user-data"].map(str::to_owned)
    );

    // What the installer's shell does with it.
    let preseed = fs::read_to_string(folder.join("lxseed/lab/node1/preseed.cfg")).unwrap();
    let early = preseed
        .lines()
        .find(|line| line.starts_with("d-i preseed/early_command "))
        .unwrap();
    let printf = &early[early.find("printf ").unwrap()..early.rfind(" >/var/run/").unwrap()];
    let script = run(&busybox, &["sh", "-c", printf]).expect_exit(0).stdout;
    let path = site.parent().join("installer");
    fs::write(&path, script).unwrap();
    let target = site.parent().join("target");
    let late = || {
        Run::of(
            Command::new(&busybox)
                .args(["sh", path.to_str().unwrap(), "late"])
                .env("TARGET", &target)
                .env("CDROM", &folder),
        )
    };
    late().expect_exit(0);
    let planted = target.join("var/lib/lxseed/snaps");
    assert_eq!(names(&planted), expected);
    same(&planted, 0o644);
    // Once more, as after a failed step.
    late().expect_exit(0);
    assert_eq!(names(&planted), expected);
    // A medium that is damaged stops the installation there.
    fs::remove_file(on_medium.join("lxd_24322.snap")).unwrap();
    late().expect_exit(1);
}

#[test]
fn the_same_snaps_make_the_same_medium_and_an_altered_one_is_seen() {
    let (Some(python), Some(xorriso)) = (tool("python3"), tool("xorriso")) else {
        return;
    };
    let Medium { site, iso, .. } = medium(&python, &xorriso);
    bake(&site, "again.iso").expect_exit(0);
    let bytes = fs::read(&iso).unwrap();
    assert!(
        bytes == fs::read(site.parent().join("again.iso")).unwrap(),
        "two media of the same input differ"
    );
    // A byte of the snap on the medium.
    let snap = fs::read(site.path().join("snaps/lxd_24322.snap")).unwrap();
    let at = bytes.windows(snap.len()).position(|window| window == snap).unwrap();
    let mut altered = bytes.clone();
    altered[at + 50] ^= 1;
    fs::write(&iso, altered).unwrap();
    let said = lxseed(["inspect", iso.to_str().unwrap()]).run().expect_exit(1);
    assert!(
        said.stderr
            .contains("lxseed/lab/lxd_snaps/lxd_24322.snap is not what was put on it"),
        "{said}"
    );
}
