//! The reports of `check` against the schemas of their formats and the rules of those who read them.
//!
//! What is reported are the failing examples of all rules, and a site whose names and values are as awkward as can be.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use lxseed::check::example::Example;
use lxseed::check::{Checked, check_files, rules};
use lxseed::finding::Severity;
use lxseed::report::{self, Options, Report};
use lxseed::source::Content;
use serde_json::Value;

use crate::support::json_schema::Schema;
use crate::support::{NOW, Run, root, tool};

/// File names that a link, a workflow command or an XML attribute could stumble over, and values that a terminal could.
fn awkward() -> Checked {
    let site = Utf8Path::new("a site");
    let file = |name: &str, text: &str| (site.join(name), Content::Bytes(text.as_bytes().to_vec()));
    let files: Vec<(Utf8PathBuf, Content)> = vec![
        file(
            "cluster.yaml",
            "\u{feff}name: \"\\e[31m::error::x\"\r\nubuntu: 18.04\r\nnetwork: &n {subnet: é::/64, gateway: *n}\r\n",
        ),
        file(
            "hosts/a b,c:d%20&<é>'\"#?.yaml",
            "name: \"a\\u202eb\\u0000\\r\\n]]>\"\ndisks: [\"\\uFFFE\"]\nnétwork: 😀 😀\n",
        ),
        file(
            "disks/\t.yaml",
            "name: |\n  two\n  lines\nos: {slot: \"%0A::add-mask::x\"}\nvolumes: {}\nvolumes: {}\n",
        ),
        file("disks/empty.yaml", ""),
        file("stray.yaml", "x"),
    ];
    check_files(site, files, NOW)
}

/// Everything that is reported, each with what it is for messages.
fn everything() -> Vec<(&'static str, Checked)> {
    let examples = rules()
        .into_iter()
        .filter(|rule| !rule.fails.is_empty())
        .map(|rule| (rule.code, Example::Fails.check(rule)));
    let shipped = lxseed::check::check(Utf8Path::from_path(&root().join("profiles")).unwrap(), NOW);
    [("awkward", awkward()), ("no findings", shipped)]
        .into_iter()
        .chain(examples)
        .collect()
}

/// Options that change what is in a report.
const OPTIONS: [(&str, Options); 4] = [
    ("", PLAIN),
    (" --strict", Options { strict: true, ..PLAIN }),
    (" --quiet", Options { quiet: true, ..PLAIN }),
    (
        " --max-findings 1",
        Options {
            max_findings: 1,
            ..PLAIN
        },
    ),
];

const PLAIN: Options = Options {
    strict: false,
    quiet: false,
    max_findings: 0,
    brief: false,
};

/// Every report with each of the options.
fn rendered(render: fn(&Report<'_>) -> String, options: &[(&str, Options)]) -> Vec<(String, String)> {
    let mut rendered = Vec::new();
    for (what, checked) in everything() {
        for (name, options) in options {
            rendered.push((format!("{what}{name}"), render(&Report::of(&checked, *options))));
        }
    }
    rendered
}

/// Fails unless every document fits the schema, and a spoiled one does not.
fn validate(schema: Schema<'_>, documents: &[(String, String)], spoil: fn(&mut Value)) {
    let mut values: Vec<Value> = documents
        .iter()
        .map(|(what, text)| serde_json::from_str(text).unwrap_or_else(|error| panic!("{what}: {error}")))
        .collect();
    let mut spoiled = values[0].clone();
    spoil(&mut spoiled);
    values.push(spoiled);
    let Some(mut answers) = schema.errors(&values) else {
        return;
    };
    assert_ne!(
        answers.pop().unwrap(),
        Vec::<String>::new(),
        "the schema accepts anything"
    );
    for ((what, text), errors) in documents.iter().zip(answers) {
        assert!(errors.is_empty(), "{what}: {errors:#?}\n{text}");
    }
}

#[test]
fn json_fits_its_published_schema() {
    let schema = serde_json::from_str(&report::json_schema()).unwrap();
    validate(Schema::Given(&schema), &rendered(report::json, &OPTIONS), |document| {
        document["findings"][0]["place"]["start"]["line"] = "1".into();
    });
}

#[test]
fn sarif_fits_the_schema_of_sarif_2_1_0() {
    let mut documents = rendered(report::sarif, &OPTIONS[..1]);
    // The table of rules is the same in all of them and by far the largest part: once is enough.
    for (_, text) in &mut documents[1..] {
        let mut log: Value = serde_json::from_str(text).unwrap();
        log["runs"][0]["tool"]["driver"]["rules"] = Value::Array(Vec::new());
        *text = log.to_string();
    }
    validate(Schema::Fetched("sarif"), &documents, |document| {
        document["runs"][0]["results"][0]["level"] = "fatal".into();
    });
}

/// A finding as the formats have to show it, taken from the finding itself.
struct Shown {
    code: &'static str,
    severity: Severity,
    file: String,
    line: usize,
    message: String,
}

fn shown(checked: &Checked) -> Vec<Shown> {
    let findings = checked.findings().iter().map(|finding| {
        let used = finding.primary.span.used();
        let file = checked.sources().file(used.file);
        let start = used.range().start.min(file.text.len());
        Shown {
            code: finding.rule.code,
            severity: finding.rule.severity,
            file: file.path.to_string(),
            line: file.text.as_bytes()[..start]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count()
                + 1,
            message: finding.message.clone(),
        }
    });
    findings.collect()
}

#[test]
fn sarif_names_the_files_and_lines() {
    let mut seen = 0;
    for (what, checked) in everything() {
        let log: Value = serde_json::from_str(&report::sarif(&Report::of(&checked, PLAIN))).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap();
        let expected = shown(&checked);
        assert_eq!(results.len(), expected.len(), "{what}");
        for (result, shown) in results.iter().zip(expected) {
            let place = &result["locations"][0]["physicalLocation"];
            let uri = place["artifactLocation"]["uri"].as_str().unwrap();
            assert!(
                uri.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%!$&'()*+,;=@".contains(&byte)),
                "{what}: {uri} is no relative URI"
            );
            assert_eq!(percent_decoded(uri), shown.file, "{what}");
            assert_eq!(place["region"]["startLine"], shown.line, "{what}");
            assert_eq!(result["ruleId"], shown.code, "{what}");
            seen += 1;
        }
    }
    assert!(seen > everything().len(), "only {seen} results");
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first == b'%' {
            let digits = std::str::from_utf8(&tail[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// A workflow command as the runner takes one line of output apart (actions/runner, `ActionCommand.TryParseV2`).
struct WorkflowCommand {
    name: String,
    properties: Vec<(String, String)>,
    data: String,
}

impl WorkflowCommand {
    fn parse(line: &str) -> Option<Self> {
        let rest = line.trim_start().strip_prefix("::")?;
        let (info, data) = rest.split_once("::")?;
        let (name, properties) = match info.split_once(' ') {
            Some((name, properties)) => (name, properties.trim()),
            None => (info, ""),
        };
        // What is not `key=value` is passed over by the runner.
        let properties = properties.split(',').filter_map(|pair| {
            let pair: Vec<&str> = pair.splitn(2, '=').collect();
            match pair.as_slice() {
                [key, value] if !value.is_empty() => Some(((*key).to_owned(), unescaped(value, true))),
                _ => None,
            }
        });
        Some(Self {
            name: name.to_owned(),
            properties: properties.collect(),
            data: unescaped(data, false),
        })
    }

    fn property(&self, key: &str) -> &str {
        let found = self.properties.iter().find(|(known, _)| known == key);
        found.map_or("", |(_, value)| value)
    }
}

/// The runner undoes its escapes one after the other, the percent sign last.
fn unescaped(text: &str, property: bool) -> String {
    let mut text = text.replace("%0D", "\r").replace("%0A", "\n");
    if property {
        text = text.replace("%3A", ":").replace("%2C", ",");
    }
    text.replace("%25", "%")
}

#[test]
fn a_workflow_runner_shows_each_finding_at_its_line() {
    let mut seen = 0;
    for (what, checked) in everything() {
        let text = report::github(&Report::of(&checked, PLAIN));
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let expected = shown(&checked);
        assert_eq!(lines.len(), expected.len(), "{what}:\n{text}");
        for (line, shown) in lines.into_iter().zip(expected) {
            let line = line.strip_suffix('\n').unwrap();
            assert!(!line.chars().any(char::is_control), "{what}: {line:?}");
            let command = WorkflowCommand::parse(line).unwrap_or_else(|| panic!("{what}: no command: {line}"));
            let kind = match shown.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            assert_eq!(command.name, kind, "{what}");
            // Control characters are shown escaped; all else comes through as it is.
            let file = lxseed::report::sanitize(&shown.file).into_owned();
            assert_eq!(command.property("file"), file, "{what}");
            assert_eq!(command.property("line"), shown.line.to_string(), "{what}");
            assert!(command.property("title").starts_with(shown.code), "{what}");
            let number = |key: &str| command.property(key).parse::<usize>();
            assert!(number("endLine").unwrap() >= shown.line, "{what}");
            if let (Ok(column), Ok(end)) = (number("col"), number("endColumn")) {
                assert!(column >= 1 && end >= column, "{what}: {line}");
            }
            let message: Vec<_> = shown.message.split('\n').map(lxseed::report::sanitize).collect();
            assert!(
                command.data.starts_with(&message.join("\n")),
                "{what}: {}",
                command.data
            );
            seen += 1;
        }
    }
    assert!(seen > everything().len(), "only {seen} commands");
}

#[test]
fn junit_is_read_by_others() {
    let Some(python) = tool("python3") else {
        return;
    };
    let documents = rendered(report::junit, &OPTIONS);
    let texts: Vec<&str> = documents.iter().map(|(_, text)| text.as_str()).collect();
    let request = serde_json::to_vec(&texts).unwrap();
    let mut command = Command::new(python);
    command.arg(root().join("tests/oracles/junit.py"));
    let run = Run::with_input(&mut command, &request).expect_exit(0);
    let answers: Vec<Vec<Value>> = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(answers.len(), documents.len());
    let answer = |what: &str| {
        let at = documents.iter().position(|(known, _)| known == what).unwrap();
        &answers[at]
    };
    for (what, checked) in everything() {
        let cases = answer(what);
        for shown in shown(&checked) {
            let file = lxseed::report::sanitize(&shown.file).into_owned();
            let outcome = match shown.severity {
                Severity::Error => "failure",
                Severity::Warning => "system-out",
            };
            let found = cases.iter().any(|case| {
                let name = case["name"].as_str().unwrap();
                case["file"] == *file
                    && case["outcome"] == outcome
                    && name.starts_with(shown.code)
                    && name.contains(&format!(" {}:", shown.line))
            });
            assert!(
                found,
                "{what}: {} at {file}:{} is not among {cases:#?}",
                shown.code, shown.line
            );
        }
        let strict = answer(&format!("{what} --strict"));
        assert!(strict.iter().all(|case| case["outcome"] != "system-out"), "{what}");
        assert_eq!(strict.len(), cases.len(), "{what}");
    }
    assert!(answer("no findings").iter().all(|case| case["outcome"] == "passed"));
}
