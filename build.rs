//! Gives the program a digest of what it is made from, so that a tree tells which lxseed wrote it: during development
//! the version stays the same while templates and code change.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use sha2::{Digest, Sha256};

/// Whatever a build's bytes can follow from, besides profiles and secret.
const SOURCES: [&str; 3] = ["src", "templates", "Cargo.lock"];

fn main() -> io::Result<()> {
    let root = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let mut files = Vec::new();
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
        collect(&root, Path::new(source), &mut files)?;
    }
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        let text = fs::read(root.join(&file))?;
        // Each part behind its length: no content can pass for a name.
        for part in [file.to_string_lossy().as_bytes(), &text] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
    }
    let mut hex = String::new();
    for byte in &digest.finalize()[..16] {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    println!("cargo:rustc-env=LXSEED_SOURCES={hex}");
    Ok(())
}

/// The files below `path`. What an editor leaves beside them is not part of the program.
fn collect(root: &Path, path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let full = root.join(path);
    if full.is_file() {
        files.push(path.to_owned());
    } else if full.is_dir() {
        for entry in fs::read_dir(full)? {
            let name = entry?.file_name();
            if !name.to_string_lossy().starts_with('.') {
                collect(root, &path.join(name), files)?;
            }
        }
    }
    Ok(())
}
