//! `cloud_config:` of a host, and the file that it names.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use super::describe::{Describe, merged};
use super::leaks::{leaks, leaks_around};
use super::lower::{Lower, Spanned, Where, quoted, record, wrong_type};
use super::placeholders::is_unfilled;
use super::rules::PLACEHOLDER;
use super::types::form;
use crate::finding::Findings;
use crate::model::When;
use crate::source::{FileId, Kind, Node};

fn file() -> Value {
    form(
        r"^[^/].*\.ya?ml$",
        "a *.yaml file inside the cluster's folder",
        &["extra.yaml"],
    )
}

record! {
    /// `cloud_config:` where it says more than the file's name.
    pub(crate) struct CloudConfigFile {
        /// A `#cloud-config` in the folder of cluster.yaml or below, relative to it.
        required file: String = file(),
        /// When its `runcmd` runs: `before` the first boot begins, so that it is done before LXD is installed; or `after` the
        /// first boot has begun, which nobody waits for. It runs once for each new seed.
        optional runcmd: When,
    }
}

/// `cloud_config:` of a host: the name of a file, or a mapping.
#[derive(Clone, Debug)]
pub(crate) struct CloudConfig {
    /// The file's name, relative to cluster.yaml.
    pub(crate) file: Option<Spanned<String>>,
    /// When its commands run.
    pub(crate) runcmd: Option<Spanned<When>>,
    /// Something in it was reported.
    pub(crate) incomplete: bool,
}

impl Lower for CloudConfig {
    fn lower(node: &Node, where_: Where<'_>, findings: &mut Findings) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => {
                let CloudConfigFile {
                    file,
                    runcmd,
                    incomplete,
                    ..
                } = CloudConfigFile::lower(node, where_, findings)?;
                Some(Self {
                    file,
                    runcmd,
                    incomplete,
                })
            }
            Kind::List(_) | Kind::Null => {
                let help = "write `cloud_config: extra.yaml` or `cloud_config: {file: extra.yaml, runcmd: before}`";
                wrong_type(node, where_, "text or a mapping", help.to_owned(), findings);
                None
            }
            _ => {
                let value = String::lower(node, where_, findings)?;
                let span = node.span;
                Some(Self {
                    file: Some(Spanned { value, span }),
                    runcmd: None,
                    incomplete: false,
                })
            }
        }
    }
}

impl Describe for CloudConfig {
    fn schema() -> Value {
        json!({"anyOf": [merged(String::schema(), file()), CloudConfigFile::schema()]})
    }
}

/// A file that a host names.
#[derive(Debug)]
pub(crate) struct Extra {
    pub(crate) path: Utf8PathBuf,
    pub(crate) file: FileId,
    /// What is in it; none if it could not be read, or is no `#cloud-config`.
    pub(crate) node: Option<Node>,
}

/// The path of a file that a host of the cluster in a folder names; none if it leads out of it.
pub(crate) fn path(folder: &Utf8Path, named: &str) -> Option<Utf8PathBuf> {
    let inside = |component: Utf8Component<'_>| matches!(component, Utf8Component::Normal(_) | Utf8Component::CurDir);
    let components: Vec<Utf8Component<'_>> = Utf8Path::new(named).components().collect();
    let normal = components.iter().copied().all(inside);
    let path = components
        .iter()
        .filter(|component| **component != Utf8Component::CurDir);
    let path: Utf8PathBuf = path.collect();
    (normal && !path.as_str().is_empty()).then(|| folder.join(path))
}

/// The first line of a `#cloud-config`, which decides whether cloud-init takes it for one.
pub(crate) const HEADER: &str = "#cloud-config";

/// Reads the text of such a file, which has its header.
pub(super) fn read(
    text: &str,
    file: FileId,
    findings: &mut Findings,
    not_yaml: impl FnOnce(&crate::source::YamlError, &mut Findings),
) -> Option<Node> {
    let mut documents = match crate::source::parse(text, file) {
        Ok(documents) => documents,
        Err(error) => {
            if leaks_around(text, file, findings).is_empty() {
                not_yaml(&error, findings);
            }
            return None;
        }
    };
    for document in &documents {
        leaks(document, findings);
        unfilled(document, Where::top("cloud-config"), findings);
    }
    leaks_around(text, file, findings);
    (documents.len() == 1).then(|| documents.remove(0))
}

/// Whether what looks like a template may be meant for a shell.
fn is_script(where_: Where<'_>, text: &str) -> bool {
    let is_command = [where_.name(), where_.parent().unwrap_or_default()].contains(&"runcmd");
    let is_text = is_command || where_.name() == "content";
    text.contains(['\n', '$']) || is_text && text.contains([' ', '{'])
}

/// Reports what was to be filled in.
fn unfilled(node: &Node, where_: Where<'_>, findings: &mut Findings) {
    match &node.kind {
        Kind::Text(text) if !is_script(where_, text) && is_unfilled(where_, text) => {
            let message = format!("`{where_}` was to be filled in: it is {}", quoted(text));
            findings
                .add(&PLACEHOLDER, node.span, message, "write the real value")
                .label("a placeholder");
        }
        Kind::List(items) => items.iter().for_each(|item| unfilled(item, where_, findings)),
        Kind::Map(entries) => {
            for (key, value) in entries {
                let name = key.name.as_deref().unwrap_or_default();
                unfilled(value, where_.below(name), findings);
            }
        }
        _ => {}
    }
}
