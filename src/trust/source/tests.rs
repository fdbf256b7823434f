//! Every source, its rules and its messages.

#![allow(clippy::unwrap_used)]

use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

use time::macros::date;

use super::*;
use crate::trust::testing::{Folder, KEY_HEX, LINE, have, run_git, secret};

const TODAY: Date = date!(2026 - 11 - 23);

/// A folder with a site in it, and the options that name nothing.
fn place() -> (Folder, Utf8PathBuf, SecretOptions) {
    let folder = Folder::new();
    let site = folder.make("profiles");
    (folder, site, SecretOptions::default())
}

/// The text of another secret than the tests' usual one.
fn other_line() -> String {
    let text = SiteSecret::generate(TODAY).unwrap().to_text();
    String::from_utf8(text.expose().to_vec()).unwrap()
}

fn refusal(options: &SecretOptions, site: &Utf8Path, cwd: &Utf8Path) -> SecretError {
    let error = load(options, site, cwd).unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(&KEY_HEX[..16]), "the message holds the key: {shown}");
    assert!(!shown.contains("cdb0375e"), "the message holds the checksum: {shown}");
    error
}

#[test]
fn the_first_source_that_is_named_wins() {
    let (folder, site, mut options) = place();
    let cwd = folder.path();
    let origin = |options: &SecretOptions| {
        let loaded = load(options, &site, cwd).unwrap()?;
        assert_eq!(loaded.secret.fingerprint(), secret().fingerprint());
        Some(loaded.origin)
    };
    assert_eq!(origin(&options), None);

    let default = folder.write("lxseed.secret", LINE, 0o600);
    assert_eq!(origin(&options), Some(Origin::File(default.clone())));

    // What comes later is not even looked at.
    folder.write("lxseed.secret", "rubbish", 0o600);
    options.variable = Some(LINE.to_owned());
    assert_eq!(origin(&options), Some(Origin::Variable));

    options.variable = Some(String::new());
    options.command = Some(format!("echo '{LINE}'"));
    assert_eq!(origin(&options), Some(Origin::Command));

    options.command = None;
    let named = folder.write("named", LINE, 0o600);
    options.file = Some(named.clone());
    assert_eq!(origin(&options), Some(Origin::File(named)));
}

#[test]
fn a_file_and_a_command_contradict_each_other() {
    let (folder, site, mut options) = place();
    options.file = Some("a".into());
    options.command = Some("false".to_owned());
    let error = refusal(&options, &site, folder.path());
    assert_eq!(
        error.to_string(),
        "--secret-file and --secret-command were both given; give one of them"
    );
}

#[test]
fn an_empty_variable_is_not_overlooked() {
    let (folder, site, mut options) = place();
    folder.write("lxseed.secret", LINE, 0o600);
    for value in ["", " \n"] {
        options.variable = Some(value.to_owned());
        let error = refusal(&options, &site, folder.path());
        assert!(matches!(error, SecretError::EmptyVariable), "{error}");
    }
}

#[test]
fn a_missing_named_file_is_an_error() {
    let (folder, site, mut options) = place();
    folder.write("lxseed.secret", LINE, 0o600);
    options.file = Some(folder.path().join("gone"));
    let error = refusal(&options, &site, folder.path());
    assert!(matches!(error, SecretError::NotFound { .. }), "{error}");
}

#[test]
fn a_bad_default_file_is_not_passed_over() {
    let (folder, _, options) = place();
    let site = folder.make("a/profiles");
    folder.write("lxseed.secret", LINE, 0o600);
    let near = folder.write("a/lxseed.secret", LINE, 0o644);
    let error = refusal(&options, &site, folder.path()).to_string();
    assert_eq!(
        error,
        format!("{near} is open to other users (mode 0644); run: chmod 600 {near}")
    );
}

#[test]
fn the_site_folder_must_not_hold_it() {
    let (folder, site, mut options) = place();
    let expected = |file: &Utf8Path| {
        let better = folder.path().join("lxseed.secret");
        format!(
            "{file} lies in the site folder, and a profile folder must not hold the secret; move it to {better}, or "
        )
    };
    let deep = folder.make("profiles/lab");
    let inside = folder.write("profiles/lab/key", LINE, 0o600);
    let link = folder.path().join("link");
    symlink(&inside, &link).unwrap();
    for named in [&inside, &link, &deep.join("../lab/key")] {
        options.file = Some(named.clone());
        let error = refusal(&options, &site, folder.path()).to_string();
        assert!(error.starts_with(&expected(named)), "{error}");
    }
    let default = folder.path().join("lxseed.secret");
    symlink(&inside, &default).unwrap();
    options.file = None;
    let error = refusal(&options, &site, folder.path()).to_string();
    assert!(error.starts_with(&expected(&default)), "{error}");

    // In the site itself it is refused even if another source is named.
    let at_top = folder.write("profiles/lxseed.secret", LINE, 0o600);
    options.variable = Some(LINE.to_owned());
    let error = refusal(&options, &site, folder.path()).to_string();
    assert!(error.starts_with(&expected(&at_top)), "{error}");
}

#[test]
fn a_tracked_default_file_is_refused() {
    if !have("git") {
        return;
    }
    let (folder, site, options) = place();
    folder.write("lxseed.secret", LINE, 0o600);
    run_git(folder.path(), &["init", "-q"]);
    assert!(load(&options, &site, &site).unwrap().is_some());
    run_git(folder.path(), &["add", "lxseed.secret"]);
    let error = refusal(&options, &site, &site);
    assert!(matches!(error, SecretError::Tracked { .. }), "{error}");
}

#[test]
fn damaged_texts_are_named_but_not_shown() {
    let (folder, site, options) = place();
    let message = |content: &str| {
        folder.write("lxseed.secret", content, 0o600);
        refusal(&options, &site, folder.path()).to_string()
    };
    let file = folder.path().join("lxseed.secret");
    let prefix = format!("the secret from {file} cannot be used: ");
    for (content, expected) in [
        (&LINE[..60], "line 1 does not have its four parts"),
        (&LINE[..LINE.len() - 1], "the checksum on line 1 is not 8"),
        (
            &LINE.replace("0001", "1001"),
            "the checksum on line 1 does not match: the line is cut or mistyped",
        ),
        (&format!("{LINE}\n{LINE}"), "lines 1 and 2 are both secret lines"),
        ("", "it has no secret line"),
        (&LINE[16..], "line 1 is neither a comment nor the secret line"),
    ] {
        let message = message(content);
        assert!(message.starts_with(&format!("{prefix}{expected}")), "{message}");
    }

    std::fs::write(&file, b"\xff\xfe").unwrap();
    let error = refusal(&options, &site, folder.path()).to_string();
    assert_eq!(error, format!("{prefix}it is not text"));
    std::fs::write(&file, vec![b'#'; MAX_TEXT_BYTES + 1]).unwrap();
    let error = refusal(&options, &site, folder.path()).to_string();
    assert_eq!(
        error,
        format!("{prefix}it is larger than 65536 bytes, so it is not a secret of lxseed")
    );
}

#[test]
fn a_command_that_fails_is_named_by_its_status() {
    let (folder, site, mut options) = place();
    let mut message = |line: String| {
        options.command = Some(line);
        refusal(&options, &site, folder.path()).to_string()
    };
    let advice = "run it by hand to see why";
    assert_eq!(
        message(format!("echo '{LINE}'; exit 7")),
        format!("--secret-command ended with exit status 7; {advice}")
    );
    assert_eq!(
        message("kill -9 $$".to_owned()),
        format!("--secret-command ended with signal 9; {advice}")
    );
    let unusable = "the secret from --secret-command cannot be used: ";
    assert!(message("true".to_owned()).starts_with(&format!("{unusable}it has no secret line")));
    assert!(message(format!("echo '{}'", &LINE[..60])).starts_with(&format!("{unusable}line 1 does not have")));
}

#[test]
fn a_command_that_never_ends_its_output_is_stopped() {
    let (folder, site, mut options) = place();
    options.command = Some("exec yes '# padding'".to_owned());
    let error = refusal(&options, &site, folder.path()).to_string();
    assert!(
        error.ends_with("it is larger than 65536 bytes, so it is not a secret of lxseed"),
        "{error}"
    );
    // What is cut in the middle of a character is too large as well, not "not text".
    options.command = Some("printf x; exec yes 'ééééééééé'".to_owned());
    let error = refusal(&options, &site, folder.path()).to_string();
    assert!(
        error.ends_with("it is larger than 65536 bytes, so it is not a secret of lxseed"),
        "{error}"
    );
}

#[test]
fn a_command_reads_nothing_from_us() {
    let (folder, site, mut options) = place();
    options.command = Some("cat".to_owned());
    let error = refusal(&options, &site, folder.path()).to_string();
    assert!(error.contains("it has no secret line"), "{error}");
}

// The test above says something only if there is something to read.
#[test]
fn a_command_reads_nothing_that_is_piped_to_us() {
    use std::io::Write;
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "trust::source::tests::a_command_reads_nothing_from_us"]);
    let mut test = test.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    test.stdin.take().unwrap().write_all(LINE.as_bytes()).unwrap();
    let output = test.wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains(" 1 passed;"), "{printed}");
}

#[test]
fn what_was_created_is_found() {
    let (folder, site, options) = place();
    let path = default_location(&site, folder.path()).unwrap();
    let creation = create(&path, TODAY).unwrap();
    assert_eq!(creation.loaded.origin, Origin::Created(path.clone()));
    assert_eq!(creation.loaded.secret.created(), TODAY);
    let loaded = load(&options, &site, folder.path()).unwrap().unwrap();
    assert_eq!(loaded.origin, Origin::File(path.clone()));
    assert_eq!(loaded.secret.fingerprint(), creation.loaded.secret.fingerprint());
    assert_eq!(path.metadata().unwrap().mode(), 0o100600);
}

#[test]
fn an_existing_secret_is_loaded_not_replaced() {
    let (folder, ..) = place();
    let path = folder.write("lxseed.secret", LINE, 0o600);
    let creation = create(&path, TODAY).unwrap();
    assert_eq!(creation.loaded.origin, Origin::File(path.clone()));
    assert_eq!(creation.loaded.secret.fingerprint(), secret().fingerprint());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), LINE);

    folder.write("lxseed.secret", "mine", 0o600);
    let error = create(&path, TODAY).unwrap_err();
    assert!(matches!(error, SecretError::Unusable { .. }), "{error}");
    folder.write("lxseed.secret", LINE, 0o640);
    let error = create(&path, TODAY).unwrap_err();
    assert!(matches!(error, SecretError::OpenToOthers { .. }), "{error}");
    assert!(matches!(
        create(&path, date!(1970 - 01 - 01)),
        Err(SecretError::CreationDate { .. })
    ));
}

#[test]
fn two_first_builds_end_with_one_secret() {
    for _ in 0..8 {
        let folder = Folder::new();
        let path = folder.path().join("lxseed.secret");
        let start = std::sync::Barrier::new(16);
        let made: Vec<_> = std::thread::scope(|scope| {
            let runs = std::array::from_fn::<_, 16, _>(|_| {
                scope.spawn(|| {
                    start.wait();
                    create(&path, TODAY).unwrap().loaded
                })
            });
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        let winners = made
            .iter()
            .filter(|loaded| loaded.origin == Origin::Created(path.clone()))
            .count();
        assert_eq!(winners, 1);
        let on_disk = SiteSecret::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for loaded in &made {
            assert_eq!(loaded.secret.fingerprint(), on_disk.fingerprint());
        }
        // Nothing of the losers is left.
        assert_eq!(folder.path().read_dir_utf8().unwrap().count(), 1);
    }
}

#[test]
fn whether_git_ignores_the_new_file_is_reported() {
    if !have("git") {
        return;
    }
    let (folder, ..) = place();
    let path = folder.path().join("lxseed.secret");
    let ignored = || {
        let ignored = create(&path, TODAY).unwrap().ignored;
        std::fs::remove_file(&path).unwrap();
        ignored
    };
    assert_eq!(ignored(), None);
    run_git(folder.path(), &["init", "-q"]);
    assert_eq!(ignored(), Some(false));
    folder.write(".gitignore", "*.secret\n", 0o644);
    assert_eq!(ignored(), Some(true));
}

#[test]
fn debug_keeps_everything_back() {
    let (folder, site, _) = place();
    let options = SecretOptions {
        file: None,
        command: Some("vault --password hunter2".to_owned()),
        variable: Some(LINE.to_owned()),
    };
    let shown = format!("{options:?}");
    assert!(
        !shown.contains("hunter2") && !shown.contains("lxseed-secret-1"),
        "{shown}"
    );

    let file = folder.write("lxseed.secret", &other_line(), 0o600);
    let key = std::fs::read_to_string(&file)
        .unwrap()
        .split_whitespace()
        .rev()
        .nth(1)
        .unwrap()
        .to_owned();
    assert_eq!(key.len(), 64);
    let loaded = load(&SecretOptions::default(), &site, folder.path()).unwrap().unwrap();
    let creation = create(&file, TODAY).unwrap();
    for shown in [
        format!("{loaded:?}"),
        format!("{creation:?}"),
        loaded.origin.to_string(),
    ] {
        for start in 0..key.len() - 8 {
            assert!(!shown.contains(&key[start..start + 8]), "{shown}");
        }
    }
}

#[test]
fn origins_read_well_in_a_sentence() {
    let path = Utf8PathBuf::from("/lab/lxseed.secret");
    assert_eq!(Origin::File(path.clone()).to_string(), "/lab/lxseed.secret");
    assert_eq!(Origin::Created(path).to_string(), "/lab/lxseed.secret (new)");
    assert_eq!(Origin::Command.to_string(), "--secret-command");
    assert_eq!(Origin::Variable.to_string(), "LXSEED_SECRET");
}
