//! Images that are no use, disks without room, programs that fail and kills: a clear message, and nothing is left.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::{Bench, OFFSET, RELEASE, run};
use crate::support::{self, Run, lxseed, skip};

#[test]
fn what_is_no_bionic_cloud_image_is_refused() {
    let Some(bench) = Bench::new("profiles/lab") else {
        return;
    };
    let config = ("etc/cloud/cloud.cfg", "{}\n");
    let bionic = bench.bionic();
    let with = |name: &str, extra: &(&str, &str)| {
        bench.image(
            name,
            "cloudimg-rootfs",
            &[("usr/lib/os-release", RELEASE), config, *extra],
        )
    };
    let bytes = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(&bionic).unwrap();
        change(&mut bytes);
        fs::write(bench.path(name), bytes).unwrap();
        bench.path(name)
    };
    let focal = RELEASE.replace("18.04", "20.04");
    let out = bench.path("new.img");
    bench.bake(&bionic, &out, &[]).run().expect_exit(0);
    fs::rename(&out, bench.path("seeded.img")).unwrap();
    let superblock = usize::try_from(OFFSET).unwrap() + 1024;
    let cases = [
        (bench.path("seeded.img"), "it has a seed already"),
        (
            bench.image(
                "focal.img",
                "cloudimg-rootfs",
                &[("usr/lib/os-release", &focal), config],
            ),
            "it holds Ubuntu 20.04.6 LTS, and lxseed is for Ubuntu 18.04",
        ),
        (
            bench.image("empty.img", "data", &[]),
            "it holds no system that has an os-release",
        ),
        (
            bench.image(
                "bare.img",
                "cloudimg-rootfs",
                &[("usr/lib/os-release", RELEASE), ("etc/hostname", "x\n")],
            ),
            "there is no cloud-init in it",
        ),
        (
            with("used.img", &("var/lib/cloud/instance/boot-finished", "\n")),
            "a machine has run from it",
        ),
        (bytes("cut.img", &|bytes| bytes.truncate(20 << 20)), "it is cut off"),
        (
            bytes("no-table.img", &|bytes| bytes[512..1024].fill(0)),
            "it has no GUID partition table",
        ),
        (
            bytes("no-ext4.img", &|bytes| bytes[superblock..superblock + 1024].fill(0)),
            "there is no ext4 file system",
        ),
        (
            bytes("lvm.img", &|bytes| {
                bytes[superblock..superblock + 1024].fill(0);
                bytes[superblock - 512..superblock - 504].copy_from_slice(b"LABELONE");
            }),
            "its system lies on LVM",
        ),
        (
            bytes("mounted.img", &|bytes| bytes[superblock + 0x3a] = 0),
            "was not unmounted cleanly",
        ),
        (
            bytes("journal.img", &|bytes| bytes[superblock + 0x60] |= 4),
            "was not unmounted cleanly",
        ),
        (
            bytes("iso.img", &|bytes| bytes[0x8001..0x8006].copy_from_slice(b"CD001")),
            "bake --iso",
        ),
        (
            bytes("vmdk.img", &|bytes| bytes[..4].copy_from_slice(b"KDMV")),
            "it is a VMDK",
        ),
        (
            bytes("xz.img", &|bytes| bytes[..5].copy_from_slice(b"\xfd7zXZ")),
            "it is an archive",
        ),
        (
            bytes("qcow.img", &|bytes| bytes[..4].copy_from_slice(b"QFI\xfb")),
            "it is a qcow2 of version",
        ),
        (bench.path("nowhere.img"), "No such file"),
        ("/dev".to_owned(), "it is not a plain file"),
    ];
    let there = bench.beside();
    for (image, why) in cases {
        let said = bench.bake(&image, &out, &[]).run().expect_exit(1);
        assert!(
            said.stderr.contains(why) && said.stderr.contains(&image),
            "{why:?}: {said}"
        );
        assert_eq!(bench.beside(), there, "{image}");
    }
    // Damaged where only a walk through the file system sees it: the group descriptors.
    let damaged = bytes("damaged.img", &|bytes| {
        bytes[superblock + 1024..superblock + 1124].fill(0xff)
    });
    let said = bench.bake(&damaged, &out, &[]).run().expect_exit(1);
    assert!(said.stderr.contains("damaged.img: "), "{said}");

    let said = bench.bake(&bionic, &bionic, &[]).run().expect_exit(1);
    assert!(
        said.stderr.contains("is the image to start from: write another file\n"),
        "{said}"
    );

    let usage = |args: &[&str], why: &str| {
        let said = lxseed(["bake", "site", "-o", "new.img"].iter().chain(args))
            .dir(bench.site.parent())
            .run()
            .expect_exit(2);
        assert!(said.stderr.contains(why), "{said}");
    };
    usage(&["--image", &bionic], "--only CLUSTER/HOST");
    usage(&["--image", &bionic, "--only", "lab"], "--only CLUSTER/HOST");
    usage(&["--image", &bionic, "--iso", "x.iso"], "cannot be used with");
    usage(&["--image", &bionic, "--kernel-args", "quiet"], "cannot be used with");
    usage(&["--iso", "x.iso", "--format", "raw"], "cannot be used with");
    usage(&[], "--iso");
    assert!(!Path::new(&out).exists());
}

#[test]
fn an_image_without_room_says_how_much_is_missing() {
    let Some(bench) = Bench::new("profiles/lab") else {
        return;
    };
    let image = bench.bionic();
    // Filled up to a few blocks, as root may.
    let filler = bench.path("filler");
    fs::write(&filler, vec![1; 60 << 20]).unwrap();
    let device = format!("{image}?offset={OFFSET}");
    let free = |bench: &Bench| {
        let stats = bench.ask(&image, "show_super_stats -h");
        let line = stats.lines().find(|line| line.starts_with("Free blocks:")).unwrap();
        line.split_whitespace().last().unwrap().parse::<u64>().unwrap()
    };
    let size = (free(&bench) - 300) * 1024;
    fs::File::options()
        .write(true)
        .open(&filler)
        .unwrap()
        .set_len(size)
        .unwrap();
    run(
        &bench.tools.debugfs,
        &["-w", "-R", &format!("write {filler} /filler"), &device],
    )
    .expect_exit(0);
    run(&bench.tools.e2fsck, &["-fn", &device]).expect_exit(0);
    let site = bench.site.path().join("disks/three-drives.yaml");
    assert!(site.exists());
    // Enough for the seed.
    let out = bench.path("new.img");
    bench.bake(&image, &out, &[]).run().expect_exit(0);
    fs::remove_file(&out).unwrap();
    fs::File::options()
        .write(true)
        .open(&filler)
        .unwrap()
        .set_len(200 << 10)
        .unwrap();
    run(
        &bench.tools.debugfs,
        &["-w", "-R", &format!("write {filler} /more"), &device],
    )
    .expect_exit(0);
    let there = bench.beside();
    let said = bench.bake(&image, &out, &[]).run().expect_exit(1);
    assert!(
        said.stderr.contains("MB free and 1 MB are needed: enlarge a copy"),
        "{said}"
    );
    assert_eq!(bench.beside(), there);
}

#[test]
fn a_bake_that_fails_leaves_nothing_behind() {
    let Some(bench) = Bench::new("tests/good/offline") else {
        return;
    };
    let image = bench.bionic();
    let out = bench.path("new.img");
    let there = bench.beside();
    let said = bench.bake(&image, "/proc/new.img", &[]).run().expect_exit(1);
    assert!(said.stderr.contains("/proc/new.img cannot be written"), "{said}");
    let said = bench
        .bake(&image, bench.site.path().to_str().unwrap(), &[])
        .run()
        .expect_exit(1);
    assert!(said.stderr.contains("is a folder"), "{said}");

    // Programs that are not there, or not up to it.
    let programs = bench.path("bin");
    fs::create_dir(&programs).unwrap();
    let fake = |name: &str, script: &str| {
        let path = Path::new(&programs).join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let with_path = |path: &str| bench.bake(&image, &out, &["--format", "qcow2"]).env("PATH", path).run();
    let said = with_path(&programs).expect_exit(1);
    assert!(said.stderr.contains("apt-get install qemu-utils"), "{said}");
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    // It reads, and writes nothing.
    let real = bench.tools.debugfs.to_str().unwrap();
    let script = format!("case $1 in -w) echo 'write: Could not allocate block' >&2 ;; *) exec {real} \"$@\" ;; esac");
    let debugfs = fake("debugfs", &script);
    let said = with_path(&path).expect_exit(1);
    assert!(
        said.stderr.contains("debugfs failed: write: Could not allocate block"),
        "{said}"
    );
    fake(
        "debugfs",
        &format!("case $1 in -w) exec cat >/dev/null ;; *) exec {real} \"$@\" ;; esac"),
    );
    let said = with_path(&path).expect_exit(1);
    assert!(said.stderr.contains("does not read back as what was written"), "{said}");
    fs::remove_file(debugfs).unwrap();
    fs::remove_dir_all(&programs).unwrap();
    assert_eq!(bench.beside(), there);

    // Killed at ten instants, with every program that it started.
    bench.bake(&image, &out, &[]).run().expect_exit(0);
    let began = Instant::now();
    bench.bake(&image, &out, &[]).run().expect_exit(0);
    let whole = began.elapsed();
    let there = bench.beside();
    let temporary = bench.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut late = 0;
    for at in 0..10 {
        let before = fs::read(&out).unwrap();
        let host = format!("lab/node{}", at % 3 + 1);
        let mut child = Command::new(env!("CARGO_BIN_EXE_lxseed"))
            .args(["bake", "site", "--image", &image, "-o", &out])
            .args(["--only", &host, "--unpublished"])
            .current_dir(bench.site.parent())
            .env("LXSEED_SECRET", support::SECRET)
            .env("TMPDIR", &temporary)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        std::thread::sleep(whole * at / 10);
        let group = rustix::process::Pid::from_child(&child);
        // It may have come to its end already.
        let _: Result<(), _> = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        child.wait().unwrap();
        let mut names = bench.beside();
        names.retain(|name| name != "tmp");
        assert_eq!(names, there);
        assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
        if fs::read(&out).unwrap() != before {
            let said = lxseed(["inspect", &out]).run().expect_exit(0);
            assert!(said.stdout.contains(&host), "{said}");
            late += 1;
        }
    }
    assert!(late < 10, "no kill came in time");
}

/// On a file system that is too small for it, which only root can make.
#[test]
fn a_full_disk_is_told_before_anything_is_written() {
    let Some(bench) = Bench::new("profiles/lab") else {
        return;
    };
    if !rustix::process::geteuid().is_root() {
        skip("only root can mount a small file system");
        return;
    }
    let image = bench.bionic();
    let small = bench.path("small");
    fs::create_dir(&small).unwrap();
    let script =
        "mount -t tmpfs -o size=$0 none \"$1\" || exit 99; shift; \"$@\"; code=$?; ls -A \"$SMALL\"; exit $code";
    // The first is seen beforehand, the second by whoever writes.
    for (size, words) in [("1m", "MB are needed there, and 1 MB are free"), ("2200k", "")] {
        let run = Run::of(
            Command::new("unshare")
                .args([
                    "-m",
                    "sh",
                    "-c",
                    script,
                    size,
                    &small,
                    env!("CARGO_BIN_EXE_lxseed"),
                    "bake",
                    "site",
                ])
                .args([
                    "--image",
                    &image,
                    "-o",
                    &format!("{small}/new.img"),
                    "--only",
                    "lab/node1",
                    "--unpublished",
                ])
                .current_dir(bench.site.parent())
                .env("LXSEED_SECRET", support::SECRET)
                .env("SMALL", &small),
        )
        .expect_exit(1);
        assert!(
            run.stderr.contains("new.img cannot be written") || words.is_empty(),
            "{run}"
        );
        assert!(run.stderr.contains(words), "{run}");
        assert_eq!(run.stdout, "", "something is left");
    }
}
