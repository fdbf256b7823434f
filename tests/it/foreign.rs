//! What others made, and what others can reach: images that lead elsewhere, snaps that explode, an image of somebody
//! else's, two of us at once. Each of these did harm once.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, FlockOperation, Mode};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{self, Run, Site, lxseed, lxseed_through, root, tool};

/// A site beside a stand-in for the server image.
fn with_iso() -> Option<(Site, PathBuf)> {
    let (python, _) = (tool("python3")?, tool("xorriso")?);
    let site = Site::copy_of("profiles/lab");
    let iso = site.parent().join("standin.iso");
    let maker = root().join("tests/common/iso.py");
    Run::of(Command::new(python).arg("-B").arg(maker).arg(&iso)).expect_exit(0);
    Some((site, iso))
}

fn bake(site: &Site, words: &[&str]) -> Run {
    lxseed(["bake", "site"].iter().chain(words)).dir(site.parent()).run()
}

fn pipe(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

// ---- who vouches for an image ---------------------------------------------------------------------------------------

#[test]
fn every_image_needs_somebody_who_vouches_for_it() {
    let Some((site, iso)) = with_iso() else { return };
    // It calls itself a release of which no digest is known.
    let bytes = fs::read(&iso).unwrap();
    let at = bytes.windows(8).position(|text| text == b"18.04.6 ").unwrap();
    let at = bytes[at + 8..]
        .windows(8)
        .position(|text| text == b"18.04.6 ")
        .map_or(at, |more| at + 8 + more);
    let image = File::options().write(true).open(&iso).unwrap();
    image.write_all_at(b"18.04.9 ", at as u64).unwrap();
    drop(image);
    let sum = Run::of(
        Command::new("sha256sum")
            .arg("-b")
            .arg("standin.iso")
            .current_dir(site.parent()),
    )
    .stdout;
    let digest = sum[..64].to_owned();
    let altered = digest.replace(&digest[..1], if digest.starts_with('0') { "1" } else { "0" });
    let list = site.parent().join("SHA256SUMS");
    for to in [&["-o", "new.iso"][..], &["--in-place"]] {
        let said = bake(&site, &[&["--iso", "standin.iso"][..], to, &[][..]].concat()).expect_exit(1);
        for part in [
            &*digest,
            "nothing says that it is what was published",
            "--sha256",
            "--unpublished",
        ] {
            assert!(said.stderr.contains(part), "{part}: {said}");
        }
        let said = bake(
            &site,
            &[&["--iso", "standin.iso"][..], to, &["--sha256", &altered]].concat(),
        )
        .expect_exit(1);
        assert!(
            said.stderr.contains(&altered) && said.stderr.contains("download it again"),
            "{said}"
        );
        bake(
            &site,
            &[&["--iso", "standin.iso"][..], to, &["--sha256", "abc"]].concat(),
        )
        .expect_exit(2);
        bake(
            &site,
            &[
                &["--iso", "standin.iso"][..],
                to,
                &["--sha256", &digest, "--unpublished"],
            ]
            .concat(),
        )
        .expect_exit(2);
        fs::write(&list, sum.replace(&digest, &altered)).unwrap();
        let said = bake(&site, &[&["--iso", "standin.iso"][..], to, &[][..]].concat()).expect_exit(1);
        assert!(said.stderr.contains("SHA256SUMS says "), "{said}");
        fs::remove_file(&list).unwrap();
        pipe(&list);
        let said = bake(&site, &[&["--iso", "standin.iso"], to].concat()).expect_exit(1);
        assert!(
            said.stderr
                .contains("SHA256SUMS beside it cannot be used: it is not a plain file"),
            "{said}"
        );
        fs::remove_file(&list).unwrap();
        assert!(fs::read(&iso).unwrap().len() == bytes.len() && !site.parent().join("new.iso").exists());
    }
    for more in [&["--unpublished"][..], &["--sha256", &digest.to_uppercase()]] {
        bake(&site, &[&["--iso", "standin.iso", "-o", "new.iso"], more].concat()).expect_exit(0);
    }
    fs::write(&list, &sum).unwrap();
    let said = bake(&site, &["--iso", "standin.iso", "--in-place"]).expect_exit(0);
    assert!(said.stderr.contains("as SHA256SUMS says"), "{said}");
}

/// A list that came with an image says nothing against what lxseed knows of it.
#[test]
fn an_altered_image_brings_its_own_list_in_vain() {
    let Some((site, _)) = with_iso() else { return };
    let sum = Run::of(Command::new("sha256sum").arg("standin.iso").current_dir(site.parent())).stdout;
    fs::write(site.parent().join("SHA256SUMS"), sum).unwrap();
    for to in [&["-o", "new.iso"][..], &["--in-place"]] {
        let said = bake(&site, &[&["--iso", "standin.iso"], to].concat()).expect_exit(1);
        assert!(said.stderr.contains("was published with f5cbb810"), "{said}");
    }
}

#[test]
fn the_name_of_an_image_steers_no_terminal() {
    let Some((site, iso)) = with_iso() else { return };
    let name = "a\u{1b}[31m\u{202e}.iso";
    fs::rename(iso, site.parent().join(name)).unwrap();
    for more in [&["--unpublished"][..], &[]] {
        let said = bake(&site, &[&["--iso", name, "-o", "new.iso"], more].concat());
        assert!(
            !said.stderr.contains(['\u{1b}', '\u{202e}']) && said.stderr.contains("u{1b}"),
            "{said}"
        );
    }
}

// ---- in place -------------------------------------------------------------------------------------------------------

#[test]
fn only_an_image_of_ones_own_is_changed_in_place() {
    let Some((site, iso)) = with_iso() else { return };
    let before = fs::read(&iso).unwrap();
    let refused = |why: &str| {
        let said = bake(&site, &["--iso", "standin.iso", "--in-place", "--unpublished"]).expect_exit(1);
        assert!(said.stderr.contains(why), "{why}: {said}");
        assert!(fs::read(&iso).unwrap() == before, "{why}");
    };
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&iso, Some(65534), None).unwrap();
        refused("it belongs to another user (number 65534)");
        std::os::unix::fs::chown(&iso, Some(0), None).unwrap();
    }
    let second = site.parent().join("second.iso");
    fs::hard_link(&iso, &second).unwrap();
    refused("it has 2 names");
    fs::remove_file(second).unwrap();
    let reader = File::open(&iso).unwrap();
    refused(&format!("process {} has it open", std::process::id()));
    rustix::fs::flock(&reader, FlockOperation::LockShared).unwrap();
    refused("has locked it");
    drop(reader);
    fs::rename(&iso, site.parent().join("real.iso")).unwrap();
    pipe(&iso);
    let said = bake(&site, &["--iso", "standin.iso", "--in-place"]).expect_exit(1);
    assert!(said.stderr.contains("not a plain file"), "{said}");
}

/// Two fleets on one image: one of them is on it, and the other one hears of it.
#[test]
fn two_at_once_never_share_an_image() {
    let Some((site, iso)) = with_iso() else { return };
    let fresh = fs::read(&iso).unwrap();
    for round in 0..6 {
        fs::remove_file(&iso).unwrap();
        fs::write(&iso, &fresh).unwrap();
        let children: Vec<_> = ["lab/node1", "lab/node2"]
            .iter()
            .map(|host| {
                std::thread::sleep(Duration::from_millis(round * 20));
                Command::new(env!("CARGO_BIN_EXE_lxseed"))
                    .args([
                        "bake",
                        "site",
                        "--iso",
                        "standin.iso",
                        "--in-place",
                        "--unpublished",
                        "--only",
                        host,
                    ])
                    .current_dir(site.parent())
                    .env("LXSEED_SECRET", support::SECRET)
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let ended: Vec<_> = children
            .into_iter()
            .map(|child| child.wait_with_output().unwrap())
            .collect();
        let winners: Vec<usize> = (0..2).filter(|at| ended[*at].status.success()).collect();
        if winners.is_empty() {
            // Each saw that the other one has it open, and neither touched it.
            assert!(fs::read(&iso).unwrap() == fresh, "{ended:?}");
            continue;
        }
        assert_eq!(winners.len(), 1, "{ended:?}");
        let host = format!("lab/node{}", winners[0] + 1);
        let said = lxseed(["inspect", iso.to_str().unwrap()]).run();
        let whole = said.stdout.contains(&host) && said.stdout.contains("for 1 host");
        assert!(whole && !said.stderr.contains("not what was put on it"), "{said}");
    }
}

/// Ctrl-C and its like put an image that is changed in place back as it was, say so, and end with the status that shells
/// give them; or the medium was whole already.
#[test]
fn a_signal_at_any_instant_leaves_the_image_or_the_medium() {
    const SIGNALS: [(i32, Signal); 3] = [(130, Signal::INT), (143, Signal::TERM), (129, Signal::HUP)];
    let Some((site, iso)) = with_iso() else { return };
    let fresh = fs::read(&iso).unwrap();
    fs::set_permissions(&iso, fs::Permissions::from_mode(0o640)).unwrap();
    let words = ["bake", "site", "--iso", "standin.iso", "--in-place", "--unpublished"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_lxseed"));
    command.args(words).current_dir(site.parent());
    command
        .env("LXSEED_SECRET", support::SECRET)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let begin = Instant::now();
    assert!(command.status().unwrap().success());
    let mut whole = begin.elapsed();
    let medium = fs::read(&iso).unwrap();
    let (mut hit, mut baked) = (0, 0);
    // The first run may have been slow beside other tests, so `whole` is led towards what a run takes by now.
    for round in 0..96 {
        if round >= 24 && hit > 6 {
            break;
        }
        // Its own name and file each time, as a copy of the image is.
        fs::remove_file(&iso).unwrap();
        fs::write(&iso, &fresh).unwrap();
        fs::set_permissions(&iso, fs::Permissions::from_mode(0o640)).unwrap();
        let (code, signal) = SIGNALS[round % SIGNALS.len()];
        let child = command.spawn().unwrap();
        // Most of all in its last third, where it is written.
        std::thread::sleep(whole.mul_f64(0.4 + 0.65 * (round * 7 % 24) as f64 / 24.0));
        let _ = kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal);
        let run = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        let now = fs::read(&iso).unwrap();
        let mode = fs::metadata(&iso).unwrap().permissions().mode() & 0o777;
        let is_medium = now == medium && mode == 0o600;
        assert!(
            is_medium || now == fresh && mode == 0o640,
            "signal {round}: {mode:o}, {said}"
        );
        match run.status.code() {
            Some(0) => assert!(is_medium),
            Some(ended) => {
                hit += 1;
                baked += usize::from(is_medium);
                assert_eq!(ended, code, "{said}");
                let words = match is_medium {
                    true => "interrupted: the output is written\n",
                    false => "interrupted: the output is as it was\n",
                };
                assert!(said.ends_with(words), "signal {round}: {said}");
            }
            // Before the program has begun, a signal ends it as it ends any.
            None => {}
        }
        whole = whole.mul_f64(if run.status.success() { 0.9 } else { 1.03 });
    }
    eprintln!("signals: {hit} ended it, {baked} of them with the medium");
    assert!(hit > 6, "few were hit: {hit}");
}

// ---- images that lead elsewhere -------------------------------------------------------------------------------------

#[test]
fn an_image_that_names_another_file_is_refused_by_its_header() {
    let Some(qemu_img) = tool("qemu-img") else { return };
    let site = Site::copy_of("profiles/lab");
    let secret = site.parent().join("private");
    fs::write(&secret, vec![b'x'; 1 << 20]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let server = format!("nbd://{}/x", listener.local_addr().unwrap());
    let json = format!("json:{{\"driver\":\"raw\",\"file\":{{\"driver\":\"file\",\"filename\":{secret:?}}}}}");
    for (at, backing) in [secret.to_str().unwrap(), &json, &server].into_iter().enumerate() {
        let image = site.parent().join(format!("{at}.qcow2"));
        let words = ["create", "-u", "-f", "qcow2", "-F", "raw", "-b", backing];
        Run::of(Command::new(&qemu_img).args(words).arg(&image).arg("1M")).expect_exit(0);
        let image = image.to_str().unwrap();
        let bake = [
            "--image",
            image,
            "-o",
            "new.img",
            "--only",
            "lab/node2",
            "--unpublished",
        ];
        for said in [lxseed(["inspect", image]).run(), self::bake(&site, &bake)] {
            let said = said.expect_exit(1);
            assert!(said.stderr.contains("it leans on another file"), "{said}");
        }
    }
    assert!(listener.accept().is_err(), "somebody called");
    assert!(!site.parent().join("new.img").exists());
    // An external data file.
    let image = site.parent().join("data.qcow2");
    let option = format!("data_file={},data_file_raw=on", site.parent().join("data").display());
    Run::of(
        Command::new(&qemu_img)
            .args(["create", "-f", "qcow2", "-o", &option])
            .arg(&image)
            .arg("1M"),
    )
    .expect_exit(0);
    let said = lxseed(["inspect", image.to_str().unwrap()]).run().expect_exit(1);
    assert!(said.stderr.contains("its data lies in another file"), "{said}");
    // A pipe in the place of an image, a list or a folder's file keeps nobody waiting.
    let name = site.parent().join("pipe");
    pipe(&name);
    let said = lxseed(["inspect", name.to_str().unwrap()]).run().expect_exit(1);
    assert!(said.stderr.contains("not a plain file"), "{said}");
    for kind in ["--image", "--iso"] {
        let said = self::bake(&site, &[kind, "pipe", "-o", "new.img", "--only", "lab/node2"]).expect_exit(1);
        assert!(said.stderr.contains("not a plain file"), "{said}");
    }
}

/// One cluster of 64 KiB of zeros, which takes a hundred bytes, mapped at every place of a disk of gigabytes.
#[test]
fn a_compressed_bomb_fills_no_disk() {
    let dir = support::temp_dir();
    let path = dir.path().join("bomb.qcow2");
    let mut bytes = vec![0_u8; (3 << 16) + 512];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, b"QFI\xfb\0\0\0\x02");
    put(20, &16_u32.to_be_bytes());
    put(24, &(512_u64 << 20).to_be_bytes());
    put(36, &1_u32.to_be_bytes());
    put(40, &(1_u64 << 16).to_be_bytes());
    put(1 << 16, &(1_u64 << 63 | 2 << 16).to_be_bytes());
    for at in 0..8192 {
        put((2 << 16) + 8 * at, &(1_u64 << 62 | 3 << 16).to_be_bytes());
    }
    fs::write(&path, &bytes).unwrap();
    let began = Instant::now();
    let said = lxseed(["inspect", path.to_str().unwrap()]).run().expect_exit(1);
    assert!(said.stderr.contains("two parts of its disk lie at one place"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

// ---- programs -------------------------------------------------------------------------------------------------------

#[test]
fn no_program_is_given_the_secret() {
    let Some((site, _)) = with_iso() else { return };
    let seen = site.parent().join("seen");
    let folder = site.parent().join("bin");
    fs::create_dir(&folder).unwrap();
    for name in ["git", "xorriso"] {
        let Some(real) = tool(name) else { return };
        let wrapper = folder.join(name);
        let script = format!("#!/bin/sh\n{{ echo {name}; env; }} >>{seen:?}\nexec {real:?} \"$@\"\n");
        File::create(&wrapper).unwrap().write_all(script.as_bytes()).unwrap();
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    }
    Run::of(Command::new("git").args(["init", "-q"]).current_dir(site.parent())).expect_exit(0);
    fs::write(site.parent().join(".gitignore"), "out\n").unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    for words in [
        &["build", "site"][..],
        &["bake", "site", "--iso", "standin.iso", "-o", "new.iso", "--unpublished"],
    ] {
        lxseed(words).dir(site.parent()).env("PATH", &path).run().expect_exit(0);
    }
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.contains("git\n") && seen.contains("xorriso\n"), "{seen}");
    assert!(!seen.contains("LXSEED_SECRET"), "{seen}");
}

// ---- sites that are too much ----------------------------------------------------------------------------------------

/// Memory is bounded by the shell: a reader that takes a gigabyte more ends in an abort.
fn check_within(site: &Site, seconds: u64) -> Run {
    let starter = ["sh", "-c", "ulimit -v 3000000; exec \"$@\"", "sh"];
    let began = Instant::now();
    let said = lxseed_through(&starter, ["check", "site"]).dir(site.parent()).run();
    assert!(
        began.elapsed() < Duration::from_secs(seconds),
        "{:?}: {said}",
        began.elapsed()
    );
    said
}

#[test]
fn a_site_that_is_too_much_is_not_read() {
    let refused = |site: &Site, why: &str| {
        let said = check_within(site, 30).expect_exit(1);
        assert!(said.stderr.contains(why), "{why}: {said}");
        assert_eq!(said.stderr.matches("error[").count(), 1, "{said}");
    };
    // Each folder leads eight times to the next one.
    let site = Site::copy_of("profiles/lab");
    for at in 0..15 {
        let folder = site.path().join(format!("f{at}"));
        fs::create_dir(&folder).unwrap();
        for link in 0..8 {
            std::os::unix::fs::symlink(format!("../f{}", at + 1), folder.join(link.to_string())).unwrap();
        }
    }
    fs::create_dir(site.path().join("f15")).unwrap();
    refused(&site, "links that lead to links");
    // Two of nearly five MiB each; git packs them into nothing.
    let comments = "# a line that says nothing at all\n".repeat(140_000);
    let site = Site::copy_of("profiles/lab");
    let site = site.file("hosts/b.yaml", &comments).file("hosts/c.yaml", &comments);
    refused(&site, "its profiles have more than 8 MiB together");
    let mut site = Site::copy_of("profiles/lab");
    for at in 0..2001 {
        site = site.bytes(format!("snaps/lxd_{at}.snap"), b"");
    }
    refused(&site, "more than 2000 snaps");
}

/// A snap of a few KiB whose own description multiplies, repeats or nests; and a hole of 100 GiB.
#[test]
fn a_snap_does_not_explode() {
    let Some(mksquashfs) = tool("mksquashfs") else { return };
    let wide = format!("[{}]", vec!["x"; 400].join(","));
    let mut multiplies = format!("a0: &a0 {wide}\n");
    for level in 1..4 {
        let alias = format!("*a{}", level - 1);
        multiplies += &format!("a{level}: &a{level} [{}]\n", vec![&*alias; 400].join(","));
    }
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 20_000].join(","));
    let deep = format!("a: {}", "[".repeat(120_000));
    for text in [multiplies, long, deep] {
        let site = Site::copy_of("tests/good/offline");
        let tree = support::temp_dir();
        fs::create_dir(tree.path().join("meta")).unwrap();
        fs::write(
            tree.path().join("meta/snap.yaml"),
            format!("name: lxd\nversion: \"5.0\"\n{text}"),
        )
        .unwrap();
        let snap = site.path().join("snaps/lxd_24322.snap");
        fs::remove_file(&snap).unwrap();
        let words = ["-comp", "xz", "-noappend", "-quiet", "-no-progress"];
        Run::of(Command::new(&mksquashfs).arg(tree.path()).arg(&snap).args(words)).expect_exit(0);
        assert!(fs::metadata(&snap).unwrap().len() < 100_000);
        check_within(&site, 20).expect_exit(1);
    }
    let site = Site::copy_of("tests/good/offline");
    let snap = site.path().join("snaps/lxd_24322.snap");
    File::options()
        .write(true)
        .open(snap)
        .unwrap()
        .set_len(100 << 30)
        .unwrap();
    let said = check_within(&site, 20).expect_exit(1);
    assert!(said.stderr.contains("it has more than 2048 MiB"), "{said}");
}

/// docs/limits.md and the program name the same numbers.
#[test]
fn the_limits_are_told() {
    let code = fs::read_to_string(root().join("src/budget.rs")).unwrap();
    let told = fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let limits: Vec<&str> = code
        .lines()
        .filter(|line| line.starts_with("pub(crate) const "))
        .collect();
    assert!(limits.len() > 10);
    for line in limits {
        let (_, value) = line.trim_end_matches(';').split_once(" = ").unwrap();
        let plain = match value.split_once(" << ") {
            None => value.replace('_', ""),
            Some((number, "10")) => format!("{number} KiB"),
            Some((number, "20")) => format!("{number} MiB"),
            Some((number, "30")) => format!("{number} GiB"),
            Some((number, _)) => format!("{number} TiB"),
        };
        let name = line.split([' ', ':']).nth(2).unwrap();
        assert!(
            told.lines()
                .any(|row| row.contains(&format!("`{name}`")) && row.contains(&format!("| {plain} |"))),
            "docs/limits.md does not say that {name} is {plain}"
        );
    }
}
