//! Scripts: Tera templates whose values are quoted for the shell by the engine itself.

use std::io::{self, Write};

use flate2::Compression;
use serde::Serialize;
use tera::{Kwargs, State, Tera, TeraResult, Value};
use thiserror::Error;

use crate::gzip;

/// The one template: the block of variables at the top of `lxseed-firstboot`.
const VALUES: &str = "firstboot/values.sh";

/// Everything below that block, the same for every host, in the order of the file.
const CONSTANT: &[&str] = &[
    include_str!("../../templates/firstboot/common.sh"),
    include_str!("../../templates/firstboot/preflight.sh"),
    include_str!("../../templates/firstboot/purge.sh"),
    include_str!("../../templates/firstboot/snapd.sh"),
    include_str!("../../templates/firstboot/layers.sh"),
    include_str!("../../templates/firstboot/disks.sh"),
    include_str!("../../templates/firstboot/volumes.sh"),
    include_str!("../../templates/firstboot/peers.sh"),
    include_str!("../../templates/firstboot/lxd.sh"),
    include_str!("../../templates/firstboot/cluster.sh"),
    include_str!("../../templates/firstboot/trust.sh"),
    include_str!("../../templates/firstboot/verify.sh"),
    include_str!("../../templates/firstboot/seal.sh"),
    include_str!("../../templates/firstboot/converge.sh"),
    include_str!("../../templates/firstboot/main.sh"),
];

const UNIT: &str = include_str!("../../templates/firstboot/lxseed-firstboot.service");

/// A script could not be rendered.
#[derive(Debug, Error)]
pub enum ShellError {
    /// A template does not take these values.
    #[error("cannot render {template}: {source}")]
    Render {
        /// Which one.
        template: &'static str,
        /// What the engine said.
        source: tera::Error,
    },
    /// Answers that the debian-installer would not take, or take for something else.
    #[error("preseed.cfg, {0}: this is a mistake in lxseed, please report it")]
    Preseed(String),
}

/// A text of a machine, as a person reads it and as user-data carries it.
pub(super) struct Script {
    pub(super) text: String,
    /// gzip that unpacks to `text`, comments of the first boot's script left out: they would be a quarter of a seed.
    pub(super) packed: Vec<u8>,
}

/// The templates, parsed once.
pub(super) struct Scripts {
    tera: Tera,
    /// What is below the block of variables.
    constant: Script,
    unit: Script,
}

impl Scripts {
    pub(super) fn new() -> Result<Self, ShellError> {
        let tera = engine(
            VALUES,
            include_str!("../../templates/firstboot/values.sh"),
            escape,
        )?;
        let constant: String = CONSTANT.iter().flat_map(|part| ["\n", part]).collect();
        Ok(Self {
            tera,
            constant: Script {
                packed: gzip::pack(without_comments(&constant).as_bytes(), Compression::best()),
                text: constant,
            },
            unit: Script {
                packed: gzip::pack(UNIT.as_bytes(), Compression::best()),
                text: UNIT.to_owned(),
            },
        })
    }

    /// The whole `lxseed-firstboot` of one host.
    pub(super) fn firstboot(&self, values: &impl Serialize) -> Result<Script, ShellError> {
        let mut text = rendered(&self.tera, VALUES, values)?;
        let mut packed = gzip::pack(text.as_bytes(), Compression::fast());
        // Python's gzip, which cloud-init unpacks it with, takes one member after the other (RFC 1952, 2.2).
        packed.extend(&self.constant.packed);
        text.push_str(&self.constant.text);
        Ok(Script { text, packed })
    }

    /// The unit that runs it at boot.
    pub(super) fn unit(&self) -> &Script {
        &self.unit
    }
}

/// The script without the lines that are comments as a whole. The headings of its parts stay.
fn without_comments(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut until = None;
    for line in text.lines() {
        let comment = line.trim_start().starts_with('#') && !line.starts_with("# ---- ");
        match until {
            // A document within the script is text of another language.
            Some(end) if line == end => until = None,
            Some(_) => {}
            None if comment => continue,
            None => until = document(line),
        }
        bare.push_str(line);
        bare.push('\n');
    }
    bare
}

/// The line that ends the here-document which this line begins.
fn document(line: &str) -> Option<&str> {
    let (_, word) = line.split_once("<<")?;
    let word = word.trim_start_matches('\'');
    let length = word.find(|c: char| !c.is_ascii_uppercase());
    word.get(..length.unwrap_or(word.len()))
        .filter(|word| !word.is_empty())
}

/// An engine for one template, whose every value goes through `escape`.
pub(super) fn engine(
    template: &'static str,
    text: &'static str,
    escape: fn(&str, &mut dyn Write) -> io::Result<()>,
) -> Result<Tera, ShellError> {
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
        tera.autoescape_on(vec![".sh", ".cfg"]);
        tera.set_escape_fn(escape);
        tera.register_filter("words", words);
        tera.add_raw_templates(vec![(template, text)])
    };
    wrap(template, (load)())?;
    Ok(tera)
}

/// The template with these values.
pub(super) fn rendered(
    tera: &Tera,
    template: &'static str,
    values: &impl Serialize,
) -> Result<String, ShellError> {
    let context = wrap(template, tera::Context::from_serialize(values))?;
    wrap(template, tera.render(template, &context))
}

fn wrap<T>(template: &'static str, result: TeraResult<T>) -> Result<T, ShellError> {
    result.map_err(|source| ShellError::Render { template, source })
}

/// One word of a POSIX shell that stands for exactly `text`: single quotes keep everything but the single quote itself.
pub(super) fn escape(text: &str, output: &mut dyn Write) -> io::Result<()> {
    // A shell variable cannot hold NUL: the text would silently end there.
    if text.contains('\0') {
        return Err(io::Error::other(
            "a value for a script holds a NUL character",
        ));
    }
    for (at, part) in text.split('\'').enumerate() {
        output.write_all(if at == 0 { b"'" } else { br"'\''" })?;
        output.write_all(part.as_bytes())?;
    }
    output.write_all(b"'")
}

/// `<{ list | words }>`: each item as one quoted word, for the inside of a bash array.
fn words(list: &Value, _: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    let items = list
        .as_array()
        .ok_or_else(|| tera::Error::message("`words` takes a list"))?;
    let mut words = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let text = item
            .as_str()
            .ok_or_else(|| tera::Error::message("`words` takes a list of strings"))?;
        if at > 0 {
            words.push(b' ');
        }
        escape(text, &mut words).map_err(tera::Error::message)?;
    }
    let words = String::from_utf8(words).map_err(tera::Error::message)?;
    Ok(Value::safe_string(&words))
}
