//! What machines are told of the world around them: `timezone`, `locale`, `ntp`.

use serde_json::{Value, json};

use super::lower::{Spanned, record};
use super::types::form;

/// A time zone's name, as an editor knows it.
pub(super) fn zone() -> Value {
    form(
        "^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
        "a time zone such as Europe/Berlin; `timedatectl list-timezones` prints all",
        &["Europe/Berlin", "America/New_York", "Etc/UTC"],
    )
}

/// A locale's name, as an editor knows it.
pub(super) fn locale() -> Value {
    form(
        r"^(C\.UTF-8|[a-z]{2,3}_[A-Z]{2}(\.UTF-8)?)$",
        "a language, a country and UTF-8, such as de_DE.UTF-8",
        &["en_US.UTF-8", "de_DE.UTF-8", "C.UTF-8"],
    )
}

/// Names or addresses of time servers.
fn sources() -> Value {
    json!({"minItems": 1, "items": {"examples": ["ntp1.example.org", "192.168.10.1"]}})
}

record! {
    /// `ntp:` in cluster.yaml: whom the machines ask for the time, instead of Ubuntu's own servers.
    pub(crate) struct Ntp {
        /// Time servers, by name or address.
        optional servers: Vec<Spanned<String>> = sources(),
        /// Names that stand for many servers, each time others: `pool.ntp.org` and its kind.
        optional pools: Vec<Spanned<String>> = sources(),
    }
}

record! {
    /// `keyboard:` in cluster.yaml.
    pub(crate) struct Keyboard {
        /// The layout, as xkeyboard-config(7) lists them: a country's or language's letters.
        required layout: String = form("^[a-z]{2,5}$", "a layout's name such as de, gb or us", &["de", "gb", "us"]),
        /// The layout's variant.
        optional variant: String = json!({"examples": ["nodeadkeys"]}),
    }
}

impl Ntp {
    /// Everybody who is asked, in order. timesyncd has one list: a pool is a name like any other to it.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Spanned<String>> {
        [&self.servers, &self.pools]
            .into_iter()
            .flatten()
            .flat_map(|list| &list.value)
    }
}
