//! What must not be replaced: the user's own files, and trees that others can read.

use std::io;

use camino::Utf8Path;
use rayon::prelude::*;
use rustix::fs::{FileType, Stat};

use super::error::{OutputError, first_few};
use super::fs::{Folder, shown};
use super::manifest::{FORMAT, MANIFEST, Manifest, SUMS, Unreadable};
use super::parents::refuse_strangers;
use super::target::{KEEP, Target, is_keep};
use crate::git::{self, Answer, NoAnswer};

/// Refuses a target that a build must not replace. [`Stage::begin`](super::Stage::begin) asks the same; this is for who
/// wants to know before the first secret is made. Nothing is written.
///
/// # Errors
/// Says what is in the way and what to do about it.
pub fn guard(target: &Utf8Path) -> Result<(), OutputError> {
    let target = Target::locate(target)?;
    inspect(&target)?;
    refuse_strangers(&target)
}

/// The parts of the target that are ours or to be kept.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The manifest of the tree, if a build wrote one.
    pub(super) manifest: Option<Manifest>,
    /// The manifest's text, as it was read.
    pub(super) text: Vec<u8>,
    /// Which of [`KEEP`] are there.
    pub(super) keep: Vec<&'static str>,
}

/// Asks every guard: what is in the target, and whether git would commit it.
pub(super) fn inspect(target: &Target) -> Result<Contents, OutputError> {
    let Some(folder) = target.existing()? else {
        check_git(target, false)?;
        return Ok(Contents::default());
    };
    // Git is up to two processes; the manifest is read meanwhile.
    let is_file = |found: Stat| FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    let has_gitignore = folder.stat(".gitignore").is_ok_and(is_file);
    let (contents, git) = rayon::join(|| contents(target, &folder), || check_git(target, has_gitignore));
    let contents = contents?;
    git?;
    Ok(contents)
}

/// Refuses a target that git tracks anything below but keep files, or that the `.gitignore` found in it lets be added.
/// Where git is not installed nobody can commit, and nothing is asked.
fn check_git(target: &Target, has_gitignore: bool) -> Result<(), OutputError> {
    let Some(tracked) = answered(target, git::tracked(&target.parent, &target.name))? else {
        return Ok(());
    };
    let of_the_tree = |path: &String| {
        path.strip_prefix(&*target.name)
            .and_then(|p| p.strip_prefix('/'))
            .is_none_or(|p| !is_keep(p))
    };
    if let Some(file) = tracked.into_iter().find(of_the_tree) {
        return Err(OutputError::Tracked {
            path: target.shown.clone(),
            file,
        });
    }
    if !has_gitignore {
        // The build writes one that ignores the whole tree.
        return Ok(());
    }
    // No such host exists: a .gitignore that hides this path hides whatever a build writes.
    let probe = format!("{}/cluster/host/user-data", target.name);
    match answered(target, git::ignores(&target.parent, &probe))? {
        Some(false) => Err(OutputError::NotIgnored(target.shown.clone())),
        _ => Ok(()),
    }
}

fn answered<T>(target: &Target, answer: Answer<T>) -> Result<Option<T>, OutputError> {
    match answer {
        Ok(answer) => Ok(answer),
        Err(NoAnswer::NoGit) => Ok(None),
        Err(NoAnswer::Reason(reason)) => Err(OutputError::Git {
            path: target.shown.clone(),
            reason,
        }),
    }
}

/// Reads a folder that a build is about to replace, and refuses it if anything in it is not ours.
pub(super) fn contents(target: &Target, folder: &Folder) -> Result<Contents, OutputError> {
    let mut keep = Vec::new();
    let mut others = Vec::new();
    let mut manifest = false;
    for (name, kind) in folder.entries()? {
        let name = shown(&name);
        let is_file = kind == FileType::RegularFile;
        match KEEP.into_iter().find(|kept| is_file && *kept == name) {
            Some(kept) => keep.push(kept),
            None => {
                manifest |= is_file && name == MANIFEST;
                others.push(name);
            }
        }
    }
    keep.sort_unstable();
    others.sort_unstable();
    if others.is_empty() {
        return Ok(Contents {
            keep,
            ..Contents::default()
        });
    }
    let path = target.shown.clone();
    let foreign = || OutputError::Foreign {
        path: path.clone(),
        entries: first_few(&others),
    };
    if !manifest {
        return Err(foreign());
    }
    let text = folder.read(MANIFEST)?.expose().to_vec();
    let manifest = Manifest::parse(&text).map_err(|why| error(why, &path).unwrap_or_else(foreign))?;
    let mode = rustix::fs::fstat(folder).map_err(io::Error::from)?.st_mode & 0o7777;
    if mode & 0o077 != 0 {
        return Err(OutputError::Exposed { path, mode });
    }
    let extra = unlisted(folder, &manifest)?;
    if !extra.is_empty() {
        return Err(OutputError::Extra {
            path,
            entries: first_few(&extra),
        });
    }
    Ok(Contents {
        manifest: Some(manifest),
        text,
        keep,
    })
}

/// The error to report of the tree at `path`; nothing if it is none of ours.
pub(super) fn error(why: Unreadable, path: &Utf8Path) -> Option<OutputError> {
    match why {
        Unreadable::Foreign => None,
        Unreadable::Damaged => Some(OutputError::Damaged(path.to_owned())),
        Unreadable::Newer(format) => Some(OutputError::Newer {
            path: path.to_owned(),
            format,
            known: FORMAT,
        }),
    }
}

/// Paths in the folder that are neither listed by the manifest nor kept, sorted. A folder of that kind is named alone,
/// without what is in it. The folders are looked through on all cores.
pub(super) fn unlisted(folder: &Folder, manifest: &Manifest) -> Result<Vec<String>, OutputError> {
    let mut extra = unlisted_in(folder, "", manifest, &manifest.folders())?;
    extra.sort_unstable();
    Ok(extra)
}

/// The same for one of the manifest's folders, in no particular order.
fn unlisted_in(
    opened: &Folder,
    folder: &str,
    manifest: &Manifest,
    folders: &[&str],
) -> Result<Vec<String>, OutputError> {
    let (prefix, files) = if folder.is_empty() {
        (String::new(), &manifest.files[..])
    } else {
        let below = manifest.below(Utf8Path::new(folder));
        (format!("{folder}/"), &manifest.files[below])
    };
    let listed = |name: &str| {
        let found = files.binary_search_by(|entry| entry.path.as_str()[prefix.len()..].cmp(name));
        found.is_ok()
    };
    let own = |name: &str| folder.is_empty() && (is_keep(name) || name == MANIFEST || name == SUMS);
    let (mut extra, mut below) = (Vec::new(), Vec::new());
    for (name, kind) in opened.entries()? {
        let name = shown(&name);
        if kind == FileType::Directory {
            let path = format!("{prefix}{name}");
            match folders.binary_search(&&*path) {
                Ok(_) => below.push((name, path)),
                Err(_) => extra.push(path),
            }
        } else if !(listed(&name) || kind == FileType::RegularFile && own(&name)) {
            extra.push(format!("{prefix}{name}"));
        }
    }
    let found = below
        .par_iter()
        .map(|(name, path)| unlisted_in(&opened.folder(name)?, path, manifest, folders))
        .collect::<Result<Vec<_>, _>>()?;
    extra.extend(found.into_iter().flatten());
    Ok(extra)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use camino::Utf8PathBuf;
    use fs_err as fs;

    use super::*;
    use crate::tree::tests::{Fixture, message, snapshot};

    #[test]
    fn a_foreign_folder_is_refused_and_stays() {
        let fixture = Fixture::new();
        let target = fixture.target();
        fs::create_dir(&target).unwrap();
        for name in ["thesis.tex", "a\x1b[31m", ".gitignore", "b", "c"] {
            fs::write(target.join(name), "mine").unwrap();
        }
        let before = snapshot(&target);
        let text = message(guard(&target));
        assert!(
            text.contains("was not written by lxseed and holds a\u{1b}[31m, b, c and 1 more: "),
            "{text}"
        );
        assert_eq!(message(fixture.try_begin()), text);
        assert_eq!(snapshot(&target), before);
        assert_eq!(fixture.beside(), ["out"]);
    }

    #[test]
    fn somebody_elses_manifest_is_foreign() {
        for text in [
            "",
            "{}",
            "[]",
            "{\"generator\": \"npm\", \"format\": 1}",
            "{\"generator\": \"lxseed\"}",
        ] {
            let fixture = Fixture::new();
            fs::create_dir(fixture.target()).unwrap();
            fs::write(fixture.target().join(MANIFEST), text).unwrap();
            assert!(
                message(guard(&fixture.target())).contains("was not written by lxseed and holds manifest.json"),
                "{text}"
            );
        }
        let fixture = Fixture::new();
        fixture.build(&[("lab/a", "1")]);
        fs::rename(fixture.target().join(MANIFEST), fixture.path("elsewhere.json")).unwrap();
        fs::os::unix::fs::symlink("../elsewhere.json", fixture.target().join(MANIFEST)).unwrap();
        assert!(message(guard(&fixture.target())).contains("was not written by lxseed"));
    }

    #[test]
    fn a_newer_or_damaged_manifest_has_its_own_message() {
        let fixture = Fixture::new();
        fixture.build(&[("lab/a", "1"), ("lab/b", "2")]);
        let path = fixture.target().join(MANIFEST);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"format\": 5", "\"format\": 6")).unwrap();
        let newer = message(guard(&fixture.target()));
        assert!(
            newer.contains("by a newer lxseed (manifest format 6; this one knows up to 5)"),
            "{newer}"
        );
        for (from, to) in [
            ("\"lab/a\"", "\"../a\""),
            ("\"lab/a\"", "\"lab/c\""),
            ("\"lab/a\"", "\"lab/b\""),
            ("\"0644\"", "\"rw\""),
            ("\"0644\"", "\"+644\""),
            ("\"files\"", "\"flies\""),
            ("\"sha256\": \"", "\"sha256\": \"\\n"),
        ] {
            assert!(text.contains(from));
            fs::write(&path, text.replace(from, to)).unwrap();
            assert!(message(guard(&fixture.target())).contains("is damaged"), "{from} {to}");
        }
    }

    #[test]
    fn what_no_build_wrote_is_named_and_stays() {
        let fixture = Fixture::new();
        let target = fixture.build(&[("lab/node1/a", "1"), ("lab/b", "1")]);
        let cases: [(&str, &dyn Fn(Utf8PathBuf)); 7] = [
            ("notes.txt", &|path| fs::write(path, "x").unwrap()),
            ("lab/node1/notes", &|path| fs::write(path, "x").unwrap()),
            ("lab/.gitkeep", &|path| fs::write(path, "x").unwrap()),
            ("lab/empty", &|path| fs::create_dir(path).unwrap()),
            (".keep", &|path| fs::create_dir(path).unwrap()),
            ("lab/link", &|path| fs::os::unix::fs::symlink("/etc", path).unwrap()),
            ("SHA256SUMS", &|path| {
                fs::remove_file(&path).unwrap();
                fs::create_dir(path).unwrap();
            }),
        ];
        for (path, make) in cases {
            make(target.join(path));
            let before = snapshot(&target);
            let text = message(fixture.try_begin());
            assert!(
                text.contains(&format!("{target} holds {path}, which no build wrote")),
                "{text}"
            );
            assert_eq!(snapshot(&target), before);
            let made = target.join(path);
            if made.is_dir() && !made.is_symlink() {
                fs::remove_dir(made)
            } else {
                fs::remove_file(made)
            }
            .unwrap();
            guard(&target).unwrap();
        }
        // A link in the place of a generated folder is no folder of ours.
        fs::rename(target.join("lab/node1"), fixture.path("moved")).unwrap();
        fs::os::unix::fs::symlink("../../moved", target.join("lab/node1")).unwrap();
        assert!(message(guard(&target)).contains("holds lab/node1, which no build wrote"));
    }

    #[test]
    fn a_tree_others_can_look_into_is_refused() {
        let fixture = Fixture::new();
        let target = fixture.build(&[("lab/a", "1")]);
        for mode in [0o755, 0o750, 0o701] {
            fs::set_permissions(&target, PermissionsExt::from_mode(mode)).unwrap();
            let text = message(guard(&target));
            assert!(
                text.contains(&format!("(mode {mode:04o}): run `chmod 700 {target}`")),
                "{text}"
            );
        }
        fs::set_permissions(&target, PermissionsExt::from_mode(0o700)).unwrap();
        guard(&target).unwrap();
    }
}
