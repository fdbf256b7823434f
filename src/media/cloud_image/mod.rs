//! Cloud images: Ubuntu's disk image with the seed of one host in its root file system, for machines that are imaged
//! and not installed. Nothing is mounted, so nobody has to be root.

mod disk;
mod ext4;
mod qcow2;
mod qemu;

use std::fmt;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use camino::Utf8Path;
use rustix::fs::SeekFrom as Seek;
use rustix::io::Errno;

use super::bundled::BundledFile;
use super::seed_image::{self, Seed};
use super::{MediaError, SeedSummary, path_of};
use crate::budget::{MAX_DISK_BYTES, MAX_IMAGE_FILES};
use crate::foreign;
use crate::seed::{Content, File as Rendered};
use crate::target;
use crate::tree::Manifest;
use crate::trust::SecretBytes;
use ext4::{Bytes, Ext4, New};
use qcow2::Qcow2;

/// Where cloud-init finds a seed by itself.
const SEED: &str = "var/lib/cloud/seed/nocloud";
/// Where the first boot looks for bundled snaps.
pub const BUNDLED: &str = "var/lib/lxseed/snaps";
/// What was put into the image.
const MANIFEST: &str = "var/lib/lxseed/manifest.json";
/// What cloud-init is told, in a file that it reads by itself.
const CONFIG: &str = "etc/cloud/cloud.cfg.d/99-lxseed.cfg";
/// The installer's script writes the same.
const CONFIG_TEXT: &str = "datasource_list: [ NoCloud, None ]\ndatasource: {NoCloud: {fs_label: null}}\n";
/// What a file takes beside its bytes: its inode's block, a folder's, and a map of where it lies.
const BESIDE: u64 = 16 << 10;

/// What to do about an image that cannot be used.
pub(super) fn instead() -> String {
    let published: Vec<&str> = target::ALL.iter().map(|known| known.cloud_image).collect();
    format!("take {} as it was published", published.join(" or "))
}

/// How a disk is stored in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Byte by byte: what dd writes to a disk.
    Raw,
    /// QEMU's own: what Ubuntu publishes, whatever its name ends with.
    Qcow2,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Format {
    fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

/// A file that may be a cloud image.
#[derive(Debug)]
pub struct Source {
    file: File,
    /// How it is stored.
    pub format: Format,
    qcow2: Option<Qcow2>,
}

impl Source {
    /// Opens a file and refuses what is no disk image by its first bytes, and every image that leads out of itself.
    ///
    /// # Errors
    /// Why it cannot be used, and which image can.
    pub fn open(path: &Utf8Path) -> Result<Self, MediaError> {
        let no = |why: &str| Err(MediaError::Malformed(format!("{why}: {}", instead())));
        let file = foreign::open(path, false)?;
        let begins = |at: u64, magic: &[u8]| begins(&file, at, magic);
        if begins(0x8001, b"CD001") {
            return Err(MediaError::Malformed(
                "it is the image of a CD; an installer's is baked with `bake --iso`".to_owned(),
            ));
        }
        if begins(0, b"KDMV") {
            return no("it is a VMDK");
        }
        if begins(0, b"\x1f\x8b") || begins(0, b"\xfd7zXZ") || begins(257, b"ustar") {
            return no("it is an archive");
        }
        if begins(0, qcow2::MAGIC) {
            let qcow2 = Some(Qcow2::open(&file)?);
            return Ok(Self {
                file,
                format: Format::Qcow2,
                qcow2,
            });
        }
        if file.metadata()?.len() > MAX_DISK_BYTES {
            return no("it is larger than any disk that makes sense");
        }
        Ok(Self {
            file,
            format: Format::Raw,
            qcow2: None,
        })
    }

    /// The lower-case hexadecimal SHA-256 of the file.
    ///
    /// # Errors
    /// If reading fails.
    pub fn digest(&self) -> io::Result<String> {
        super::digest(&self.file)
    }

    /// How many bytes of a disk its data takes.
    ///
    /// # Errors
    /// If that cannot be told.
    pub fn needs(&self) -> Result<u64, MediaError> {
        match &self.qcow2 {
            None => Ok(self.file.metadata()?.blocks() * 512),
            Some(qcow2) => qcow2.data(&self.file),
        }
    }

    /// Writes the disk into a file.
    ///
    /// # Errors
    /// If reading, converting or writing fails.
    pub fn unpack(&self, file: &File) -> Result<(), MediaError> {
        match &self.qcow2 {
            None => Ok(copy(&self.file, file)?),
            Some(qcow2) => qcow2.unpack(&self.file, file),
        }
    }
}

fn begins(file: &File, at: u64, magic: &[u8]) -> bool {
    let mut bytes = vec![0; magic.len()];
    file.read_exact_at(&mut bytes, at).is_ok() && bytes == magic
}

/// Whether a GUID partition table begins where one does.
fn has_table(file: &File) -> bool {
    begins(file, 512, b"EFI PART")
}

/// Stores the disk in `from` in another file.
///
/// # Errors
/// If converting or writing fails.
pub fn pack(from: &File, to: &File, format: Format) -> Result<(), MediaError> {
    qemu::pack(&path_of(from), &path_of(to), format.word())
}

/// Copies a file and leaves its holes: a disk is empty for the most part.
fn copy(from: &File, to: &File) -> io::Result<()> {
    let size = from.metadata()?.len();
    to.set_len(size)?;
    let mut at = 0;
    while at < size {
        let data = match rustix::fs::seek(from, Seek::Data(at)) {
            Ok(data) => data,
            // Nothing but a hole up to the end.
            Err(Errno::NXIO) => break,
            // No such feature there.
            Err(_) => at,
        };
        let end = rustix::fs::seek(from, Seek::Hole(data)).unwrap_or(size);
        let (mut source, mut target) = (from, to);
        source.seek(SeekFrom::Start(data))?;
        target.seek(SeekFrom::Start(data))?;
        let copied = io::copy(&mut io::Read::take(source, end - data), &mut target)?;
        if copied < end - data {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        at = end;
    }
    Ok(())
}

/// A disk whose root file system has been found.
#[derive(Debug)]
pub struct Image {
    ext4: Ext4,
    root: disk::Root,
    /// What the system calls itself.
    pub system: String,
}

impl Image {
    /// Looks at a disk, and refuses what is no image of a release that lxseed knows. The file has to stay open for as
    /// long as the value is used.
    ///
    /// # Errors
    /// Why it is none.
    pub fn open(disk: &File) -> Result<Self, MediaError> {
        let root = disk::root(disk)?;
        let ext4 = Ext4::of(&path_of(disk), &root);
        // /etc/os-release is a link to the first, which debugfs does not follow.
        let mut release = None;
        for path in ["usr/lib/os-release", "etc/os-release"] {
            if release.is_none() {
                release = ext4.read(path, 64 << 10)?;
            }
        }
        let release = release
            .map(|text| String::from_utf8_lossy(text.expose()).into_owned())
            .unwrap_or_default();
        let value = |name: &str| {
            let line = release
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
        };
        let (id, version) = (value("ID"), value("VERSION_ID"));
        let known = target::ALL.iter().find(|known| known.version == version);
        if id != "ubuntu" || known.is_none() {
            let what = match value("PRETTY_NAME") {
                name if name.is_empty() => "no system that has an os-release".to_owned(),
                name => name,
            };
            return Err(MediaError::Malformed(format!(
                "it holds {what}, and lxseed is for Ubuntu {}: {}",
                target::versions(),
                instead()
            )));
        }
        Ok(Self {
            ext4,
            root,
            system: value("PRETTY_NAME"),
        })
    }

    /// Refuses an image that has a seed, has run, or has no cloud-init.
    ///
    /// # Errors
    /// Which of these.
    pub fn check_unused(&self) -> Result<(), MediaError> {
        let no = |why: &str| Err(MediaError::Malformed(format!("{why}: {}", instead())));
        let there = |path: &str| Ok::<_, MediaError>(self.ext4.stat(path)?.is_some());
        if there(&format!("{SEED}/user-data"))? || there(CONFIG)? || there(MANIFEST)? {
            return no("it has a seed already");
        }
        if there("var/lib/cloud/instance")? {
            return no("a machine has run from it, whose keys and names it may still hold");
        }
        if !there("etc/cloud/cloud.cfg")? {
            return no("there is no cloud-init in it");
        }
        self.ext4.check()
    }

    /// Puts files into the image, and reads them back.
    ///
    /// # Errors
    /// If there is no room for them, or writing fails. The image is then of no use.
    pub fn plant(&self, files: &[Rendered], bundled: &[BundledFile], manifest: &Manifest) -> Result<(), MediaError> {
        let manifest = manifest.to_json();
        let mut new: Vec<New<'_>> = files
            .iter()
            .map(|file| New {
                path: &file.path,
                mode: file.content.mode(),
                bytes: Bytes::Here(file.content.bytes()),
            })
            .collect();
        new.push(New {
            path: MANIFEST.into(),
            mode: 0o600,
            bytes: Bytes::Here(manifest.as_bytes()),
        });
        new.extend(bundled.iter().map(|file| New {
            path: &file.entry.path,
            mode: file.entry.mode,
            bytes: Bytes::At(&file.source, &file.entry.sha256),
        }));
        let small = files.iter().map(|file| file.content.bytes().len() as u64);
        let large = bundled.iter().map(|file| file.entry.size);
        let sizes = small.chain(large).chain([manifest.len() as u64]);
        let needed: u64 = sizes.map(|size| size.next_multiple_of(self.root.block) + BESIDE).sum();
        if needed > self.root.free {
            return Err(MediaError::Malformed(format!(
                "its root file system has {} MB free and {} MB are needed: enlarge a copy of the image, its partition and its file \
                 system first",
                self.root.free / 1_000_000,
                needed.div_ceil(1_000_000)
            )));
        }
        self.ext4.write(&new, SEED.into())?;
        self.ext4.check()
    }
}

/// Looks at a disk as far as that takes no other program.
pub(crate) fn any_disk(disk: &File) {
    let _: Result<_, _> = disk::root(disk);
}

/// Unpacks a disk of at most `most` bytes.
pub(crate) fn any_qcow2(file: &File, most: u64) {
    if let Ok(qcow2) = Qcow2::open(file)
        && qcow2.data(file).is_ok_and(|data| data <= most)
        && let Ok(to) = crate::child::in_memory(&[])
    {
        let _: Result<_, _> = qcow2.unpack(file, &to);
    }
}

/// What of a host's files goes into an image, and where to. The seed is for root alone, as where the installer plants
/// it.
#[must_use]
pub fn seed_files(files: &[Rendered]) -> Vec<Rendered> {
    let seed = files.iter().filter_map(|file| {
        let name = file.path.file_name()?;
        seed_image::FILES.contains(&name).then(|| Rendered {
            path: Utf8Path::new(SEED).join(name),
            content: Content::Secret(SecretBytes::new(file.content.bytes().to_vec())),
        })
    });
    let config = Rendered {
        path: CONFIG.into(),
        content: Content::Public(CONFIG_TEXT.into()),
    };
    seed.chain([config]).collect()
}

/// A cloud image with a seed, read.
#[derive(Debug)]
pub struct Planted {
    /// How it is stored.
    pub format: Format,
    /// What the system calls itself.
    pub system: String,
    /// What the seed is for.
    pub summary: SeedSummary,
    /// What was put into it.
    pub manifest: Manifest,
    /// The snaps that it carries, such as `lxd_24322`.
    pub snaps: Vec<String>,
    /// Files that are not what was put there, by their path.
    pub faults: Vec<String>,
}

/// Whether a file is stored like a disk, by its first bytes.
#[must_use]
pub fn is_disk(path: &Utf8Path) -> bool {
    foreign::open(path, false).is_ok_and(|file| begins(&file, 0, qcow2::MAGIC) || has_table(&file))
}

/// Refuses a temporary file for which there is no room.
fn check_room(file: &File, needed: u64) -> Result<(), MediaError> {
    let disk = rustix::fs::fstatvfs(file).map_err(io::Error::from)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if needed <= free {
        return Ok(());
    }
    Err(MediaError::NoRoom(format!(
        "unpacking it takes {} MB, and {} (TMPDIR) has {} MB free",
        needed.div_ceil(1_000_000),
        std::env::temp_dir().display(),
        free / 1_000_000
    )))
}

/// Reads a cloud image; nothing if it is a file of another kind, or has no seed of lxseed's.
///
/// # Errors
/// If it is a damaged one, or a program that reads it is missing.
pub fn read(path: &Utf8Path) -> Result<Option<Planted>, MediaError> {
    let source = Source::open(path)?;
    let temporary;
    let disk = match source.format {
        Format::Raw if !has_table(&source.file) => return Ok(None),
        Format::Raw => &source.file,
        Format::Qcow2 => {
            // Without a name: nothing of it stays.
            temporary = tempfile::tempfile()?;
            check_room(&temporary, source.needs()?)?;
            source.unpack(&temporary)?;
            &temporary
        }
    };
    let image = Image::open(disk)?;
    let Some(manifest) = image.ext4.read(MANIFEST, seed_image::MAX_BYTES.into())? else {
        return Ok(None);
    };
    let manifest = Manifest::of_medium(manifest.expose())
        .ok_or_else(|| MediaError::Malformed(format!("its /{MANIFEST} is damaged or of a newer lxseed")))?;
    // Each is looked up by programs of e2fsprogs.
    if manifest.files.len() > MAX_IMAGE_FILES {
        return Err(MediaError::Malformed(format!(
            "its /{MANIFEST} names {} files, and at most {MAX_IMAGE_FILES} make sense",
            manifest.files.len()
        )));
    }
    let mut faults = Vec::new();
    for entry in &manifest.files {
        let stat = image.ext4.stat(entry.path.as_str())?;
        let same = stat.is_some_and(|stat| stat.mode == entry.mode)
            && image.ext4.digest(entry.path.as_str())?.as_ref() == Some(&entry.sha256);
        if !same {
            faults.push(format!("/{}", entry.path));
        }
    }
    // A seed that was taken out or altered is told as such above.
    let seed = Seed::new(|name| image.ext4.read(&format!("{SEED}/{name}"), seed_image::MAX_BYTES.into()));
    let summary = seed.and_then(|seed| seed.summary()).unwrap_or_default();
    let snaps = manifest.files.iter().filter_map(|entry| {
        let name = entry.path.strip_prefix(BUNDLED).ok()?.as_str();
        Some(name.strip_suffix(".snap")?.to_owned())
    });
    Ok(Some(Planted {
        format: source.format,
        system: image.system.clone(),
        summary,
        snaps: snaps.collect(),
        manifest,
        faults,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::bundled::SNAPS;

    #[test]
    fn the_installer_tells_cloud_init_the_same() {
        let script = include_str!("../../../templates/installer/debian/stages.sh");
        assert!(script.contains(&format!("<<'CONFIG'\n{CONFIG_TEXT}CONFIG\n")));
        assert!(script.contains(&format!("to=\"$TARGET/{BUNDLED}\"")));
        assert!(script.contains(&format!("seed=\"$TARGET\"/{SEED}\n")));
        assert!(script.contains(&format!("/{SNAPS}\"")));
    }
}
