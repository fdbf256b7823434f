//! A folder to build in, trees to build there, and what to ask of them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rayon::prelude::*;
use tempfile::TempDir;
use walkdir::WalkDir;

use crate::seed::{Content, File};
use crate::tree::{BuildInfo, ClusterInfo, Committed, OutputError, Stage};
use crate::trust::SecretBytes;
use crate::trust::testing::secret;

/// A folder to build in, removed with the test.
pub(in crate::tree) struct Fixture {
    pub(in crate::tree) root: Utf8PathBuf,
    _folder: TempDir,
}

impl Fixture {
    pub(in crate::tree) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("lxseed-output-").tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap().canonicalize_utf8().unwrap();
        Self { root, _folder: folder }
    }

    pub(in crate::tree) fn path(&self, name: &str) -> Utf8PathBuf {
        self.root.join(name)
    }

    pub(in crate::tree) fn target(&self) -> Utf8PathBuf {
        self.path("out")
    }

    pub(in crate::tree) fn try_begin(&self) -> Result<Stage, OutputError> {
        Stage::begin(&self.target())
    }

    pub(in crate::tree) fn begin(&self) -> Stage {
        self.try_begin().unwrap()
    }

    pub(in crate::tree) fn public(path: &str, text: &str) -> File {
        File {
            path: path.into(),
            content: Content::Public(text.into()),
        }
    }

    pub(in crate::tree) fn secret(path: &str, text: &str) -> File {
        File {
            path: path.into(),
            content: Content::Secret(SecretBytes::new(text.into())),
        }
    }

    pub(super) fn commit(&self, files: &[(&str, &str)]) -> Committed {
        let stage = self.begin();
        files
            .iter()
            .for_each(|(path, text)| stage.write(&Self::public(path, text)).unwrap());
        stage.commit(build_info(), &secret()).unwrap()
    }

    /// Builds public files and returns the target.
    pub(in crate::tree) fn build(&self, files: &[(&str, &str)]) -> Utf8PathBuf {
        assert!(self.commit(files).changed);
        self.target()
    }

    /// The names in the folder that the target lies in.
    pub(in crate::tree) fn beside(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.root)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// The text of an error.
pub(in crate::tree) fn message<T: Debug>(result: Result<T, OutputError>) -> String {
    result.unwrap_err().to_string()
}

/// Every path below a folder, and itself as "", with inode, mode and bytes.
pub(in crate::tree) fn snapshot(folder: &Utf8Path) -> BTreeMap<String, (u64, u32, Vec<u8>)> {
    let describe = |entry: walkdir::DirEntry| {
        let metadata = entry.metadata().unwrap();
        let bytes = if metadata.is_file() {
            fs::read(entry.path()).unwrap()
        } else {
            Vec::new()
        };
        let path = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        (path, (metadata.ino(), metadata.mode(), bytes))
    };
    WalkDir::new(folder)
        .into_iter()
        .map(|entry| describe(entry.unwrap()))
        .collect()
}

pub(super) fn build_info() -> BuildInfo {
    BuildInfo {
        program: "c0de".into(),
        secret_fingerprint: "5f1d".into(),
        clusters: vec![ClusterInfo {
            name: "lab".into(),
            digest: "digest of lab".into(),
            hosts: vec!["node1".into(), "node2".into()],
        }],
    }
}

pub(super) fn paths(folder: &Utf8Path) -> Vec<String> {
    snapshot(folder).into_keys().filter(|path| !path.is_empty()).collect()
}

pub(super) fn mode(path: impl AsRef<Utf8Path>) -> u32 {
    path.as_ref().symlink_metadata().unwrap().permissions().mode() & 0o7777
}

/// Runs the tool that the user would run.
pub(super) fn assert_sums_hold(target: &Utf8Path) {
    let done = Command::new("sha256sum")
        .current_dir(target)
        .args(["-c", "--strict", "--quiet", "SHA256SUMS"])
        .output();
    let done = done.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// The files of generation `n` of a site: one is the same in all, one changes, one is of this generation alone.
pub(super) fn generation(n: u32) -> Vec<File> {
    let script = Content::Script(format!("#!/bin/sh\nexit {n}\n").into());
    vec![
        Fixture::public("lab/known_hosts", "node1 ssh-ed25519 AAAA\n"),
        Fixture::secret("lab/node1/user-data", &format!("#cloud-config\n# {n}\n")),
        File {
            path: "lab/node1/run.sh".into(),
            content: script,
        },
        Fixture::public(&format!("lab/node{n}0/deep/er/meta-data"), ""),
    ]
}

pub(super) fn stage_generation(target: &Utf8Path, n: u32) -> Result<Stage, OutputError> {
    let stage = Stage::begin(target)?;
    generation(n).par_iter().try_for_each(|file| stage.write(file))?;
    Ok(stage)
}

pub(super) fn build_generation(target: &Utf8Path, n: u32) -> Result<Committed, OutputError> {
    stage_generation(target, n)?.commit(build_info(), &secret())
}

/// Whether the target holds generation `n`, all of it and nothing else, with the right modes.
pub(super) fn assert_whole(target: &Utf8Path, n: u32) {
    assert_sums_hold(target);
    let node = format!("lab/node{n}0");
    let mut expected: BTreeMap<String, u32> = generation(n)
        .iter()
        .map(|file| (file.path.to_string(), file.content.mode()))
        .collect();
    for folder in [
        "".to_owned(),
        "lab".into(),
        "lab/node1".into(),
        node.clone(),
        format!("{node}/deep"),
        format!("{node}/deep/er"),
    ] {
        expected.insert(folder, 0o700);
    }
    for own in ["manifest.json", "SHA256SUMS", ".gitignore"] {
        expected.insert(own.into(), 0o644);
    }
    let found: BTreeMap<String, u32> = snapshot(target)
        .into_iter()
        .map(|(path, (_, mode, _))| (path, mode & 0o7777))
        .collect();
    assert_eq!(found, expected);
    for file in generation(n) {
        assert_eq!(
            fs::read(target.join(&file.path)).unwrap(),
            file.content.bytes(),
            "{}",
            file.path
        );
    }
}
