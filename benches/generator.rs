//! Sites of any size for benchmarks and for tests: the same number of hosts always gives the same bytes.
//!
//! A hundred hosts are three clusters of 3 to 50 members, as LXD's documentation has them, with three models of machine
//! mixed within each cluster. Every other cluster has one file per host, the rest list a rack of up to twenty in one
//! file.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

/// Members of the three clusters of one hundred hosts, in turn.
const SIZES: [[usize; 3]; 4] = [[3, 47, 50], [20, 31, 49], [33, 33, 34], [9, 43, 48]];
const HOSTS_PER_RACK_FILE: usize = 20;

/// Writes a site of `hosts` hosts (at least 3, at most some six million) into `folder`, which it makes.
pub(crate) fn write_site(folder: &Path, hosts: usize) -> io::Result<()> {
    for (number, members) in cluster_sizes(hosts).into_iter().enumerate() {
        write_cluster(&folder.join(cluster_name(number)), number, members)?;
    }
    Ok(())
}

/// How many members each cluster has.
fn cluster_sizes(hosts: usize) -> Vec<usize> {
    assert!(hosts >= 3, "a cluster has at least three members here");
    let mut sizes: Vec<usize> = (0..hosts / 100).flat_map(|at| SIZES[at % SIZES.len()]).collect();
    match hosts % 100 {
        0 => {}
        rest if rest < 3 => sizes[0] += rest,
        rest if rest < 6 => sizes.push(rest),
        rest if rest <= 53 => sizes.extend([3, rest - 3]),
        rest => sizes.extend([3, 50, rest - 53].into_iter().filter(|size| *size >= 3)),
    }
    let missing = hosts - sizes.iter().sum::<usize>();
    if let Some(last) = sizes.last_mut() {
        *last += missing;
    }
    sizes
}

pub(crate) fn cluster_name(number: usize) -> String {
    format!("c{number:04}")
}

pub(crate) fn host_name(cluster: usize, member: usize) -> String {
    format!("c{cluster:04}-n{member:02}")
}

fn write_cluster(folder: &Path, number: usize, members: usize) -> io::Result<()> {
    fs::create_dir_all(folder.join("hosts"))?;
    fs::create_dir_all(folder.join("disks"))?;
    fs::write(folder.join("cluster.yaml"), cluster(number))?;
    for (name, text) in MODELS {
        fs::write(folder.join("disks").join(format!("{name}.yaml")), text)?;
    }
    let hosts: Vec<String> = (1..=members).map(|member| host(number, member)).collect();
    if number.is_multiple_of(2) {
        for (at, text) in hosts.iter().enumerate() {
            let file = format!("{}.yaml", host_name(number, at + 1));
            fs::write(folder.join("hosts").join(file), text)?;
        }
    } else {
        for (at, rack) in hosts.chunks(HOSTS_PER_RACK_FILE).enumerate() {
            let file = format!("rack{:02}.yaml", at + 1);
            fs::write(folder.join("hosts").join(file), rack.join("---\n"))?;
        }
    }
    Ok(())
}

/// Each cluster has a network of 256 addresses of its own.
fn subnet(number: usize) -> String {
    format!("10.{}.{}", number / 256, number % 256)
}

fn cluster(number: usize) -> String {
    let (subnet, name) = (subnet(number), cluster_name(number));
    let bootstrap = host_name(number, 1);
    let overlay = ["fan", "bridge", "none"][number % 3];
    format!(
        "# Hall {}, row {number}\n\
         name: {name}\n\
         ubuntu: \"18.04\"\n\
         kernel: hwe\n\
         lxd: {{channel: 5.0/stable}}\n\
         bootstrap: {bootstrap}\n\
         network:\n  \
           subnet: {subnet}.0/24\n  \
           gateway: {subnet}.1\n  \
           nameservers: [{subnet}.2, {subnet}.3]\n  \
           search: [{name}.example.org, example.org]\n  \
           overlay: {overlay}\n\
         pools:\n  \
           data1: {{driver: zfs}}\n  \
           data2: {{driver: btrfs}}\n\
         admin:\n  \
           user: ops\n  \
           ssh_authorized_keys:\n    \
             - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAsAOHCOHRZ/cHzejSG0MmPEI3eXVNR1iTyxeO2aOZeq ops@desk\n\
         allow:\n  \
           uneven-redundancy: what is one device here is mirrored by a controller\n",
        number / 30,
    )
}

/// Hardware RAID volumes, SATA bays with md and a zpool, and NVMe.
const MODELS: [(&str, &str); 3] = [
    (
        "raid",
        "name: raid\n\
         os: {slot: os}\n\
         volumes:\n  data1: {device: d1}\n  data2: {device: d2}\n\
         slots:\n  \
           d1: {by_path: \"pci-0000:03:00.0-scsi-0:2:1:0\", min_size: 900GB}\n  \
           d2: {by_path: \"pci-0000:03:00.0-scsi-0:2:2:0\", min_size: 900GB}\n",
    ),
    (
        "bays",
        "# One bay for the system, four for data.\n\
         name: bays\n\
         os: {slot: os}\n\
         volumes:\n  data1: {zfs_mirror: [front1, front2]}\n  data2: {mirror: [front3, front4]}\n\
         slots:\n  \
           os: {by_path: \"pci-0000:00:17.0-ata-1\", max_size: 300GB}\n  \
           front1: {min_size: 1.8TB}\n  front2: {min_size: 1.8TB}\n  \
           front3: {min_size: 3.6TiB}\n  front4: {min_size: 3.6TiB}\n",
    ),
    (
        "nvme",
        "name: nvme\n\
         os: {slot: os}\n\
         volumes:\n  data1: {device: n1}\n  data2: {mirror: [n2, n3]}\n\
         slots:\n  \
           os: {hctl: \"0:0:0:0\", max_size: 300GB}\n  \
           n1: {min_size: 900GB, max_size: 2TB}\n  n2: {min_size: 900GB}\n  n3: {min_size: 900GB}\n",
    ),
];

fn host(number: usize, member: usize) -> String {
    // Disks have ids of their own in the whole site; the fleet's serial numbers are spread like real ones.
    let unit = (number * 64 + member) as u64;
    let serial = |disk: u64| format!("{:012X}", mixed(unit * 8 + disk) >> 16);
    let mut text = String::new();
    let model = MODELS[(number + member) % MODELS.len()].0;
    let [.., a, b, c] = (unit as u32).to_be_bytes();
    let _ = write!(
        text,
        "name: {}\ndisks: {model}\nnetwork: {{mac: \"52:54:00:{a:02x}:{b:02x}:{c:02x}\", address: {}.{}}}\n",
        host_name(number, member),
        subnet(number),
        member + 10,
    );
    let _ = match model {
        "raid" => writeln!(text, "slots: {{os: {{serial: S3Z9{}}}}}", serial(0)),
        "bays" => write!(
            text,
            "slots:\n  front1: {{serial: WD-{}}}\n  front2: {{serial: WD-{}}}\n  front3: {{wwn: \"0x5000{}\"}}\n  front4: {{wwn: \"0x5000{}\"}}\n",
            serial(1),
            serial(2),
            serial(3).to_lowercase(),
            serial(4).to_lowercase(),
        ),
        _ => write!(
            text,
            "slots:\n  n1: {{by_id: nvme-SAMSUNG_MZQLB1T9HAJR-00007_{}}}\n  n2: {{serial: N{}}}\n  n3: {{serial: N{}}}\n",
            serial(5),
            serial(6),
            serial(7),
        ),
    };
    text
}

/// One step of SplitMix64 (Steele, Lea and Flood 2014). It is a bijection; what is left of it repeats nothing in a
/// million hosts.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
