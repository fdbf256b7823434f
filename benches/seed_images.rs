//! `seed-images OUT FOLDER...`: makes the image of each host's folder, reads it back and writes it, all in one process,
//! as the peer with pycdlib does, and on all cores, as `build` does; with `RAYON_NUM_THREADS=1` on one.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::fs;
use std::path::PathBuf;

use lxseed::media::seed_image::{Format, Seed};
use lxseed::trust::SecretBytes;
use rayon::prelude::*;

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let out = arguments.next().unwrap();
    fs::create_dir(&out).unwrap();
    let folders: Vec<_> = arguments.enumerate().collect();
    folders.into_par_iter().for_each(|(number, folder)| {
        let read = |name: &str| Ok(Some(SecretBytes::new(fs::read(folder.join(name)).unwrap())));
        let image = Seed::new(read).unwrap().image(Format::Iso).unwrap();
        fs::write(out.join(format!("{number}.iso")), image.expose()).unwrap();
    });
}
