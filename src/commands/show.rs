//! `lxseed show`: the whole of what holds for a host, and where each value comes from.

use std::io::{self, IsTerminal as _};

use lxseed::check::{Checked, Holding, Origin};
use lxseed::model::Site;
use lxseed::report::{did_you_mean, sanitize};
use serde::Serialize;
use serde_json::Value;

use super::accept::accepted;
use super::site::{self, Found};
use super::{CommandError, Outcome};
use crate::cli::{ShowArgs, StatusFormat};
use crate::terminal::printer::Printer;
use crate::terminal::table::width;

pub(super) fn show(args: &ShowArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let Found { site, .. } = site::find(args.site.as_deref())?;
    let checked = lxseed::check::check(&site, super::now());
    let Some(site) = accepted(&checked, "", printer)? else {
        return Ok(Outcome::Findings);
    };
    let (cluster, host) = find(&site, &args.host)?;
    let missing = || CommandError::Refused(format!("the profile of {cluster}/{host} has no name of its own"));
    let holdings = checked.holds(&cluster, &host).ok_or_else(missing)?;
    match args.format {
        StatusFormat::Text => {
            printer.line(format_args!("{cluster}/{host}"));
            for line in lines(&holdings, &checked) {
                printer.line(line);
            }
        }
        StatusFormat::Json => printer.styled(&(json(&cluster, &host, &holdings, &checked) + "\n")),
    }
    Ok(Outcome::Done)
}

/// The host that is named: `CLUSTER/HOST`, or its name where one cluster alone has it.
fn find(site: &Site, named: &str) -> Result<(String, String), CommandError> {
    let usage = |message: String| Err(CommandError::Usage(message));
    let all: Vec<(String, String)> = site
        .clusters
        .iter()
        .flat_map(|cluster| {
            let hosts = cluster.hosts.iter();
            hosts.map(|host| (cluster.name.to_string(), host.name.to_string()))
        })
        .collect();
    let is_meant = |(cluster, host): &&(String, String)| match named.split_once('/') {
        Some((of, name)) => cluster == of && host == name,
        None => host == named,
    };
    let found: Vec<&(String, String)> = all.iter().filter(is_meant).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let known: Vec<String> = all
                .iter()
                .map(|(cluster, host)| match named.contains('/') {
                    true => format!("{cluster}/{host}"),
                    false => host.clone(),
                })
                .collect();
            let help = match did_you_mean(named, known.iter().map(String::as_str)) {
                Some(similar) => format!("did you mean `{similar}`?"),
                None if site.clusters.iter().any(|cluster| cluster.name.as_str() == named) => {
                    format!("it is a cluster: write {named}/HOST")
                }
                None if known.len() > 12 => format!("there are {} hosts", known.len()),
                None => format!("the hosts are {}", known.join(", ")),
            };
            usage(format!("there is no host `{named}`; {help}"))
        }
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|(cluster, host)| format!("`{cluster}/{host}`"))
                .collect();
            usage(format!(
                "{named}: several clusters have it; write {}",
                names.join(" or ")
            ))
        }
    }
}

/// The place of a value, as `FILE:LINE`.
fn place(holding: &Holding, checked: &Checked) -> Option<(String, usize)> {
    let span = holding.span?.used();
    let file = checked.sources().file(span.file);
    Some((file.path.to_string(), file.place(span.range().start).line))
}

/// Where a value comes from, in words.
fn origin(holding: &Holding, checked: &Checked) -> String {
    let at = place(holding, checked).map_or_else(String::new, |(file, line)| format!("{file}:{line}"));
    match &holding.origin {
        Origin::Host | Origin::Cluster => at,
        Origin::Model(name) => format!("model {name}, {at}"),
        Origin::Defaults => format!("defaults, {at}"),
        Origin::Disks => format!("disks profile, {at}"),
        Origin::Lxseed => "default of lxseed".to_owned(),
    }
}

/// A value on lines of its own: each item of a list, and of a text of several lines how many there are.
fn shown(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) if items.is_empty() => vec!["none".to_owned()],
        Value::Array(items) => {
            let items: Vec<String> = items.iter().flat_map(shown).collect();
            let line = items.join(", ");
            if line.chars().count() <= 60 { vec![line] } else { items }
        }
        Value::String(text) => match text.trim_end().lines().count() {
            0 | 1 => vec![text.trim_end().to_owned()],
            count => vec![format!("({count} lines)")],
        },
        Value::Null => vec!["none".to_owned()],
        Value::Object(keys) if keys.is_empty() => vec!["none".to_owned()],
        other => vec![other.to_string()],
    }
}

/// How wide the column of values is at the most: few are longer, and these go on as long as they are.
const COLUMN: usize = 44;

/// A line for each key, in columns.
fn lines(holdings: &[Holding], checked: &Checked) -> Vec<String> {
    let mut rows: Vec<(&str, [String; 3])> = Vec::new();
    for holding in holdings {
        for (at, value) in shown(&holding.value).into_iter().enumerate() {
            let (key, origin) = match at {
                0 => (holding.key.clone(), origin(holding, checked)),
                _ => (String::new(), String::new()),
            };
            let row = [key, value, origin].map(|cell| sanitize(&cell).into_owned());
            rows.push((holding.of, row));
        }
    }
    let widest = |column: usize| {
        rows.iter()
            .map(|(_, row)| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let (keys, values, origins) = (widest(0), widest(1), widest(2));
    // What does not fit beside its origin is cut, where a person looks at it.
    let room = match io::stdout().is_terminal() {
        true => width().saturating_sub(2 + keys + 2 + 2 + origins).max(16),
        false => usize::MAX,
    };
    let values = values.min(room).min(COLUMN);
    let mut lines = Vec::new();
    let mut last = "";
    for (of, [key, value, origin]) in &rows {
        if *of != last {
            lines.push(String::new());
            lines.push((*of).to_owned());
            last = of;
        }
        let value = match value.chars().count() > room {
            true => value.chars().take(room - 1).chain(['…']).collect(),
            false => value.clone(),
        };
        lines.push(
            format!("  {key:keys$}  {value:values$}  {origin}")
                .trim_end()
                .to_owned(),
        );
    }
    lines
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Json<'a> {
    format: u32,
    cluster: &'a str,
    host: &'a str,
    holds: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    of: &'a str,
    key: &'a str,
    value: &'a Value,
    origin: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

fn json(cluster: &str, host: &str, holdings: &[Holding], checked: &Checked) -> String {
    let rows = holdings.iter().map(|holding| {
        let (file, line) = place(holding, checked).unzip();
        let (origin, model) = match &holding.origin {
            Origin::Host => ("host", None),
            Origin::Model(name) => ("model", Some(name.as_str())),
            Origin::Defaults => ("defaults", None),
            Origin::Disks => ("disks", None),
            Origin::Cluster => ("cluster", None),
            Origin::Lxseed => ("lxseed", None),
        };
        Row {
            of: holding.of,
            key: &holding.key,
            value: &holding.value,
            origin,
            model,
            file,
            line,
        }
    });
    let document = Json {
        format: 1,
        cluster,
        host,
        holds: rows.collect(),
    };
    // Serialization of plain values into memory does not fail.
    serde_json::to_string_pretty(&document).unwrap_or_default()
}
