//! `apt` in cluster.yaml.

use serde_json::{Value, json};

use super::lower::{FromText, Misfit, Named, Spanned, entries, record};
use super::types::form;
use crate::model::{self, MirrorUrl, Package, ProxyUrl};

/// Names of files below /etc/apt/sources.list.d.
fn source_names() -> Value {
    json!({"propertyNames": form("^[a-z0-9][a-z0-9_-]{0,63}$", "a name of lower-case letters, digits, hyphens and underscores", &["docker"])})
}

record! {
    /// `apt:` in cluster.yaml.
    pub(crate) struct Apt {
        /// Where Ubuntu's packages come from instead of archive.ubuntu.com, for the installer and the machine. The installer stops
        /// with a question where it does not answer; a machine's first boot tries again until it does.
        optional mirror: MirrorUrl,
        /// The same for security.ubuntu.com; the one of `mirror` unless said otherwise.
        optional security_mirror: MirrorUrl,
        /// A proxy for what the installer and apt ask over http, such as apt-cacher-ng; the one of `proxy` unless said otherwise.
        optional proxy: ProxyUrl,
        /// Further sources of packages by a name that becomes a file in /etc/apt/sources.list.d.
        optional sources: Named<AptSource> = source_names(),
        /// Packages to install once the network is there, beside the first boot and each by itself: the cluster waits for none, and
        /// what fails is tried again every ten minutes (`systemctl status lxseed-packages`).
        optional packages: Vec<Spanned<Package>>,
        /// Whether all packages are brought up to date before that, once.
        optional upgrade: bool = json!({"default": false}),
    }
}

record! {
    /// One entry of `sources:` below `apt:`.
    pub(crate) struct AptSource {
        /// A line as in sources.list(5); the release stands there by its code name.
        required source: String = form(
            r"^deb(-src)? (\[[^\]]*\] )?https?://[^ ]+ [^ ]+( [^ ]+)*$",
            "a line such as `deb https://packages.example.org/ubuntu stable main`",
            &["deb https://packages.example.org/ubuntu stable main"],
        ),
        /// The public key that signs it, as a `|` block: what `gpg --armor --export` prints.
        optional key: String = form(
            "-----BEGIN PGP PUBLIC KEY BLOCK-----",
            "the public key itself as a `|` block",
            &["-----BEGIN PGP PUBLIC KEY BLOCK-----\n…\n-----END PGP PUBLIC KEY BLOCK-----\n"],
        ),
    }
}

impl Apt {
    /// Every mirror that is written.
    pub(crate) fn mirrors(&self) -> impl Iterator<Item = &Spanned<MirrorUrl>> {
        [&self.mirror, &self.security_mirror].into_iter().flatten()
    }

    /// As machines are told of it.
    pub(crate) fn accepted(&self) -> model::Apt {
        let mirror = self.mirror.as_ref().map(|url| url.value.clone());
        let packages = self.packages.iter().flat_map(|list| &list.value);
        let sources = entries(self.sources.as_ref()).iter().filter_map(|(name, source)| {
            Some(model::AptSource {
                name: name.value.clone(),
                source: source.value.source.as_ref()?.value.clone(),
                key: source.value.key.as_ref().map(|key| key.value.clone()),
            })
        });
        model::Apt {
            security_mirror: self
                .security_mirror
                .as_ref()
                .map(|url| url.value.clone())
                .or_else(|| mirror.clone()),
            mirror,
            proxy: self.proxy.as_ref().map(|url| url.value.clone()),
            sources: sources.collect(),
            packages: packages.map(|package| package.value.as_str().to_owned()).collect(),
            upgrade: self.upgrade.as_ref().is_some_and(|upgrade| upgrade.value),
        }
    }
}

impl FromText for MirrorUrl {
    const EXPECTED: &'static str = "a mirror such as http://mirror.example.org/ubuntu";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse()
            .map_err(|why: String| Misfit::from(why).suggestion(Self::suggested_by(text)))
    }

    fn limits() -> Value {
        form(Self::PATTERN, Self::EXPECTED, &["http://mirror.example.org/ubuntu"])
    }
}

impl FromText for Package {
    const EXPECTED: &'static str = "the name of a package, such as htop";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse()
            .map_err(|why: String| Misfit::from(why).suggestion(Self::suggested_by(text)))
    }

    fn limits() -> Value {
        form(Self::PATTERN, Self::EXPECTED, &["htop"])
    }
}
