//! `proxy` in cluster.yaml.

use serde_json::Value;

use super::lower::{FromText, Misfit, Spanned, record};
use super::types::form;
use crate::model::{self, Direct, ProxyUrl};

record! {
    /// `proxy:` in cluster.yaml.
    pub(crate) struct Proxy {
        /// For what is asked over http, such as Ubuntu's archive. Without a login: a profile never holds a secret.
        optional http: ProxyUrl,
        /// For what is asked over https, such as the snap store and LXD's images; the one of `http` unless said otherwise.
        optional https: ProxyUrl,
        /// Who is reached without it: names, domains with a dot in front, and addresses. The cluster's members always are.
        optional no_proxy: Vec<Spanned<Direct>>,
    }
}

impl Proxy {
    /// Every proxy that is written.
    pub(crate) fn written(&self) -> impl Iterator<Item = &Spanned<ProxyUrl>> {
        [&self.http, &self.https].into_iter().flatten()
    }

    /// As machines are told of it.
    pub(crate) fn accepted(&self) -> model::Proxy {
        let http = self.http.as_ref().map(|url| url.value.clone());
        let no_proxy = self.no_proxy.iter().flat_map(|list| &list.value);
        model::Proxy {
            https: self
                .https
                .as_ref()
                .map(|url| url.value.clone())
                .or_else(|| http.clone()),
            http,
            no_proxy: no_proxy.map(|direct| direct.value.clone()).collect(),
        }
    }
}

impl FromText for ProxyUrl {
    const EXPECTED: &'static str = "a proxy such as http://192.168.10.1:3128, with its port";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse()
            .map_err(|why: String| Misfit::from(why).suggestion(Self::suggested_by(text)))
    }

    fn limits() -> Value {
        form(Self::PATTERN, Self::EXPECTED, &["http://192.168.10.1:3128"])
    }
}

impl FromText for Direct {
    const EXPECTED: &'static str = "a name, a domain such as .example.org, or an address";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse()
            .map_err(|why: String| Misfit::from(why).suggestion(Self::suggested_by(text)))
    }

    fn limits() -> Value {
        form(
            Self::PATTERN,
            Self::EXPECTED,
            &["mirror.example.org", ".example.org", "192.168.10.1"],
        )
    }
}
