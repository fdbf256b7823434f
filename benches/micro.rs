//! What a build is made of, step by step: `cargo bench`.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod generator;

use std::hint::black_box;

use camino::Utf8Path;
use divan::Bencher;
use lxseed::media::seed_image::iso_beside;
use lxseed::model::{Cluster, Site};
use lxseed::seed::{ClusterKeys, HostKeys, Renderer, cluster_digest};
use lxseed::trust::SiteSecret;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn main() {
    divan::main();
}

fn profiles() -> &'static Utf8Path {
    Utf8Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles"))
}

fn site() -> Site {
    lxseed::check::check(profiles(), NOW).accept().unwrap()
}

fn secret() -> SiteSecret {
    SiteSecret::parse(include_str!("../tests/it/support/secret-of-the-tests")).unwrap()
}

fn keys(cluster: &Cluster, secret: &SiteSecret) -> ClusterKeys {
    let name = cluster.name.as_str();
    let hosts = cluster.hosts.iter().map(|host| HostKeys {
        server: secret.lxd_server(name, host.name.as_str(), 1).unwrap(),
        ssh: secret.ssh_host_key(name, host.name.as_str(), 1).unwrap(),
    });
    ClusterKeys {
        spares: Vec::new(),
        hosts: hosts.collect(),
        cluster: secret.lxd_cluster(name, 1).unwrap(),
        earlier: None,
        desk: Some(secret.lxd_desk(name, 1).unwrap()),
    }
}

/// Read, lower and check both shipped sites.
#[divan::bench]
fn check() -> usize {
    lxseed::check::check(black_box(profiles()), NOW).findings().len()
}

/// The files of a hundred hosts, read and nothing else.
#[divan::bench]
fn read_100_hosts(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().unwrap();
    generator::write_site(folder.path(), 100).unwrap();
    let entries = walkdir::WalkDir::new(folder.path()).into_iter();
    let paths: Vec<_> = entries
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.is_file())
        .collect();
    bencher.bench(|| {
        let sizes = paths.iter().map(|path| std::fs::read(path).unwrap().len());
        sizes.sum::<usize>()
    });
}

/// Read, lower and check a hundred hosts: three clusters.
#[divan::bench]
fn check_100_hosts(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().unwrap();
    generator::write_site(folder.path(), 100).unwrap();
    let site = Utf8Path::from_path(folder.path()).unwrap();
    bencher.bench(|| lxseed::check::check(black_box(site), NOW).accept().unwrap());
}

/// What a build of an unchanged cluster of two hosts does before it looks at files.
#[divan::bench]
fn digest_cluster(bencher: Bencher<'_, '_>) {
    let site = site();
    bencher.bench(|| cluster_digest(black_box(&site.clusters[0]), "5f1d", true).unwrap());
}

/// The LXD identity of one host: key, certificate, signature.
#[divan::bench]
fn derive_lxd_identity(bencher: Bencher<'_, '_>) {
    let secret = secret();
    bencher.bench(|| secret.lxd_server("lab", black_box("node1"), 1).unwrap());
}

/// The SSH host key of one host.
#[divan::bench]
fn derive_ssh_host_key(bencher: Bencher<'_, '_>) {
    let secret = secret();
    bencher.bench(|| secret.ssh_host_key("lab", black_box("node1"), 1).unwrap());
}

/// All files of one host, every document read back.
#[divan::bench]
fn render_host(bencher: Bencher<'_, '_>) {
    let site = site();
    let keys = keys(&site.clusters[0], &secret());
    let renderer = Renderer::new().unwrap();
    bencher.bench(|| renderer.host(black_box(&site.clusters[0]), 0, &keys).unwrap());
}

/// The digests of all files of one host, as a build takes them.
#[divan::bench]
fn hash_host(bencher: Bencher<'_, '_>) {
    let site = site();
    let keys = keys(&site.clusters[0], &secret());
    let files = Renderer::new().unwrap().host(&site.clusters[0], 0, &keys).unwrap();
    bencher.bench(|| {
        let digests = files.iter().map(|file| Sha256::digest(black_box(file.content.bytes())));
        digests.collect::<Vec<_>>()
    });
}

/// The image of a host's seed, read back. Hosts take turns, as in a build: what they have in common is packed once.
#[divan::bench]
fn seed_image(bencher: Bencher<'_, '_>) {
    let site = site();
    let cluster = &site.clusters[0];
    let keys = keys(cluster, &secret());
    let renderer = Renderer::new().unwrap();
    let hosts = [0, 1].map(|at| renderer.host(cluster, at, &keys).unwrap());
    let mut turns = hosts.iter().cycle();
    bencher.bench_local(|| iso_beside(black_box(turns.next().unwrap())).unwrap());
}
