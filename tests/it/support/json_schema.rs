//! What JSON Schemas say of documents: python3-jsonschema, as tests/setup unpacked it.

use std::process::Command;

use serde_json::{Value, json};

use super::{Run, tool};

/// A schema: one that is given, or one of those that tests/setup fetched (`sarif`, `github-workflows`, `gitlab-ci`).
#[derive(Clone, Copy)]
pub(crate) enum Schema<'a> {
    Given(&'a Value),
    Fetched(&'a str),
}

impl Schema<'_> {
    /// What is wrong with each of the documents, nothing for one that fits. `None` if the validator is not here.
    pub(crate) fn errors(self, documents: &[Value]) -> Option<Vec<Vec<String>>> {
        let program = tool("json-schema")?;
        let (name, schema) = match self {
            Self::Given(schema) => ("given", schema.clone()),
            Self::Fetched(name) => (name, Value::Null),
        };
        let jobs: Vec<Value> = documents.iter().map(|document| json!([name, document])).collect();
        let request = json!({"schemas": {name: schema}, "jobs": jobs}).to_string();
        let run = Run::with_input(&mut Command::new(program), request.as_bytes()).expect_exit(0);
        let answers: Vec<Vec<String>> = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(answers.len(), documents.len());
        Some(answers)
    }
}
