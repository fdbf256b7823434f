//! FAT, for those who want to change a file on the stick.

use std::io::{Cursor, Read, Write};

use fatfs::{Date, DateTime, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};

use super::{DAY, MediaError};

/// FAT has no way to say that there is no time, and the crate's own default is the 0th of the 0th month.
#[derive(Debug)]
struct Midnight;

static MIDNIGHT: Midnight = Midnight;

impl TimeProvider for Midnight {
    fn get_current_date(&self) -> Date {
        Date {
            year: DAY.year,
            month: DAY.month.into(),
            day: DAY.day.into(),
        }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime {
            date: self.get_current_date(),
            time: Time {
                hour: 0,
                min: 0,
                sec: 0,
                millis: 0,
            },
        }
    }
}

/// The smallest image; every stick is larger.
const SMALLEST: usize = 256 << 10;
/// Boot sector, both tables and the root folder of a small FAT12 take less.
const OVERHEAD: usize = 64 << 10;

/// An image of these files, labelled `label`.
///
/// # Errors
/// If they do not fit.
pub(super) fn write(label: &str, files: &[(&str, &[u8])]) -> Result<Vec<u8>, MediaError> {
    let mut padded = [b' '; 11];
    padded
        .get_mut(..label.len())
        .ok_or(MediaError::TooMuch("the label is longer than 11 characters"))?
        .copy_from_slice(label.as_bytes());
    let content: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let size = (content + content / 16 + OVERHEAD)
        .next_multiple_of(OVERHEAD)
        .max(SMALLEST);
    // At its full size at once, since the files hold keys.
    let mut image = vec![0; size];
    let options = FormatVolumeOptions::new().volume_label(padded).volume_id(VOLUME_ID);
    fatfs::format_volume(Cursor::new(&mut image[..]), options)?;
    {
        let volume = open(&mut image)?;
        for (name, bytes) in files {
            let mut file = volume.root_dir().create_file(name)?;
            file.write_all(bytes)?;
            file.flush()?;
        }
        volume.unmount()?;
    }
    Ok(image)
}

/// A number that formatting would else take from the clock.
const VOLUME_ID: u32 = 0x1804_0000;

/// Names and bytes.
pub(super) type Files = Vec<(String, Vec<u8>)>;

/// The label and the files of an image, as far as each is at most `limit` bytes long.
///
/// # Errors
/// If it is no FAT image or a damaged one.
pub(super) fn read(image: &mut [u8], limit: u64) -> Result<(String, Files), MediaError> {
    let volume = open(image)?;
    // Linux takes the label from the root folder, and from the boot sector only if there is none.
    let label = volume
        .read_volume_label_from_root_dir()?
        .unwrap_or_else(|| volume.volume_label());
    let mut files = Vec::new();
    for entry in volume.root_dir().iter() {
        let entry = entry?;
        if entry.is_dir() {
            continue;
        }
        if entry.len() > limit {
            return Err(MediaError::Malformed(format!(
                "{} has {} bytes, and at most {limit} make sense",
                entry.file_name(),
                entry.len()
            )));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(entry.len()).unwrap_or(0));
        entry.to_file().read_to_end(&mut bytes)?;
        files.push((entry.file_name(), bytes));
    }
    Ok((label, files))
}

type Volume<'a> = FileSystem<Cursor<&'a mut [u8]>>;

fn open(image: &mut [u8]) -> Result<Volume<'_>, MediaError> {
    let options = FsOptions::new().time_provider(&MIDNIGHT);
    Ok(FileSystem::new(Cursor::new(image), options)?)
}
