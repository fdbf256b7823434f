//! The way in for the fuzz targets, to what is not public. Each takes any bytes; any result will do, as long as it comes.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use crate::child::in_memory;
use crate::encoding::gunzip;
use crate::foreign;
use crate::installer::debian;
use crate::media;
use crate::snap::{Claims, NoMeta, SnapFile};
use crate::tree::Manifest;
use crate::trust::{ClientCertificate, SiteSecret};

/// The size of the images that are made of an input, in bytes.
const IMAGE: u64 = 1 << 20;
/// More is not unpacked of a disk.
const UNPACKED: u64 = 64 << 20;

/// Reads the bytes as a snap, and as the assertions of one; tells whether a text in them was understood.
#[must_use]
pub fn snap(bytes: &[u8]) -> bool {
    let snap = SnapFile::in_memory("a.snap".into(), bytes.to_vec());
    let description = snap.examine().map(|found| &found.meta);
    let described = match description {
        Ok(Err(NoMeta::Damaged(why))) => why.contains("cannot be read"),
        Ok(meta) => meta.is_ok(),
        Err(_) => false,
    };
    described | Claims::read(bytes).is_ok()
}

/// Assertions of a snap.
pub fn assertion(bytes: &[u8]) {
    let _: Result<_, _> = Claims::read(bytes);
}

/// An installer's image, and a medium made of it.
pub fn iso(bytes: &[u8]) {
    if let Some(file) = image(bytes, 2048) {
        let _: Result<_, _> = media::install_iso::read_file(&file, &debian::layout());
        let _: Result<_, _> = debian::any_image(&file);
    }
}

/// A seed's image, ISO 9660 or FAT.
pub fn seed(bytes: &[u8]) {
    if let Some(file) = image(bytes, 512) {
        let _: Result<_, _> = media::seed_image_in(file);
    }
}

/// The texts of a seed, each as all three of its files.
pub fn facts(bytes: &[u8]) {
    let _: Result<_, _> = media::summary_of(bytes);
    if let Ok(text) = str::from_utf8(bytes) {
        let _: Result<Vec<String>, _> = foreign::yaml(text);
    }
}

/// The disk of a cloud image: as it is, and with a header of a partition table whose sum is right, which no fuzzer guesses.
pub fn disk(bytes: &[u8]) {
    let Some(file) = image(bytes, 512) else { return };
    media::cloud_image::any_disk(&file);
    let mut header = [0; 512];
    if file.read_exact_at(&mut header, 512).is_ok() {
        header[16..20].fill(0);
        let length = u32::from_le_bytes([header[12], header[13], header[14], header[15]]) as usize;
        let sum = crc32fast::hash(&header[..length.min(512)]).to_le_bytes();
        if file.write_all_at(&sum, 512 + 16).is_ok() {
            media::cloud_image::any_disk(&file);
        }
    }
}

/// A disk as QEMU stores it.
pub fn qcow2(bytes: &[u8]) {
    if let Ok(file) = in_memory(bytes) {
        media::cloud_image::any_qcow2(&file, UNPACKED);
    }
}

/// A manifest. What is understood is written as it was read.
///
/// # Panics
/// If it is not.
pub fn manifest(bytes: &[u8]) {
    if let Some(manifest) = Manifest::of_medium(bytes) {
        let again = Manifest::of_medium(manifest.to_json().as_bytes());
        assert!(
            again.is_some_and(|again| again.files == manifest.files),
            "another manifest"
        );
    }
}

/// An administrator's certificate, a site secret, something packed, a list of digests.
pub fn certificate(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        if let Ok(certificate) = ClientCertificate::parse(text) {
            assert!(
                ClientCertificate::parse(&certificate.pem()).is_ok(),
                "another certificate"
            );
        }
        let _: Result<_, _> = SiteSecret::parse(text);
    }
    let _: Result<_, _> = gunzip(bytes, 1 << 20);
}

/// An image with the stretches that an input lists at their places: a sector's number and a length, both of two bytes,
/// and as many bytes. So a small input is a whole image.
fn image(bytes: &[u8], sector: u64) -> Option<File> {
    let file = in_memory(&[]).ok()?;
    file.set_len(IMAGE).ok()?;
    let mut rest = bytes;
    while let [a, b, c, d, more @ ..] = rest {
        let at = u64::from(u16::from_le_bytes([*a, *b])) * sector;
        let length = usize::from(u16::from_le_bytes([*c, *d])).min(more.len());
        if at < IMAGE {
            file.write_all_at(&more[..length], at).ok()?;
        }
        rest = &more[length..];
    }
    Some(file)
}
