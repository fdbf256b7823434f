//! What an image becomes, worked out without touching it and without copying it.
//!
//! xorriso adds to an image: a new directory and new files behind the end, and new descriptors in place of the old
//! ones. For that it has to see everything but the content of files. So it works on a sparse file that holds that much,
//! and what it wrote there is then put on the image: in the order that is safe, and on a copy that is still being made.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use camino::Utf8Path;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::{BLOCK, boot};
use crate::interrupt;
use crate::media::MediaError;
use crate::media::iso9660::Image;

/// Content of smaller files is taken along: it is less work than leaving it out.
const SMALL: u64 = 32 << 10;
/// Read at a time.
const STEP: u64 = 64 << 10;
/// Where the system area and the volume descriptors end: what decides which session of an image is seen.
const HEAD: u64 = 64 << 10;

/// An image without the content of its large files, and without a name: it goes with this process.
#[derive(Debug)]
pub(super) struct Skeleton {
    file: File,
    /// What was taken along of the image, in order.
    taken: Vec<Range<u64>>,
    /// The size of the image.
    original: u64,
}

/// A part of the skeleton that differs from the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    at: u64,
    length: u64,
}

/// All of them, in order.
#[derive(Debug)]
pub(super) struct Changes {
    /// What decides whether any of it is seen.
    head: Vec<Change>,
    rest: Vec<Change>,
}

impl Skeleton {
    /// Of the image in `file`, with room for `more` bytes. It lies in the folder for temporary files or, where that is
    /// too small, in `folder`.
    ///
    /// # Errors
    /// If the image is damaged, or there is no room.
    pub(super) fn of(file: &File, more: u64, folder: &Utf8Path) -> Result<Self, MediaError> {
        let original = file.metadata()?.len();
        let boot_images = boot::images(file)?;
        let mut image = Image::open(file)?;
        let mut content: Vec<(u64, u64)> = image
            .files()?
            .into_iter()
            .filter(|(path, node)| {
                u64::from(node.size) >= SMALL && !boot_images.contains(&node.block) && !path.starts_with("isolinux/")
            })
            .map(|(_, node)| {
                let begin = u64::from(node.block) * BLOCK;
                (begin, begin + u64::from(node.size))
            })
            .collect();
        content.sort_unstable();
        let (mut taken, mut at) = (Vec::new(), 0);
        for (begin, end) in content.into_iter().chain([(original, original)]) {
            if at < begin.min(original) {
                taken.push(at..begin.min(original));
            }
            at = at.max(end);
        }
        let taken_bytes: u64 = taken.iter().map(|range| range.end - range.start).sum();
        let skeleton = somewhere(taken_bytes + more, folder)?;
        skeleton.set_len(original)?;
        for range in &taken {
            copy_range(file, &skeleton, range.start, range.end)?;
        }
        Ok(Self {
            file: skeleton,
            taken,
            original,
        })
    }

    /// The skeleton itself, whose small files can be read.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// What differs from the image.
    ///
    /// # Errors
    /// If one of the two cannot be read.
    pub(super) fn changes(&self, image: &File) -> io::Result<Changes> {
        let (head, rest) = self.differing(image)?.into_iter().partition(|change| change.at < HEAD);
        Ok(Changes { head, rest })
    }

    /// Puts the changes on `target`, which holds the image's bytes, and `contents` at their places. What decides whether
    /// any of it is seen comes last. `in_place` is said of the image itself, which must not end as half of one.
    ///
    /// # Errors
    /// If reading or writing fails. An [`Undo`] then leads back.
    pub(super) fn put(
        &self,
        Changes { head, rest }: &Changes,
        target: &impl Disk,
        contents: &[(u64, &[u8])],
        in_place: bool,
    ) -> Result<(), MediaError> {
        let put = |changes: &[Change]| -> io::Result<()> {
            let mut bytes = Vec::new();
            for change in changes {
                // At most STEP.
                bytes.resize(change.length as usize, 0);
                self.file.read_exact_at(&mut bytes, change.at)?;
                target.put(&bytes, change.at)?;
            }
            Ok(())
        };
        let length = self.file.metadata()?.len();
        if in_place {
            // A disk that is full shows before anything is changed.
            target.reserve(self.original, length)?;
        }
        put(rest)?;
        target.resize(length)?;
        for (at, bytes) in contents {
            target.put(bytes, *at)?;
        }
        if in_place {
            target.sync()?;
        }
        Ok(put(head)?)
    }

    /// What xorriso changed, in order. It is no part of what was not taken along: that stays on the image.
    fn differing(&self, image: &File) -> io::Result<Vec<Change>> {
        let length = self.file.metadata()?.len();
        let mut changes: Vec<Change> = Vec::new();
        let (mut new, mut old) = (vec![0; STEP as usize], vec![0; STEP as usize]);
        let added = self.original..length;
        for Range { start, end } in self.taken.iter().chain([&added]).cloned() {
            let mut at = start;
            while at < end {
                let step = STEP.min(end - at) as usize;
                self.file.read_exact_at(&mut new[..step], at)?;
                let known = self.original.saturating_sub(at).min(step as u64) as usize;
                image.read_exact_at(&mut old[..known], at)?;
                for (block, bytes) in new[..step].chunks(BLOCK as usize).enumerate() {
                    let from = block * BLOCK as usize;
                    let same = from + bytes.len() <= known && old[from..from + bytes.len()] == *bytes;
                    if same {
                        continue;
                    }
                    let (begin, length) = (at + from as u64, bytes.len() as u64);
                    match changes.last_mut() {
                        Some(last)
                            if last.at + last.length == begin && last.length + length <= STEP && begin != HEAD =>
                        {
                            last.length += length;
                        }
                        _ => changes.push(Change { at: begin, length }),
                    }
                }
                at += step as u64;
            }
        }
        Ok(changes)
    }
}

/// An image that is changed.
pub(super) trait Disk {
    fn put(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    fn resize(&self, length: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
    /// Sees that there is room from one length to another, where that can be seen.
    fn reserve(&self, from: u64, to: u64) -> io::Result<()>;
    fn holds(&self, bytes: &[u8], at: u64) -> bool;
}

impl Disk for File {
    fn put(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn resize(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn reserve(&self, from: u64, to: u64) -> io::Result<()> {
        match rustix::fs::fallocate(self, FallocateFlags::KEEP_SIZE, from, to.saturating_sub(from).max(1)) {
            Err(error) if !matches!(error, Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn holds(&self, bytes: &[u8], at: u64) -> bool {
        let mut found = vec![0; bytes.len()];
        self.read_exact_at(&mut found, at).is_ok() && found == bytes
    }
}

/// An image that is changed in steps which no signal cuts in two, and of which none is taken after a signal.
pub(super) struct InSteps<'a>(pub(super) &'a File);

impl Disk for InSteps<'_> {
    fn put(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let _working = interrupt::working();
        self.0.put(bytes, at)
    }

    fn resize(&self, length: u64) -> io::Result<()> {
        let _working = interrupt::working();
        self.0.resize(length)
    }

    fn sync(&self) -> io::Result<()> {
        let _working = interrupt::working();
        self.0.sync()
    }

    fn reserve(&self, from: u64, to: u64) -> io::Result<()> {
        let _working = interrupt::working();
        self.0.reserve(from, to)
    }

    fn holds(&self, bytes: &[u8], at: u64) -> bool {
        self.0.holds(bytes, at)
    }
}

/// What a change in place that failed has left of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The image, as it was.
    AsItWas,
    /// Neither the image nor a medium; no key that was behind its end.
    Damaged,
    /// The same, and keys behind its end.
    Keys,
}

impl Left {
    /// For the end of a message.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::AsItWas => "it is as it was",
            Self::Damaged => "it could not be put back as it was and is of no use: remove it, and copy the image anew",
            Self::Keys => {
                "it could not be put back as it was and KEYS of the machines lie in it: remove it, and copy the image anew"
            }
        }
    }
}

/// What leads an image back to what it was.
#[derive(Debug)]
pub(super) struct Undo {
    length: u64,
    kept: Vec<(u64, Vec<u8>)>,
}

impl Undo {
    /// Of what the changes and contents would write over.
    ///
    /// # Errors
    /// If the image cannot be read.
    pub(super) fn of(image: &File, changes: &Changes, contents: &[(u64, &[u8])]) -> io::Result<Self> {
        let mut undo = Self {
            length: image.metadata()?.len(),
            kept: Vec::new(),
        };
        let contents = contents.iter().map(|(at, bytes)| Change {
            at: *at,
            length: bytes.len() as u64,
        });
        for change in contents.chain(changes.rest.iter().chain(&changes.head).copied()) {
            undo.keep(image, change)?;
        }
        Ok(undo)
    }

    fn keep(&mut self, image: &File, change: Change) -> io::Result<()> {
        let length = self.length.saturating_sub(change.at).min(change.length);
        if length > 0 {
            let mut bytes = vec![0; length as usize];
            image.read_exact_at(&mut bytes, change.at)?;
            self.kept.push((change.at, bytes));
        }
        Ok(())
    }

    /// Puts the image back to what it was. First of all it is cut to its length: behind it lie the keys, and cutting
    /// needs no room. Then what decides what is seen of it comes back. One step that fails keeps none of the others from
    /// being taken.
    ///
    /// # Errors
    /// What is left where something of it fails.
    pub(super) fn undo(&self, image: &impl Disk) -> Result<(), Left> {
        let cut = image.resize(self.length);
        let mut left = Ok(());
        for (at, bytes) in self.kept.iter().rev() {
            // What could not be written over is still there.
            if image.put(bytes, *at).is_err() && !image.holds(bytes, *at) {
                left = Err(Left::Damaged);
            }
        }
        if image.sync().is_err() {
            left = Err(Left::Damaged);
        }
        cut.map_err(|_| Left::Keys).and(left)
    }
}

/// A file without a name where there is room for that many bytes.
fn somewhere(bytes: u64, folder: &Utf8Path) -> Result<File, MediaError> {
    let temporary = std::env::temp_dir();
    for folder in [temporary.as_path(), folder.as_std_path()] {
        let free = rustix::fs::statvfs(folder).map_or(0, |fs| fs.f_bavail * fs.f_frsize);
        if free >= bytes
            && let Ok(file) = tempfile::tempfile_in(folder)
        {
            return Ok(file);
        }
    }
    Err(MediaError::NoRoom(format!(
        "working on it takes {} MiB, and neither {} (TMPDIR) nor {folder} can hold them",
        bytes.div_ceil(1 << 20),
        temporary.display()
    )))
}

fn copy_range(from: &File, to: &File, mut at: u64, end: u64) -> io::Result<()> {
    let mut bytes = vec![0; STEP as usize];
    while at < end {
        let step = STEP.min(end - at) as usize;
        from.read_exact_at(&mut bytes[..step], at)?;
        // What is nothing but zeros, such as padding, needs no room.
        if bytes[..step].iter().any(|byte| *byte != 0) {
            to.write_all_at(&bytes[..step], at)?;
        }
        at += step as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::Cell;

    use super::*;
    use crate::media::testing::file;

    fn bytes(file: &File) -> Vec<u8> {
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    /// A skeleton whose hole begins after the head, as xorriso could have changed it: in the head, in its last blocks,
    /// behind them.
    #[test]
    fn changes_come_over_and_can_be_taken_back() {
        let size = 300 * BLOCK as usize;
        let image = vec![7; size];
        let (before, target) = (file(&image), file(&image));
        let skeleton = Skeleton {
            file: file(&image[..101 * BLOCK as usize]),
            taken: vec![0..101 * BLOCK, 280 * BLOCK..300 * BLOCK],
            original: size as u64,
        };
        let last = &image[280 * BLOCK as usize..];
        skeleton.file.write_all_at(last, 280 * BLOCK).unwrap();
        let mut expected = image.clone();
        let mut write = |at: usize, value: u8, length: usize| {
            let new = vec![value; length];
            skeleton.file.write_all_at(&new, at as u64).unwrap();
            expected.resize(expected.len().max(at + length), 0);
            expected[at..at + length].copy_from_slice(&new);
        };
        write(16 * BLOCK as usize, 1, BLOCK as usize);
        write(31 * BLOCK as usize, 2, 2 * BLOCK as usize);
        write(280 * BLOCK as usize, 3, 100 * BLOCK as usize);
        let content = [9; 5000];
        let at = 290 * BLOCK as usize;
        expected[at..at + 5000].copy_from_slice(&content);
        let contents = [(at as u64, &content[..])];
        let changes = skeleton.changes(&before).unwrap();
        let undo = Undo::of(&target, &changes, &contents).unwrap();
        skeleton.put(&changes, &target, &contents, true).unwrap();
        assert!(bytes(&target) == expected);
        undo.undo(&target).unwrap();
        assert!(bytes(&target) == image);
    }

    /// A disk whose calls fail from one of them on, or that one alone.
    struct Faulty {
        file: File,
        calls: Cell<usize>,
        fails_at: usize,
        lasting: bool,
    }

    impl Faulty {
        fn call(&self, work: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
            let call = self.calls.replace(self.calls.get() + 1);
            if call == self.fails_at || (self.lasting && call > self.fails_at) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            work(&self.file)
        }
    }

    impl Disk for Faulty {
        fn put(&self, bytes: &[u8], at: u64) -> io::Result<()> {
            self.call(|file| file.put(bytes, at))
        }

        // What a full disk does not keep from.
        fn resize(&self, length: u64) -> io::Result<()> {
            if length <= self.file.metadata()?.len() {
                return self.file.resize(length);
            }
            self.call(|file| file.resize(length))
        }

        fn sync(&self) -> io::Result<()> {
            self.call(Disk::sync)
        }

        fn reserve(&self, from: u64, to: u64) -> io::Result<()> {
            self.call(|file| file.reserve(from, to))
        }

        fn holds(&self, bytes: &[u8], at: u64) -> bool {
            self.file.holds(bytes, at)
        }
    }

    /// Whatever fails, and as often as it does: the image is as it was, or it is said that it is not; no key is left
    /// behind its end.
    #[test]
    fn an_image_that_fails_in_place_is_told_truly() {
        let size = 60 * BLOCK as usize;
        let image = vec![7; size];
        let skeleton = Skeleton {
            file: file(&[&image[..], &vec![3; 10 * BLOCK as usize]].concat()),
            taken: std::iter::once(0..size as u64).collect(),
            original: size as u64,
        };
        skeleton
            .file
            .write_all_at(&[1; 2 * BLOCK as usize], 16 * BLOCK)
            .unwrap();
        skeleton.file.write_all_at(&[2; BLOCK as usize], 40 * BLOCK).unwrap();
        let key = [9; 5000];
        let contents = [(61 * BLOCK, &key[..])];
        let mut calls = 0;
        for lasting in [false, true] {
            for fails_at in 0.. {
                let faulty = Faulty {
                    file: file(&image),
                    calls: Cell::new(0),
                    fails_at,
                    lasting,
                };
                let changes = skeleton.changes(&file(&image)).unwrap();
                let undo = Undo::of(&faulty.file, &changes, &contents).unwrap();
                let put = skeleton
                    .put(&changes, &faulty, &contents, true)
                    .and_then(|()| Ok(faulty.sync()?));
                if put.is_ok() {
                    calls = fails_at;
                    break;
                }
                let undone = undo.undo(&faulty);
                let now = bytes(&faulty.file);
                assert_eq!(now.len(), size, "{fails_at} {lasting}");
                assert!(!now.windows(16).any(|bytes| *bytes == key[..16]));
                match undone {
                    Ok(()) => assert!(now == image, "{fails_at} {lasting}"),
                    Err(left) => assert!(lasting && left == Left::Damaged, "{fails_at} {left:?}"),
                }
            }
            assert!(calls > 5, "{calls}");
        }
    }
}
