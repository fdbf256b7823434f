//! A thousand hosts in a thousand files, and fifty mistakes spread over them, each with the place where it has to be
//! reported. For tests/it/thousand.rs and the benchmark `check`.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

/// Twenty clusters of fifty members, as many as LXD's documentation has in one.
const CLUSTERS: usize = 20;
const MEMBERS: usize = 50;

/// A finding that there has to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Expected {
    /// The file, from the site's folder on.
    pub(crate) file: String,
    /// The line, from 1.
    pub(crate) line: usize,
    /// The rule's code.
    pub(crate) code: &'static str,
}

/// An edit that makes one mistake: its code, the file of the cluster it is in, a line of that file that starts like
/// this, what stands there instead (with the cluster's number for `NN`, of two digits for `CC`), and the line of that
/// in which it is reported.
struct Mistake(&'static str, File, &'static str, &'static str, usize);

#[derive(Clone, Copy)]
enum File {
    Cluster,
    Disks,
    Host,
}

use File::{Cluster, Disks, Host};

/// The mistakes by cluster: those of one row are all in one cluster, each host's in a file of its own.
const MISTAKES: [&[Mistake]; CLUSTERS] = [
    &[
        Mistake("P001", Host, "disks: ", "disks: model\ncolour: red", 2),
        Mistake("R001", Cluster, "ubuntu: ", "ubuntu: \"20.04\"", 1),
        Mistake("D001", Host, "disks: ", "disks: modell", 1),
    ],
    &[
        Mistake(
            "P002",
            Host,
            "  mac: ",
            "  mac: \"52:54:00:CC:ff:01\"\n  mac: \"52:54:00:CC:ff:02\"",
            2,
        ),
        Mistake("R002", Cluster, "lxd: ", "lxd: {channel: latest/stable}", 1),
        Mistake("S005", Host, "*", "", 1),
    ],
    &[
        Mistake("P004", Host, "disks: ", "disks: model\ngeneration: \"2\"", 2),
        Mistake("A004", Cluster, "  user: ", "  user: root", 1),
        Mistake("F001", Host, "  mac: ", "  mac: 5254.00CC.0001", 1),
    ],
    &[
        Mistake("P005", Host, "  mac: ", "  mac: \"52:54:00:CC:ff\"", 1),
        Mistake(
            "A005",
            Cluster,
            "    - ssh-",
            "    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ops@desk",
            1,
        ),
        Mistake("F002", Host, "  mac: ", "  mac: \"53:54:00:CC:ff:01\"", 1),
    ],
    &[
        Mistake("S003", Host, "  a1: ", "  a1: {serial: [}", 1),
        Mistake("W001", Cluster, "allow:", "allow:\n  no-such-warning: because", 2),
        Mistake("F003", Host, "  address: ", "  address: 10.NN.1.1", 1),
    ],
    &[
        Mistake("A002", Host, "disks: ", "disks: model\npassword: swordfish", 2),
        Mistake("F007", Cluster, "  gateway: ", "  gateway: 172.16.0.1", 1),
        Mistake("F004", Host, "  address: ", "  address: 172.16.0.9", 1),
    ],
    &[
        Mistake(
            "A001",
            Cluster,
            "  user: ",
            "  user: ops\n  lxd_certificates:\n    desk: \"-----BEGIN PRIVATE KEY-----\"",
            3,
        ),
        Mistake("P005", Cluster, "  overlay: ", "  overlay: fam", 1),
        Mistake("F005", Host, "  address: ", "  address: 10.NN.255.255", 1),
    ],
    &[
        Mistake("N001", Host, "name: ", "name: c_CC", 1),
        Mistake("F010", Cluster, "  search: ", "  search: [cCC..example.org]", 1),
        Mistake("F006", Host, "  address: ", "  address: 10.NN.0.1", 1),
    ],
    &[
        Mistake("N004", Host, "name: ", "name: cCC-n01", 1),
        Mistake(
            "D014",
            Cluster,
            "  data2: ",
            "  data2: {driver: zfs}\n  data3: {driver: dir}",
            2,
        ),
        Mistake("C006", Host, "disks: ", "disks: model\ngeneration: 0", 2),
    ],
    &[
        Mistake("N006", Host, "name: ", "name: cCC-a-name-of-twenty-eight-x", 1),
        Mistake(
            "A006",
            Cluster,
            "  user: ",
            "  user: ops\n  password_hash: \"$1$salt$hash\"",
            2,
        ),
        Mistake(
            "D012",
            Host,
            "  a1: ",
            "  a1: {serial: WD-CC-A, min_size: 2TB, max_size: 1TB}",
            1,
        ),
    ],
    &[
        Mistake("D002", Host, "  a1: ", "  a1: {by_id: /dev/sda}", 1),
        Mistake("C002", Cluster, "bootstrap: ", "bootstrap: cCC-n99", 1),
        Mistake("D013", Host, "  a1: ", "  a1: {serial: WD-CC-A, wipe: WD-CC-B}", 1),
    ],
    &[
        Mistake("D003", Host, "  a1: ", "  a1: {hctl: \"0:2:1\", min_size: 900GB}", 1),
        Mistake("D010", Disks, "  data2: ", "  data2: {zfs_mirror: [b1]}", 1),
    ],
    &[
        Mistake(
            "D005",
            Host,
            "  a1: ",
            "  a1: {serial: WD-CC-A, hctl: \"0:2:1:0\", min_size: 900GB}",
            1,
        ),
        Mistake("D011", Disks, "  data2: ", "  data2: {}", 1),
    ],
    &[
        Mistake(
            "D006",
            Host,
            "  a1: ",
            "  zz: {serial: WD-CC-Z}\n  a1: {serial: WD-CC-A}",
            1,
        ),
        Mistake("D008", Disks, "  data2: ", "  data2: {zfs_mirror: [b1, os]}", 1),
    ],
    &[
        Mistake("D007", Host, "  a1: ", "  a1: {serial: WD-CC-01-1}", 1),
        Mistake(
            "N002",
            Disks,
            "  b1: ",
            "  B1: {by_path: pci-0000:00:17.0-ata-9, min_size: 1TB}\n  b1: {by_path: pci-0000:00:17.0-ata-4, min_size: 1TB}",
            1,
        ),
    ],
    &[
        Mistake("S002", Host, "*", "\u{0}", 1),
        Mistake("F026", Host, "  mac: ", "  # no address for the card", 2),
    ],
    &[
        Mistake(
            "S004",
            Host,
            "disks: ",
            "disks: model\nx: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
            2,
        ),
        Mistake("P001", Cluster, "  gateway: ", "  gatway: 10.NN.0.1", 1),
    ],
    &[Mistake("P004", Host, "disks: ", "disks:", 1)],
    &[
        Mistake("P003", Host, "name: ", "# the name was here", 2),
        Mistake("P004", Cluster, "ubuntu: ", "ubuntu: 18.04", 1),
    ],
    &[
        Mistake("P005", Host, "  a1: ", "  a1: {serial: WD-CC-A, min_size: 1XB}", 1),
        Mistake("D009", Disks, "  data2: ", "  data2: {zfs_mirror: [a1, b2]}", 1),
    ],
];

/// Writes the site and gives back the findings that it must have.
pub(crate) fn write_site(folder: &Path) -> io::Result<Vec<Expected>> {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut expected = Vec::new();
    for (number, mistakes) in MISTAKES.iter().enumerate() {
        let name = format!("c{number:02}");
        files.insert(format!("{name}/cluster.yaml"), cluster(number).into_bytes());
        files.insert(format!("{name}/disks/model.yaml"), MODEL.to_owned().into_bytes());
        for member in 1..=MEMBERS {
            files.insert(
                format!("{name}/hosts/n{member:02}.yaml"),
                host(number, member).into_bytes(),
            );
        }
        for (at, Mistake(code, kind, start, replacement, line)) in mistakes.iter().enumerate() {
            let file = match kind {
                Cluster => format!("{name}/cluster.yaml"),
                Disks => format!("{name}/disks/model.yaml"),
                // Anywhere but on the bootstrap host.
                Host => format!("{name}/hosts/n{:02}.yaml", 5 + at * 10 + number),
            };
            let replacement = replacement
                .replace("CC", &format!("{number:02}"))
                .replace("NN", &number.to_string());
            let text = files.get_mut(&file).ok_or(io::ErrorKind::NotFound)?;
            let before = spoil(text, start, &replacement).ok_or(io::ErrorKind::NotFound)?;
            expected.push(Expected {
                file,
                line: before + line,
                code,
            });
        }
    }
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().ok_or(io::ErrorKind::NotFound)?)?;
        fs::write(path, text)?;
    }
    expected.sort();
    Ok(expected)
}

/// Replaces the one line that starts like this, or everything; gives back the number of lines before it.
fn spoil(text: &mut Vec<u8>, start: &str, replacement: &str) -> Option<usize> {
    if start == "*" {
        // A zero byte stands for one that is not UTF-8.
        *text = replacement
            .bytes()
            .map(|byte| if byte == 0 { 0xff } else { byte })
            .collect();
        return Some(0);
    }
    let whole = String::from_utf8(text.clone()).ok()?;
    let before = whole.lines().position(|line| line.starts_with(start))?;
    let lines = whole
        .lines()
        .map(|line| if line.starts_with(start) { replacement } else { line });
    *text = lines.flat_map(|line| [line, "\n"]).collect::<String>().into_bytes();
    Some(before)
}

fn cluster(number: usize) -> String {
    format!(
        "name: c{number:02}
ubuntu: \"18.04\"
lxd: {{channel: 5.0/stable}}
bootstrap: c{number:02}-n01
network:
  subnet: 10.{number}.0.0/16
  gateway: 10.{number}.0.1
  nameservers: [10.{number}.0.2]
  search: [c{number:02}.example.org]
  overlay: fan
pools:
  data1: {{driver: btrfs}}
  data2: {{driver: zfs}}
admin:
  user: ops
  ssh_authorized_keys:
    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAsAOHCOHRZ/cHzejSG0MmPEI3eXVNR1iTyxeO2aOZeq ops@desk
allow:
  unused-profile-slot: some mistakes leave one over
"
    )
}

const MODEL: &str = "name: model
os: {slot: os}
volumes:
  data1: {mirror: [a1, a2]}
  data2: {zfs_mirror: [b1, b2]}
slots:
  os: {by_path: pci-0000:00:17.0-ata-1, min_size: 100GB}
  b1: {by_path: pci-0000:00:17.0-ata-4, min_size: 900GB}
  b2: {by_path: pci-0000:00:17.0-ata-5, min_size: 900GB}
";

fn host(number: usize, member: usize) -> String {
    format!(
        "name: c{number:02}-n{member:02}
disks: model
network:
  mac: \"52:54:00:{number:02}:00:{member:02}\"
  address: 10.{number}.1.{member}
slots:
  a1: {{serial: WD-{number:02}-{member:02}-1}}
  a2: {{serial: WD-{number:02}-{member:02}-2}}
"
    )
}
