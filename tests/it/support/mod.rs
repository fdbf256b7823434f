//! What the integration tests share: running the binary in a clean environment, sites written on the spot, readable
//! comparisons, and the outside tools that `tests/setup` brings.

pub(crate) mod json_schema;
pub(crate) mod thousand;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use walkdir::WalkDir;

/// A site secret made for the tests, by `lxseed secret new`. It is in the repository for everybody to read: it protects
/// nothing, and no machine must ever be built with it.
pub(crate) const SECRET: &str = include_str!("secret-of-the-tests");

/// When the tests check a site within their own process.
pub(crate) const NOW: time::OffsetDateTime = time::macros::datetime!(2026-06-01 12:00 UTC);

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A temporary folder only its owner may read, as `build` wants its target; it is removed with the value.
pub(crate) fn temp_dir() -> TempDir {
    let dir = tempfile::Builder::new().prefix("lxseed-test-").tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    dir
}

// ---- running --------------------------------------------------------------------------------------------------------

/// What a program did.
#[derive(Debug)]
pub(crate) struct Run {
    /// The command line, for messages.
    pub(crate) command: String,
    /// The exit code; 128 + the signal's number if a signal ended it, as a shell counts.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Runs a program with nothing on its standard input.
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::with_input(command, b"")
    }

    /// Runs a program with `input` on its standard input.
    pub(crate) fn with_input(command: &mut Command, input: &[u8]) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        // A file rather than a pipe: whoever does not read it blocks nobody.
        let mut stdin = tempfile::tempfile().unwrap();
        stdin.write_all(input).unwrap();
        stdin.rewind().unwrap();
        let shown = shown(command);
        let output = command
            .stdin(Stdio::from(stdin))
            .output()
            .unwrap_or_else(|error| panic!("{shown}: {error}"));
        Self {
            command: shown,
            code: output
                .status
                .code()
                .unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0)),
            stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }

    /// Fails with everything the program said unless it ended with `code`.
    #[track_caller]
    pub(crate) fn expect_exit(self, code: i32) -> Self {
        assert!(self.code == code, "expected exit code {code}:\n{self}");
        self
    }

    /// Fails with a diff unless standard error is exactly `expected`.
    #[track_caller]
    pub(crate) fn expect_stderr(self, expected: &str) -> Self {
        assert_same_text(&format!("standard error of `{}`", self.command), expected, &self.stderr);
        self
    }

    /// Fails with a diff unless standard output is exactly `expected`.
    #[track_caller]
    pub(crate) fn expect_stdout(self, expected: &str) -> Self {
        assert_same_text(
            &format!("standard output of `{}`", self.command),
            expected,
            &self.stdout,
        );
        self
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            command,
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "$ {command}\nexit code {code}\n---- stdout\n{stdout}---- stderr\n{stderr}----"
        )
    }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// One run of the binary: in an environment of its own, with the test secret.
pub(crate) struct Lxseed {
    command: Command,
}

/// `lxseed` with these arguments, run in the repository unless [`Lxseed::dir`] says otherwise.
pub(crate) fn lxseed<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Lxseed {
    lxseed_through(&[], args)
}

/// The same, started by another program, such as `faketime DATE` or `sh -c 'umask 077; exec "$@"' sh`.
pub(crate) fn lxseed_through<S: AsRef<OsStr>>(starter: &[&str], args: impl IntoIterator<Item = S>) -> Lxseed {
    let binary = env!("CARGO_BIN_EXE_lxseed");
    let mut command = match starter {
        [] => Command::new(binary),
        [program, rest @ ..] => {
            let mut command = Command::new(program);
            command.args(rest).arg(binary);
            command
        }
    };
    command.args(args).current_dir(root()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("LXSEED_SECRET", SECRET);
    Lxseed { command }
}

impl Lxseed {
    /// Runs it in this folder.
    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Sets one variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Leaves `LXSEED_SECRET` unset.
    pub(crate) fn without_secret(mut self) -> Self {
        self.command.env_remove("LXSEED_SECRET");
        self
    }

    /// Runs it to its end, whoever still holds what it printed to.
    pub(crate) fn run_detached(mut self) -> Run {
        let said = [(); 2].map(|()| tempfile::NamedTempFile::new().unwrap());
        let [stdout, stderr] = said.each_ref().map(|file| Stdio::from(file.reopen().unwrap()));
        let status = self
            .command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .status()
            .unwrap();
        let [stdout, stderr] = said.map(|file| fs::read_to_string(file.path()).unwrap());
        Run {
            command: shown(&self.command),
            code: status.code().unwrap(),
            stdout,
            stderr,
        }
    }

    /// Runs it to its end.
    pub(crate) fn run(mut self) -> Run {
        Run::of(&mut self.command)
    }
}

// ---- sites ----------------------------------------------------------------------------------------------------------

/// A site in a temporary folder; `out/` beside it is the place to build into.
pub(crate) struct Site {
    dir: TempDir,
}

impl Site {
    /// A site without a file.
    pub(crate) fn new() -> Self {
        let dir = temp_dir();
        fs::create_dir(dir.path().join("site")).unwrap();
        Self { dir }
    }

    /// A copy of a site, for example of `profiles/lab`.
    pub(crate) fn copy_of(site: impl AsRef<Path>) -> Self {
        Self::new().overlay(site)
    }

    /// Copies the files of another site, in place of those of the same names.
    pub(crate) fn overlay(mut self, site: impl AsRef<Path>) -> Self {
        let from = root().join(site);
        for entry in WalkDir::new(&from).sort_by_file_name() {
            let entry = entry.unwrap();
            if entry.file_type().is_file() {
                let below = entry.path().strip_prefix(&from).unwrap();
                self = self.bytes(below, &fs::read(entry.path()).unwrap());
            }
        }
        self
    }

    /// Writes one profile, in place of what was there.
    pub(crate) fn file(self, path: impl AsRef<Path>, text: &str) -> Self {
        self.bytes(path, text.as_bytes())
    }

    /// Writes one file that may be anything.
    pub(crate) fn bytes(self, path: impl AsRef<Path>, bytes: &[u8]) -> Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    /// Replaces `from`, which must occur exactly once in the file, by `to`.
    #[track_caller]
    pub(crate) fn replace(self, path: impl AsRef<Path>, from: &str, to: &str) -> Self {
        let text = fs::read_to_string(self.path().join(&path)).unwrap();
        let found = text.matches(from).count();
        assert!(
            found == 1,
            "{} holds {from:?} {found} times, not once",
            path.as_ref().display()
        );
        self.file(path, &text.replacen(from, to, 1))
    }

    /// The site's folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("site")
    }

    /// The folder that holds the site: run the binary here and paths in messages begin with `site/`.
    pub(crate) fn parent(&self) -> &Path {
        self.dir.path()
    }

    /// The folder beside the site to build into.
    pub(crate) fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    /// `lxseed check site`, run beside the site.
    pub(crate) fn check(&self) -> Run {
        lxseed(["check", "site"]).dir(self.parent()).run()
    }

    /// `lxseed build site -o out`, run beside the site.
    pub(crate) fn build(&self) -> Run {
        lxseed(["build", "site", "-o", "out"]).dir(self.parent()).run()
    }
}

// ---- trees ----------------------------------------------------------------------------------------------------------

/// One entry of a folder as it is on disk.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Path below the folder, with slashes; a folder's ends in one.
    pub(crate) path: String,
    /// The permission bits.
    pub(crate) mode: u32,
    /// The content; empty for a folder.
    pub(crate) bytes: Vec<u8>,
}

/// Everything below a folder, the folder itself (as `./`) included, in the order of names.
pub(crate) fn tree(top: &Path) -> Vec<Entry> {
    let entries = WalkDir::new(top).sort_by_file_name().into_iter().map(|entry| {
        let entry = entry.unwrap();
        let below = entry
            .path()
            .strip_prefix(top)
            .unwrap()
            .to_str()
            .expect("names are UTF-8")
            .to_owned();
        let is_dir = entry.file_type().is_dir();
        assert!(
            is_dir || entry.file_type().is_file(),
            "{below} is neither file nor folder"
        );
        Entry {
            path: match (is_dir, below.is_empty()) {
                (true, true) => "./".to_owned(),
                (true, false) => format!("{below}/"),
                (false, _) => below,
            },
            mode: entry.metadata().unwrap().permissions().mode() & 0o7777,
            bytes: if is_dir {
                Vec::new()
            } else {
                fs::read(entry.path()).unwrap()
            },
        }
    });
    entries.collect()
}

/// Fails unless the two trees have the same names, modes and bytes.
#[track_caller]
pub(crate) fn assert_same_tree(expected: &[Entry], actual: &[Entry]) {
    let listing = |entries: &[Entry]| {
        entries.iter().fold(String::new(), |mut text, entry| {
            writeln!(text, "{:04o} {} ({} bytes)", entry.mode, entry.path, entry.bytes.len()).unwrap();
            text
        })
    };
    assert_same_text(
        "the tree's names, modes and sizes",
        &listing(expected),
        &listing(actual),
    );
    for (left, right) in expected.iter().zip(actual) {
        if left.bytes != right.bytes {
            let text = |entry: &Entry| String::from_utf8_lossy(&entry.bytes).into_owned();
            assert_same_text(&left.path, &text(left), &text(right));
            panic!("{} differs in bytes that are not text", left.path);
        }
    }
}

// ---- comparing ------------------------------------------------------------------------------------------------------

/// Fails with a diff by lines unless both texts are the same.
#[track_caller]
pub(crate) fn assert_same_text(what: &str, expected: &str, actual: &str) {
    assert!(
        expected == actual,
        "{what} is not as expected (- expected, + actual):\n{}",
        diff(expected, actual)
    );
}

/// A diff by lines.
pub(crate) fn diff(expected: &str, actual: &str) -> String {
    similar::TextDiff::from_lines(expected, actual)
        .unified_diff()
        .context_radius(2)
        .to_string()
}

// ---- outside tools --------------------------------------------------------------------------------------------------

/// Where an outside tool lies: among the wrappers that `tests/setup` made, or in `PATH`.
///
/// Without it there is nothing to test: `None` is returned and the skip noted for the summary, or, with `CI=true`, the
/// test fails.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = vec![root().join("tests/.cache/bin")];
    folders.extend(std::env::split_paths(&path));
    let found = folders.iter().map(|folder| folder.join(name)).find(|path| {
        path.metadata()
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    });
    if found.is_none() {
        skip(&format!("{name} is not here (tests/setup brings it)"));
    }
    found
}

/// The same of one that Debian keeps out of a user's `PATH`.
pub(crate) fn tool_of_root(name: &str) -> Option<PathBuf> {
    let path = Path::new("/usr/sbin").join(name);
    if path.exists() { Some(path) } else { tool(name) }
}

/// Notes that the running test cannot test anything and why; with `CI=true` that is a failure.
pub(crate) fn skip(why: &str) {
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "in CI nothing is skipped: {why}"
    );
    let thread = std::thread::current();
    let test = std::env::var("NEXTEST_TEST_NAME")
        .ok()
        .or_else(|| thread.name().map(ToOwned::to_owned));
    let test = test.unwrap_or_else(|| "a test".to_owned());
    eprintln!("skipped: {test}: {why}");
    // tests/run counts the lines of this file, since the test itself counts as passed.
    if let Some(path) = std::env::var_os("LXSEED_SKIPS") {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(format!("{test}\t{why}\n").as_bytes()).unwrap();
    }
}
