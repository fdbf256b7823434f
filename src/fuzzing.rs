//! The way in for the fuzz targets, to what is not public. Each takes any bytes, and tells whether it understood
//! them; any answer will do, as long as it comes.

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

/// A snap, and the assertions of one.
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
#[must_use]
pub fn assertion(bytes: &[u8]) -> bool {
    Claims::read(bytes).is_ok()
}

/// An installer's image, and a medium made of it.
#[must_use]
pub fn iso(bytes: &[u8]) -> bool {
    image(bytes, 2048).is_some_and(|file| {
        let baked = media::install_iso::read_file(&file, &debian::layout());
        debian::any_image(&file).is_ok() | matches!(baked, Ok(Some(_)))
    })
}

/// A seed's image, ISO 9660 or FAT.
#[must_use]
pub fn seed(bytes: &[u8]) -> bool {
    image(bytes, 512).is_some_and(|file| media::seed_image_in(file).is_ok())
}

/// The texts of a seed, each as all three of its files.
#[must_use]
pub fn facts(bytes: &[u8]) -> bool {
    let list = str::from_utf8(bytes).map(foreign::yaml::<Vec<String>>);
    media::summary_of(bytes).is_ok() | matches!(list, Ok(Ok(_)))
}

/// The disk of a cloud image: as it is, and with a header of a partition table whose sum is right, which no fuzzer guesses.
#[must_use]
pub fn disk(bytes: &[u8]) -> bool {
    let Some(file) = image(bytes, 512) else { return false };
    let mut understood = media::cloud_image::any_disk(&file);
    let mut header = [0; 512];
    if file.read_exact_at(&mut header, 512).is_ok() {
        header[16..20].fill(0);
        let length = u32::from_le_bytes([header[12], header[13], header[14], header[15]]) as usize;
        let sum = crc32fast::hash(&header[..length.min(512)]).to_le_bytes();
        if file.write_all_at(&sum, 512 + 16).is_ok() {
            understood |= media::cloud_image::any_disk(&file);
        }
    }
    understood
}

/// A disk as QEMU stores it.
#[must_use]
pub fn qcow2(bytes: &[u8]) -> bool {
    in_memory(bytes).is_ok_and(|file| media::cloud_image::any_qcow2(&file, UNPACKED))
}

/// A manifest. What is understood is written as it was read.
///
/// # Panics
/// If it is not.
#[must_use]
pub fn manifest(bytes: &[u8]) -> bool {
    let manifest = Manifest::of_medium(bytes);
    if let Some(manifest) = &manifest {
        let again = Manifest::of_medium(manifest.to_json().as_bytes());
        assert!(
            again.is_some_and(|again| again.files == manifest.files),
            "another manifest"
        );
    }
    manifest.is_some()
}

/// An administrator's certificate, a site secret, something packed.
///
/// # Panics
/// If a certificate that was understood is not written as it was read.
#[must_use]
pub fn certificate(bytes: &[u8]) -> bool {
    let mut understood = gunzip(bytes, 1 << 20).is_ok();
    if let Ok(text) = str::from_utf8(bytes) {
        if let Ok(certificate) = ClientCertificate::parse(text) {
            assert!(
                ClientCertificate::parse(&certificate.pem()).is_ok(),
                "another certificate"
            );
            understood = true;
        }
        understood |= SiteSecret::parse(text).is_ok();
    }
    understood
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
