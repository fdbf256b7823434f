//! Scripts: Tera templates whose values are quoted for the shell by the engine itself.

use std::io::Write;

use serde::Serialize;
use tera::{Kwargs, State, Tera, TeraResult, Value};
use thiserror::Error;

/// The one template: the block of variables at the top of `lxseed-firstboot`.
const VALUES: &str = "firstboot/values.sh";

/// Everything below that block, the same for every host, in the order of the file.
const CONSTANT: &[&str] = &[
    include_str!("../../templates/firstboot/common.sh"),
    include_str!("../../templates/firstboot/preflight.sh"),
    include_str!("../../templates/firstboot/purge.sh"),
    include_str!("../../templates/firstboot/snapd.sh"),
    include_str!("../../templates/firstboot/disks.sh"),
    include_str!("../../templates/firstboot/volumes.sh"),
    include_str!("../../templates/firstboot/lxd.sh"),
    include_str!("../../templates/firstboot/cluster.sh"),
    include_str!("../../templates/firstboot/verify.sh"),
    include_str!("../../templates/firstboot/seal.sh"),
    include_str!("../../templates/firstboot/main.sh"),
];

/// The unit that runs the script at boot.
pub(super) const UNIT: &str = include_str!("../../templates/firstboot/lxseed-firstboot.service");

/// A script could not be rendered.
#[derive(Debug, Error)]
#[error("cannot render {template}: {source}")]
pub struct ShellError {
    template: &'static str,
    source: tera::Error,
}

/// The templates, parsed once.
pub(super) struct Scripts {
    tera: Tera,
}

impl Scripts {
    pub(super) fn new() -> Result<Self, ShellError> {
        let mut tera = Tera::new();
        // `${#x}` of the shell would start one of Tera's usual comments, `{{` stands in cloud-init's own templates.
        let delimiters = tera::Delimiters {
            block_start: "<%".into(),
            block_end: "%>".into(),
            variable_start: "<{".into(),
            variable_end: "}>".into(),
            comment_start: "<#".into(),
            comment_end: "#>".into(),
        };
        let load = || {
            tera.set_delimiters(delimiters)?;
            tera.autoescape_on(vec![".sh"]);
            tera.set_escape_fn(escape);
            tera.register_filter("words", words);
            tera.add_raw_templates(vec![(
                VALUES,
                include_str!("../../templates/firstboot/values.sh"),
            )])
        };
        wrap(VALUES, (load)())?;
        Ok(Self { tera })
    }

    /// The whole `lxseed-firstboot` of one host.
    pub(super) fn firstboot(&self, values: &impl Serialize) -> Result<String, ShellError> {
        let context = wrap(VALUES, tera::Context::from_serialize(values))?;
        let mut script = wrap(VALUES, self.tera.render(VALUES, &context))?;
        for part in CONSTANT {
            script.push('\n');
            script.push_str(part);
        }
        Ok(script)
    }
}

fn wrap<T>(template: &'static str, result: TeraResult<T>) -> Result<T, ShellError> {
    result.map_err(|source| ShellError { template, source })
}

/// One word of a POSIX shell that stands for exactly `text`: single quotes keep everything but the single quote itself.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn escape(text: &str, output: &mut dyn Write) -> std::io::Result<()> {
    // A shell variable cannot hold NUL: the text would silently end there.
    if text.contains('\0') {
        return Err(std::io::Error::other(
            "a value for a script holds a NUL character",
        ));
    }
    output.write_all(quote(text).as_bytes())
}

/// `<{ list | words }>`: each item as one quoted word, for the inside of a bash array.
fn words(list: &Value, _: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    let items = list
        .as_array()
        .ok_or_else(|| tera::Error::message("`words` takes a list"))?;
    let words = items.iter().map(|item| {
        let text = item
            .as_str()
            .ok_or_else(|| tera::Error::message("`words` takes a list of strings"))?;
        if text.contains('\0') {
            return Err(tera::Error::message(
                "a value for a script holds a NUL character",
            ));
        }
        Ok(quote(text))
    });
    Ok(Value::safe_string(
        &words.collect::<TeraResult<Vec<_>>>()?.join(" "),
    ))
}
