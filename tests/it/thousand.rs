//! A thousand hosts in a thousand files with fifty mistakes: all fifty in one run, each at its place, and nothing else.

use std::collections::HashSet;

use crate::support::thousand::{Expected, write_site};
use crate::support::{assert_same_text, lxseed, temp_dir};

#[test]
fn fifty_mistakes_in_a_thousand_files_are_found_in_one_run() {
    let dir = temp_dir();
    let expected = write_site(&dir.path().join("site")).unwrap();
    assert_eq!(expected.len(), 50);
    let rules: HashSet<&str> = expected.iter().map(|mistake| mistake.code).collect();
    assert!(rules.len() >= 40, "the mistakes break {} rules only", rules.len());

    let run = lxseed(["check", "site", "--format", "json"])
        .dir(dir.path())
        .run()
        .expect_exit(1);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let found = report["findings"].as_array().unwrap().iter().map(|finding| {
        let place = &finding["place"];
        let file = place["file"].as_str().unwrap().strip_prefix("site/").unwrap();
        format!(
            "{file}:{} {}\n",
            place["start"]["line"],
            finding["code"].as_str().unwrap()
        )
    });
    let written = expected
        .iter()
        .map(|Expected { file, line, code }| format!("{file}:{line} {code}\n"));
    assert_same_text("the findings", &written.collect::<String>(), &found.collect::<String>());
}
