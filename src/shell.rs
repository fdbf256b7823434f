//! Shell scripts: Tera templates whose values are quoted for the shell by the engine itself.

use std::io::{self, Write};

use serde::Serialize;
use tera::{Kwargs, State, Tera, TeraResult, Value};
use thiserror::Error;

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
}

/// An engine for one template, whose every value goes through `escape`.
pub(crate) fn engine(
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
pub(crate) fn rendered(tera: &Tera, template: &'static str, values: &impl Serialize) -> Result<String, ShellError> {
    let context = wrap(template, tera::Context::from_serialize(values))?;
    wrap(template, tera.render(template, &context))
}

fn wrap<T>(template: &'static str, result: TeraResult<T>) -> Result<T, ShellError> {
    result.map_err(|source| ShellError::Render { template, source })
}

/// One word of a POSIX shell that stands for exactly `text`: single quotes keep everything but the single quote itself.
pub(crate) fn escape(text: &str, output: &mut dyn Write) -> io::Result<()> {
    // A shell variable cannot hold NUL: the text would silently end there.
    if text.contains('\0') {
        return Err(io::Error::other("a value for a script holds a NUL character"));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Command;

    use super::escape;

    /// What rules keep out of most values today, another value may have tomorrow.
    #[test]
    fn a_shell_reads_back_every_character() {
        let all: String = (1..=127_u8).map(char::from).collect();
        for text in [
            &*all,
            "$(>hit)`>hit`'\"\\;&|<>*?[a]{b}!#~%s=:,@^",
            "''\\''",
            "-n",
            " ",
            "ＷＤ-1",
        ] {
            let mut quoted = Vec::new();
            escape(text, &mut quoted).unwrap();
            let script = format!("printf %s. {}", String::from_utf8(quoted).unwrap());
            let shown = Command::new("sh").arg("-c").arg(script).output().unwrap();
            assert_eq!(String::from_utf8(shown.stdout).unwrap(), format!("{text}."));
        }
        assert!(escape("a\0b", &mut Vec::new()).is_err());
    }
}
