//! Gives the program a digest of what it is made from, so that a tree tells which lxseed wrote it: during development
//! the version stays the same while templates and code change. And puts together what is the same in the first boot's script of
//! every host: as a person reads it, and as every seed carries it, compressed as far as gzip goes, which takes too long for each run.

#[path = "src/seed/bare.rs"]
mod bare;

use std::fmt::Write as _;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use sha2::{Digest, Sha256};

/// The parts of `lxseed-firstboot` below its block of variables, in the order of the file.
const FIRST_BOOT: [&str; 18] = [
    "first-boot/common",
    "first-boot/preflight",
    "first-boot/purge",
    "first-boot/snapd",
    "common/disks",
    "first-boot/layers",
    "first-boot/disks",
    "first-boot/volumes",
    "first-boot/peers",
    "first-boot/desk",
    "first-boot/lxd",
    "first-boot/cluster",
    "first-boot/return",
    "first-boot/trust",
    "first-boot/verify",
    "first-boot/seal",
    "first-boot/converge",
    "first-boot/main",
];

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
    first_boot(&root)
}

/// Bare, and without indentation, which a machine does not read. What stands in quotes over several lines may be Python, and keeps one
/// space for a level of it.
fn shallow(script: &str) -> io::Result<String> {
    let mut shallow = String::new();
    let mut open = None;
    for (kind, line) in bare::lines(&bare::without_comments(script)) {
        // The first one ends the block of variables.
        if kind == bare::Kind::Shell && line.starts_with("# ---- ") && line != "# ---- common" {
            continue;
        }
        let text = line.trim_start_matches(' ');
        let spaces = line.len() - text.len();
        let kept = match kind {
            bare::Kind::Text => spaces,
            bare::Kind::Shell if open.is_none() => 0,
            bare::Kind::Shell | bare::Kind::Python => spaces / 4,
        };
        if kind == bare::Kind::Shell {
            open = quote_after(line, open);
            if line == "}" && open.is_some() {
                return Err(io::Error::other(format!(
                    "a quote is open at the end of a function:\n{shallow}"
                )));
            }
        }
        shallow.extend((0..kept).map(|_| ' '));
        shallow.push_str(text);
        shallow.push('\n');
    }
    Ok(shallow)
}

/// The quote that is open at the end of a line of the shell's, by the one that was open at its beginning.
fn quote_after(line: &str, mut open: Option<char>) -> Option<char> {
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (letter, open) {
            ('\\', None | Some('"')) => {
                letters.next();
            }
            ('"' | '\'', None) => open = Some(letter),
            (_, Some(quote)) if quote == letter => open = None,
            _ => {}
        }
    }
    open
}

fn first_boot(root: &Path) -> io::Result<()> {
    let mut text = String::new();
    for part in FIRST_BOOT {
        text.push('\n');
        text.push_str(&fs::read_to_string(root.join(format!("templates/{part}.sh")))?);
    }
    let into = env::var_os("OUT_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let mut gzip = Vec::new();
    let options = zopfli::Options {
        iteration_count: NonZeroU64::MIN.saturating_add(14),
        ..zopfli::Options::default()
    };
    zopfli::compress(options, zopfli::Format::Gzip, shallow(&text)?.as_bytes(), &mut gzip)?;
    fs::write(into.join("first-boot.gz"), gzip)?;
    fs::write(into.join("first-boot.sh"), text)
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
