//! Findings for programs, in a form of lxseed's own.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use super::access::Access;
use super::entry::{Entry, Report, Summary};

/// What `lxseed check --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "lxseed check report", deny_unknown_fields)]
struct Document {
    /// Counts up when a program that reads reports would have to be changed.
    version: u32,
    /// The lxseed that made the report.
    lxseed: &'static str,
    /// How much was checked and found.
    summary: Summary,
    /// The findings, by file, line and code.
    findings: Vec<Entry>,
    /// With `--summary`, where the site passes: who gets in and what may be erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<Vec<Access>>,
}

/// The report as JSON, described by [`schema`].
#[must_use]
pub fn render(report: &Report<'_>) -> String {
    let document = Document {
        version: 1,
        lxseed: env!("CARGO_PKG_VERSION"),
        summary: report.summary.clone(),
        findings: report.entries().collect(),
        access: report.access.clone(),
    };
    pretty(&document)
}

/// The JSON Schema (draft-07) of the report.
#[must_use]
pub fn schema() -> String {
    let generator = SchemaSettings::draft07().into_generator();
    pretty(&generator.into_root_schema_for::<Document>())
}

/// Serialization of plain structures into memory does not fail.
pub(super) fn pretty(document: &impl Serialize) -> String {
    serde_json::to_string_pretty(document).unwrap_or_default()
}
