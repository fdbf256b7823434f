//! The recipes of docs/ci.md, word for word, in a repository made for it: with good profiles and with a mistake in
//! them.
//!
//! Not run are what only the outside world has: the steps of a workflow that are another project's actions, and the one
//! that installs lxseed, in whose place the binary under test lies in `PATH`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::json_schema::Schema;
use crate::support::{Run, root, temp_dir, tool};
use serde_json::Value;
use tempfile::TempDir;

/// The text of the fenced block behind the first mention of a file.
fn recipe(file: &str) -> String {
    let text = fs::read_to_string(root().join("docs/ci.md")).unwrap();
    let mention = text
        .find(&format!("`{file}`"))
        .unwrap_or_else(|| panic!("docs/ci.md does not speak of {file}"));
    let block = text[mention..].split("\n```").nth(1).expect("a block follows");
    let (_language, block) = block.split_once('\n').unwrap();
    format!("{block}\n")
}

/// A repository with the lab's profiles committed.
struct Repository {
    dir: TempDir,
}

impl Repository {
    fn new() -> Self {
        let dir = temp_dir();
        let repository = Self { dir };
        fs::create_dir_all(repository.path("home")).unwrap();
        let work = repository.work();
        for file in [
            "cluster.yaml",
            "disks/three-drives.yaml",
            "hosts/node1.yaml",
            "hosts/node2.yaml",
        ] {
            let to = work.join("profiles/lab").join(file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(root().join("profiles/lab").join(file), to).unwrap();
        }
        repository
            .git(&["init", "--quiet", "--initial-branch=main"])
            .expect_exit(0);
        repository.commit("profiles").expect_exit(0);
        repository
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn work(&self) -> PathBuf {
        self.path("work")
    }

    /// A program in the repository, with the lxseed under test first in `PATH` and nothing of the user's configuration.
    fn command(&self, program: &Path) -> Command {
        let lxseed = Path::new(env!("CARGO_BIN_EXE_lxseed")).parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([lxseed].into_iter().chain(std::env::split_paths(&path))).unwrap();
        let mut command = Command::new(program);
        command
            .current_dir(self.work())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.path("home"));
        for who in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{who}_NAME"), "a test")
                .env(format!("GIT_{who}_EMAIL"), "test@example.org");
        }
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Run {
        Run::of(self.command(Path::new(program)).args(arguments))
    }

    fn git(&self, arguments: &[&str]) -> Run {
        self.run("git", arguments)
    }

    /// Stages everything and commits it.
    fn commit(&self, subject: &str) -> Run {
        self.git(&["add", "--all"]).expect_exit(0);
        self.git(&["commit", "--quiet", "--message", subject])
    }

    fn replace(&self, file: &str, from: &str, to: &str) {
        let path = self.work().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{file}: {from}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// A mistake in line 9 of the cluster.
    fn make_a_mistake(&self) {
        self.replace("profiles/lab/cluster.yaml", "  gateway:", "  gatway:");
    }

    fn mend_it(&self) {
        self.replace("profiles/lab/cluster.yaml", "  gatway:", "  gateway:");
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&fs::read(self.work().join(file)).unwrap()).unwrap()
    }
}

/// The line of the mistake, whatever stands above it.
fn line_of_the_mistake(repository: &Repository) -> usize {
    let text = fs::read_to_string(repository.work().join("profiles/lab/cluster.yaml")).unwrap();
    text.lines().position(|line| line.starts_with("  gatway:")).unwrap() + 1
}

#[test]
fn the_hook_checks_what_is_committed_and_nothing_else() {
    let repository = Repository::new();
    let hook = repository.work().join(".git/hooks/pre-commit");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, recipe(".git/hooks/pre-commit")).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    if let Some(shellcheck) = tool("shellcheck") {
        Run::of(Command::new(shellcheck).arg(&hook)).expect_exit(0);
    }

    repository.make_a_mistake();
    let run = repository.commit("a mistake").expect_exit(1);
    assert!(run.stderr.contains("error[P001]"), "{run}");
    assert!(run.stderr.contains("--> profiles/lab/cluster.yaml:"), "{run}");

    // The mistake is in the folder, but not in the commit.
    repository.git(&["reset", "--quiet"]).expect_exit(0);
    fs::write(repository.work().join("notes"), "x").unwrap();
    repository.git(&["add", "notes"]).expect_exit(0);
    repository
        .git(&["commit", "--quiet", "--message", "notes"])
        .expect_exit(0);
    repository.replace(
        "profiles/lab/hosts/node1.yaml",
        "name: node1",
        "name: node1 # the first",
    );
    repository.git(&["add", "profiles/lab/hosts"]).expect_exit(0);
    repository
        .git(&["commit", "--quiet", "--message", "a comment"])
        .expect_exit(0);
    // `git commit FILE` works on an index of its own.
    repository
        .git(&[
            "commit",
            "--quiet",
            "--message",
            "a mistake",
            "profiles/lab/cluster.yaml",
        ])
        .expect_exit(1);

    // The mistake is in the commit, and no more in the folder.
    repository.git(&["add", "profiles"]).expect_exit(0);
    repository.mend_it();
    repository
        .git(&["commit", "--quiet", "--message", "a mistake"])
        .expect_exit(1);
    repository.replace(
        "profiles/lab/hosts/node2.yaml",
        "name: node2",
        "name: node2 # the second",
    );
    repository.commit("mended").expect_exit(0);
}

#[test]
fn the_pre_commit_framework_runs_the_hook_of_the_repository() {
    let Some(pre_commit) = tool("pre-commit") else {
        return;
    };
    let repository = Repository::new();
    let manifest = root().join(".pre-commit-hooks.yaml");
    Run::of(repository.command(&pre_commit).arg("validate-manifest").arg(&manifest)).expect_exit(0);

    // In place of where lxseed is kept: a repository with its hooks, which is all that pre-commit takes of it.
    let hooks = repository.path("hooks");
    fs::create_dir(&hooks).unwrap();
    fs::copy(&manifest, hooks.join(".pre-commit-hooks.yaml")).unwrap();
    let place = hooks.to_str().unwrap();
    for arguments in [
        ["init", "--quiet"].as_slice(),
        &["add", "--all"],
        &["commit", "--quiet", "--message", "hooks"],
        &["tag", "v0.1.0"],
    ] {
        let whole = ["-C", place].iter().chain(arguments).copied().collect::<Vec<_>>();
        repository.git(&whole).expect_exit(0);
    }
    let key = format!("url.{place}.insteadOf");
    repository
        .git(&["config", "--global", &key, "https://github.com/OWNER/lxseed"])
        .expect_exit(0);
    fs::write(
        repository.work().join(".pre-commit-config.yaml"),
        recipe(".pre-commit-config.yaml"),
    )
    .unwrap();

    let run = || {
        Run::of(
            repository
                .command(&pre_commit)
                .args(["run", "--all-files", "--color=never"]),
        )
    };
    repository.commit("hooks").expect_exit(0);
    let good = run().expect_exit(0);
    assert!(good.stdout.contains("Passed"), "{good}");
    repository.make_a_mistake();
    let bad = run().expect_exit(1);
    assert!(
        bad.stdout.contains("error[P001]") && bad.stdout.contains("Failed"),
        "{bad}"
    );
}

/// YAML as JSON, which is what the schemas of workflows and pipelines are for.
fn yaml(text: &str) -> Value {
    serde_json::to_value(serde_yaml::from_str::<serde_yaml::Value>(text).unwrap()).unwrap()
}

/// The steps of the workflow as a runner goes through them. Gives back the output of all and whether the job fails.
fn run_workflow(repository: &Repository, workflow: &Value) -> (String, bool) {
    let mut output = String::new();
    let mut failed = false;
    let mut ran = 0;
    for step in workflow["jobs"]["check"]["steps"].as_array().unwrap() {
        let Some(script) = step["run"].as_str() else {
            assert!(step["uses"].is_string(), "{step}");
            continue;
        };
        let wanted = match step["if"].as_str() {
            None => !failed,
            Some("success() || failure()") => true,
            Some(other) => panic!("no such condition is known here: {other}"),
        };
        if script.starts_with("cargo install ") || !wanted {
            continue;
        }
        // How a runner calls bash if a step does not say otherwise.
        let file = repository.path("step.sh");
        fs::write(&file, script).unwrap();
        let run = repository.run("bash", &["-e", file.to_str().unwrap()]);
        failed |= run.code != 0;
        output += &run.stdout;
        ran += 1;
    }
    assert!(ran > 0, "no step was run");
    (output, failed)
}

#[test]
fn the_workflow_annotates_and_reports() {
    let text = recipe(".github/workflows/profiles.yaml");
    let workflow = yaml(&text);
    let mut wrong = workflow.clone();
    wrong["jobs"]["check"]["steps"][0] = Value::Null;
    if let Some(answers) = Schema::Fetched("github-workflows").errors(&[workflow.clone(), wrong]) {
        assert_eq!(answers[0], Vec::<String>::new());
        assert_ne!(answers[1], Vec::<String>::new());
    }
    let steps = workflow["jobs"]["check"]["steps"].as_array().unwrap();
    let sarif = steps.last().unwrap()["with"]["sarif_file"].as_str().unwrap();

    let repository = Repository::new();
    let (output, failed) = run_workflow(&repository, &workflow);
    assert!(!failed && output.is_empty(), "{output}");
    assert_eq!(repository.json(sarif)["runs"][0]["results"], serde_json::json!([]));

    repository.make_a_mistake();
    let line = line_of_the_mistake(&repository);
    let (output, failed) = run_workflow(&repository, &workflow);
    assert!(failed, "{output}");
    assert!(
        output.starts_with(&format!("::error file=profiles/lab/cluster.yaml,line={line},")),
        "{output}"
    );
    let log = repository.json(sarif);
    let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "profiles/lab/cluster.yaml");
    assert_eq!(place["region"]["startLine"], line);
    if let Some(answers) = Schema::Fetched("sarif").errors(&[log]) {
        assert_eq!(answers[0], Vec::<String>::new());
    }
}

#[test]
fn the_pipeline_writes_both_reports_and_fails_for_a_mistake() {
    let text = recipe(".gitlab-ci.yml");
    let pipeline = yaml(&text);
    let mut wrong = pipeline.clone();
    wrong["profiles"]["script"] = Value::Bool(true);
    if let Some(answers) = Schema::Fetched("gitlab-ci").errors(&[pipeline.clone(), wrong]) {
        assert_eq!(answers[0], Vec::<String>::new());
        assert_ne!(answers[1], Vec::<String>::new());
    }
    let (Some(_), Some(python)) = (tool("jq"), tool("python3")) else {
        return;
    };
    let job = &pipeline["profiles"];
    let reports = &job["artifacts"]["reports"];
    let (junit, quality) = (
        reports["junit"].as_str().unwrap(),
        reports["codequality"].as_str().unwrap(),
    );
    // GitLab's runner hands all lines to one shell.
    let lines: Vec<&str> = job["script"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect();
    let script = format!("set -eo pipefail\n{}\n", lines.join("\n"));

    let repository = Repository::new();
    repository.run("bash", &["-c", &script]).expect_exit(0);
    assert_eq!(repository.json(quality), serde_json::json!([]));

    repository.make_a_mistake();
    let line = line_of_the_mistake(&repository);
    let run = repository.run("bash", &["-c", &script]).expect_exit(1);
    assert!(
        run.stderr.contains(&format!("--> profiles/lab/cluster.yaml:{line}:")),
        "{run}"
    );
    let quality = repository.json(quality);
    let [issue] = quality.as_array().unwrap().as_slice() else {
        panic!("{quality}");
    };
    // What GitLab's documentation asks of an entry.
    assert!(issue["description"].as_str().unwrap().contains("gatway"), "{issue}");
    assert_eq!(issue["check_name"], "P001");
    assert_eq!(issue["severity"], "major");
    assert_eq!(issue["location"]["path"], "profiles/lab/cluster.yaml");
    assert_eq!(issue["location"]["lines"]["begin"], line);
    assert!(issue["fingerprint"].as_str().is_some_and(|text| !text.is_empty()));
    let junit = fs::read_to_string(repository.work().join(junit)).unwrap();
    let request = serde_json::to_vec(&[junit]).unwrap();
    let mut command = Command::new(python);
    let read = Run::with_input(command.arg(root().join("tests/oracles/junit.py")), &request).expect_exit(0);
    assert!(
        read.stdout.contains("\"failure\"") && read.stdout.contains("P001"),
        "{read}"
    );
}
