//! `lxseed bake --image`, on small disks with the layout of bionic's cloud image: the seed is where the installer would
//! have put it, as debugfs, e2fsck, sgdisk and qemu-img see it, and whatever goes wrong leaves nothing behind.

mod faults;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::{Run, Site, lxseed, root, skip, temp_dir, tool};

const SEED: &str = "var/lib/cloud/seed/nocloud";
/// Where the root file system begins in the image of [`Bench::image`], in bytes.
const OFFSET: u64 = 8 << 20;
const RELEASE: &str = "NAME=\"Ubuntu\"\nVERSION=\"18.04.6 LTS (Bionic Beaver)\"\nID=ubuntu\nID_LIKE=debian\n\
                       PRETTY_NAME=\"Ubuntu 18.04.6 LTS\"\nVERSION_ID=\"18.04\"\n";

/// Only where all programs of e2fsprogs and the others are.
struct Tools {
    debugfs: PathBuf,
    e2fsck: PathBuf,
    mke2fs: PathBuf,
    sgdisk: PathBuf,
    qemu_img: PathBuf,
}

fn tools() -> Option<Tools> {
    let find = |name: &str| {
        let system = Path::new("/usr/sbin").join(name);
        if system.exists() { Some(system) } else { tool(name) }
    };
    Some(Tools {
        debugfs: find("debugfs")?,
        e2fsck: find("e2fsck")?,
        mke2fs: find("mke2fs")?,
        sgdisk: find("sgdisk")?,
        qemu_img: find("qemu-img")?,
    })
}

fn run(program: &Path, args: &[&str]) -> Run {
    Run::of(Command::new(program).args(args).env("LC_ALL", "C"))
}

/// A site and images in a folder of their own.
struct Bench {
    tools: Tools,
    site: Site,
}

impl Bench {
    fn new(site: &str) -> Option<Self> {
        Some(Self {
            tools: tools()?,
            site: Site::copy_of(site),
        })
    }

    fn path(&self, name: &str) -> String {
        self.site.parent().join(name).to_str().unwrap().to_owned()
    }

    /// A disk like Ubuntu's: a partition for GRUB, one for UEFI, and the root file system with these files.
    fn image(&self, name: &str, label: &str, files: &[(&str, &str)]) -> String {
        let path = self.path(name);
        let tree = temp_dir();
        for (file, text) in files {
            let file = tree.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        if tree.path().join("etc").exists() && tree.path().join("usr/lib/os-release").exists() {
            symlink("../usr/lib/os-release", tree.path().join("etc/os-release")).unwrap();
        }
        fs::create_dir_all(tree.path().join("var/lib/cloud")).unwrap();
        fs::File::create(&path).unwrap().set_len(64 << 20).unwrap();
        let sgdisk = [
            "-n",
            "14:2048:+1M",
            "-t",
            "14:ef02",
            "-n",
            "15:0:+2M",
            "-t",
            "15:ef00",
            "-n",
            "1:16384:0",
            "-t",
            "1:8300",
            &path,
        ];
        run(&self.tools.sgdisk, &sgdisk).expect_exit(0);
        let offset = format!("offset={OFFSET}");
        let tree = tree.path().to_str().unwrap();
        let size = ["-q", "-t", "ext4", "-L", label, "-E", &offset, "-d", tree, &path, "48M"];
        run(&self.tools.mke2fs, &size).expect_exit(0);
        path
    }

    fn bionic(&self) -> String {
        self.image(
            "bionic.img",
            "cloudimg-rootfs",
            &[
                ("usr/lib/os-release", RELEASE),
                ("etc/cloud/cloud.cfg", "datasource_list: []\n"),
                ("etc/cloud/cloud.cfg.d/05_logging.cfg", "{}\n"),
                ("etc/hostname", "ubuntu\n"),
            ],
        )
    }

    fn qcow2(&self, from: &str, name: &str) -> String {
        let path = self.path(name);
        let args = ["convert", "-f", "raw", "-O", "qcow2", "-c", from, &path];
        run(&self.tools.qemu_img, &args).expect_exit(0);
        path
    }

    fn bake(&self, image: &str, output: &str, more: &[&str]) -> crate::support::Lxseed {
        let args = [
            "bake",
            "site",
            "--image",
            image,
            "-o",
            output,
            "--only",
            "lab/node2",
            "--unpublished",
        ];
        lxseed(args.iter().chain(more)).dir(self.site.parent())
    }

    /// What debugfs answers about the file system of a raw image.
    fn ask(&self, image: &str, question: &str) -> String {
        let device = format!("{image}?offset={OFFSET}");
        run(&self.tools.debugfs, &["-R", question, &device])
            .expect_exit(0)
            .stdout
    }

    /// Every name beside the site.
    fn beside(&self) -> Vec<String> {
        let entries = fs::read_dir(self.site.parent()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn the_seed_is_where_cloud_init_looks_and_nothing_else_has_changed() {
    let Some(bench) = Bench::new("tests/good/offline") else {
        return;
    };
    let image = bench.bionic();
    let before = fs::read(&image).unwrap();
    let out = bench.path("node2.img");
    let said = bench.bake(&image, &out, &[]).run().expect_exit(0);
    assert!(
        said.stdout
            .contains("Ubuntu 18.04.6 LTS, raw, for lab/node2 and no other machine; it holds its keys\n"),
        "{said}"
    );
    assert!(
        before == fs::read(&image).unwrap(),
        "the image it was made from has changed"
    );
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o7777, 0o600);

    bench.site.build().expect_exit(0);
    let built = bench.site.out().join("lab/node2");
    for name in ["user-data", "meta-data", "network-config"] {
        let path = format!("{SEED}/{name}");
        let text = bench.ask(&out, &format!("cat /{path}"));
        assert!(
            text == fs::read_to_string(built.join(name)).unwrap(),
            "{name} is another one"
        );
        let stat = bench.ask(&out, &format!("stat /{path}"));
        assert!(
            stat.contains("Mode:  0600") && stat.contains("User:     0   Group:     0"),
            "{stat}"
        );
    }
    let stat = bench.ask(&out, &format!("stat /{SEED}"));
    assert!(stat.contains("Type: directory    Mode:  0700"), "{stat}");
    assert!(bench.ask(&out, "stat /var/lib/lxseed/snaps").contains("Mode:  0755"));
    let config = bench.ask(&out, "cat /etc/cloud/cloud.cfg.d/99-lxseed.cfg");
    assert_eq!(
        config,
        "datasource_list: [ NoCloud, None ]\ndatasource: {NoCloud: {fs_label: null}}\n"
    );
    assert!(
        bench
            .ask(&out, "stat /etc/cloud/cloud.cfg.d/99-lxseed.cfg")
            .contains("Mode:  0644")
    );
    // What was there is still there, and the snaps came with it.
    assert_eq!(bench.ask(&out, "cat /etc/hostname"), "ubuntu\n");
    let dumped = bench.path("dumped");
    for stem in ["snapd_20092", "core20_1974", "lxd_24322"] {
        for file in [format!("{stem}.snap"), format!("{stem}.assert")] {
            bench.ask(&out, &format!("dump /var/lib/lxseed/snaps/{file} {dumped}"));
            let given = fs::read(bench.site.path().join("snaps").join(&file)).unwrap();
            assert!(fs::read(&dumped).unwrap() == given, "{file} is another one");
        }
    }
    mounted(&bench, &out, &built);
    let device = format!("{out}?offset={OFFSET}");
    run(&bench.tools.e2fsck, &["-fn", &device]).expect_exit(0);
    let said = run(&bench.tools.sgdisk, &["-v", &out]).expect_exit(0);
    assert!(said.stdout.contains("No problems found"), "{said}");
    // The disk outside of the root file system.
    let after = fs::read(&out).unwrap();
    assert_eq!(before.len(), after.len());
    let outside = |bytes: &[u8]| [&bytes[..8 << 20], &bytes[56 << 20..]].concat();
    assert!(outside(&before) == outside(&after), "another partition has changed");
}

/// The kernel's own look at it, which only root can have.
fn mounted(bench: &Bench, image: &str, built: &Path) {
    if !rustix::process::geteuid().is_root() {
        skip("only root can mount an image");
        return;
    }
    let folder = bench.path("mounted");
    fs::create_dir(&folder).unwrap();
    // The mount and its loop device go with the namespace.
    let script = "mount -o loop,ro,offset=$0 \"$1\" \"$2\" && cd \"$2\" && stat -c '%a %u %g %n' $3 $3/* && cmp $3/user-data \"$4\"/user-data";
    let seen = Run::of(
        Command::new("unshare")
            .args(["-m", "sh", "-c", script, &OFFSET.to_string(), image])
            .args([&folder, SEED, built.to_str().unwrap()]),
    )
    .expect_exit(0);
    let expected =
        format!("700 0 0 {SEED}\n600 0 0 {SEED}/meta-data\n600 0 0 {SEED}/network-config\n600 0 0 {SEED}/user-data\n");
    assert_eq!(seen.stdout, expected);
    fs::remove_dir(&folder).unwrap();
}

/// The README's own line, with a small image of that name.
#[test]
fn the_readme_bakes_an_image() {
    let Some(bench) = Bench::new("profiles") else {
        return;
    };
    fs::rename(bench.bionic(), bench.path("bionic-server-cloudimg-amd64.img")).unwrap();
    fs::rename(bench.site.path(), bench.path("profiles")).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let line = readme
        .lines()
        .find(|line| line.starts_with("lxseed bake profiles --image "))
        .unwrap();
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    let said = lxseed(&words).dir(bench.site.parent()).run().expect_exit(1);
    assert!(
        said.stderr
            .contains("Lay the SHA256SUMS of where it comes from beside it"),
        "{said}"
    );
    // As cloud-images.ubuntu.com has it.
    let sums = Command::new("sha256sum")
        .arg("-b")
        .arg("bionic-server-cloudimg-amd64.img")
        .current_dir(bench.site.parent())
        .output()
        .unwrap();
    fs::write(bench.path("SHA256SUMS"), sums.stdout).unwrap();
    lxseed(&words).dir(bench.site.parent()).run().expect_exit(0);
    let said = lxseed(["inspect", &bench.path("node1.img")]).run();
    assert!(said.expect_exit(0).stdout.contains("cloud image for lab/node1, raw"));
}

#[test]
fn inspect_tells_what_an_image_is_and_whether_it_is_as_it_was_made() {
    let Some(bench) = Bench::new("tests/good/offline") else {
        return;
    };
    let image = bench.bionic();
    let out = bench.path("node2.img");
    bench.bake(&image, &out, &["--format", "qcow2"]).run().expect_exit(0);
    let inspect = |path: &str| lxseed(["inspect", path]).run();
    let said = inspect(&out).expect_exit(0);
    for words in [
        "cloud image for lab/node2, qcow2, made by lxseed",
        "Ubuntu 18.04.6 LTS",
        "52:54:00:aa:00:02",
        "192.168.10.12",
        "lxd_24322",
        "every file is as it was put on it",
    ] {
        assert!(said.stdout.contains(words), "{words:?}: {said}");
    }
    assert!(!said.stdout.contains("PRIVATE"), "{said}");
    // An earlier one is replaced, also one of the other format.
    bench.bake(&image, &out, &[]).run().expect_exit(0);
    assert!(inspect(&out).expect_exit(0).stdout.contains("lab/node2, raw,"));
    let device = format!("{out}?offset={OFFSET}");
    let change = format!("set_inode_field /{SEED}/user-data mode 0100644");
    run(&bench.tools.debugfs, &["-w", "-R", &change, &device]).expect_exit(0);
    let said = inspect(&out).expect_exit(1);
    assert_eq!(said.stderr, format!("/{SEED}/user-data is not what was put on it\n"));
    // An image without a seed is not taken for one of ours, and not replaced.
    let said = inspect(&image).expect_exit(1);
    assert!(said.stderr.contains("bionic.img"), "{said}");
    let said = bench.bake(&out, &image, &[]).run().expect_exit(1);
    assert!(said.stderr.contains("bionic.img is there already"), "{said}");
}

/// Each file that a manifest names is asked of a program, and whoever made the image wrote the manifest.
#[test]
fn a_manifest_does_not_keep_inspect_busy() {
    let Some(bench) = Bench::new("profiles/lab") else {
        return;
    };
    let out = bench.path("node2.img");
    bench.bake(&bench.bionic(), &out, &[]).run().expect_exit(0);
    let path = "/var/lib/lxseed/manifest.json";
    let mut manifest: serde_json::Value = serde_json::from_str(&bench.ask(&out, &format!("cat {path}"))).unwrap();
    let files = manifest["files"].as_array_mut().unwrap();
    let last = files.last().unwrap().clone();
    files.extend((0..10_000).map(|at| {
        let mut file = last.clone();
        file["path"] = format!("zzz/{at:05}").into();
        file
    }));
    let altered = bench.path("altered");
    fs::write(&altered, manifest.to_string()).unwrap();
    let device = format!("{out}?offset={OFFSET}");
    let script = bench.path("script");
    fs::write(
        &script,
        format!("cd /var/lib/lxseed\nrm manifest.json\nwrite {altered} manifest.json\n"),
    )
    .unwrap();
    run(&bench.tools.debugfs, &["-w", "-f", &script, &device]).expect_exit(0);
    let began = std::time::Instant::now();
    let said = lxseed(["inspect", &out]).run().expect_exit(1);
    assert!(said.stderr.contains("and at most 500 make sense"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(20));
}

/// Whatever the clock says, and however the image is stored.
#[test]
fn the_same_input_gives_the_same_bytes() {
    let Some(bench) = Bench::new("profiles/lab") else {
        return;
    };
    let image = bench.bionic();
    let packed = bench.qcow2(&image, "bionic.qcow2");
    let mut outs = Vec::new();
    for (number, (from, format, zone)) in [
        (&image, "raw", "UTC"),
        (&image, "raw", "Pacific/Kiritimati"),
        (&packed, "raw", "UTC"),
        (&image, "qcow2", "UTC"),
        (&packed, "qcow2", "Pacific/Kiritimati"),
    ]
    .into_iter()
    .enumerate()
    {
        let out = bench.path(&format!("{number}.img"));
        bench
            .bake(from, &out, &["--format", format])
            .env("TZ", zone)
            .run()
            .expect_exit(0);
        if number == 0 {
            // Whoever writes the time of day writes another one now.
            std::thread::sleep(Duration::from_millis(1100));
        }
        outs.push(fs::read(&out).unwrap());
    }
    assert!(outs[0] == outs[1] && outs[0] == outs[2], "raw images differ");
    assert!(outs[3] == outs[4], "qcow2 images differ");
    // Without --format it is stored as what it is made from.
    let out = bench.path("again.img");
    bench.bake(&packed, &out, &[]).run().expect_exit(0);
    assert!(fs::read(&out).unwrap() == outs[3]);
    let args = [
        "compare",
        "-f",
        "raw",
        "-F",
        "qcow2",
        &bench.path("0.img"),
        &bench.path("3.img"),
    ];
    let said = run(&bench.tools.qemu_img, &args).expect_exit(0);
    assert!(said.stdout.contains("identical"), "{said}");
    // A disk is empty for the most part, and stays so.
    let blocks = fs::metadata(bench.path("0.img")).unwrap().blocks();
    assert!(blocks * 512 < 16 << 20, "{blocks} blocks");
}
