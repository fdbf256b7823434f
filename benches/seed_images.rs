//! `seed-images OUT FOLDER...`: makes the image of each host's folder, reads it back and writes it, all in one process, as the
//! peer with pycdlib does.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::fs;
use std::path::PathBuf;

use lxseed::media::seed::{Format, Seed};
use lxseed::trust::SecretBytes;

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let out = arguments.next().unwrap();
    fs::create_dir(&out).unwrap();
    for (number, folder) in arguments.enumerate() {
        let read = |name: &str| Ok(Some(SecretBytes::new(fs::read(folder.join(name)).unwrap())));
        let image = Seed::new(read).unwrap().image(Format::Iso).unwrap();
        fs::write(out.join(format!("{number}.iso")), image.expose()).unwrap();
    }
}
