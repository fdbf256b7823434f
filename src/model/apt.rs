//! Where packages come from, and which there shall be.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::domain::is_domain;
use super::proxy::ProxyUrl;

/// A mirror of Ubuntu's archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorUrl {
    /// The name or address, with its port where there is one.
    authority: String,
    host: String,
    /// With a slash in front and none behind.
    directory: String,
}

impl MirrorUrl {
    /// What an editor shows as wrong. The rest is the parser's.
    pub(crate) const PATTERN: &'static str = r"^http://[^/@?# ]+(/[A-Za-z0-9._~/+-]*)?$";

    fn of(authority: &str, host: String, directory: &str) -> Self {
        Self {
            authority: authority.to_ascii_lowercase(),
            host,
            directory: format!("/{}", directory.trim_matches('/')),
        }
    }

    /// Its name or address, without brackets and port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its name or address as in a URL.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The folder with `dists` and `pool` in it.
    #[must_use]
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// The URL that was meant, where that is beyond doubt.
    pub(crate) fn suggested_by(text: &str) -> Option<String> {
        let (bare, _) = text.split_once("/dists").unwrap_or((text, ""));
        let bare = bare.strip_prefix("deb ").unwrap_or(bare);
        let with_scheme = if bare.contains("://") {
            bare.to_owned()
        } else {
            format!("http://{bare}")
        };
        (with_scheme != text && (bare.contains('/') || bare.contains('.')))
            .then(|| with_scheme.parse::<Self>().ok())?
            .map(|url| url.to_string())
    }
}

impl FromStr for MirrorUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| !scheme.contains(' ')) else {
            return Err("a mirror begins with http://".to_owned());
        };
        if scheme != "http" {
            // Of d-i's wget; what comes over http is signed all the same.
            return Err("the installer fetches over http alone, and packages are signed".to_owned());
        }
        let (authority, directory) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("a profile holds no login of a mirror".to_owned());
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "._~/+-".contains(c);
        if !directory.chars().all(fits) || directory.contains("/dists/") || directory.contains("/pool/") {
            return Err("it is not the folder of an archive, with `dists` in it".to_owned());
        }
        let host = if let Ok(both) = authority.parse::<SocketAddr>() {
            both.ip().to_string()
        } else {
            let inner = authority.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            if let Some(Ok(address)) = inner.map(str::parse::<Ipv6Addr>) {
                return Ok(Self::of(authority, address.to_string(), directory));
            }
            let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
            if host.contains(':') || port.parse::<u16>().map_or(true, |port| port == 0) {
                return Err("its port is not one".to_owned());
            }
            if host.parse::<IpAddr>().is_err() && !is_domain(host) {
                return Err("its host is neither a name nor an address".to_owned());
            }
            host.to_ascii_lowercase()
        };
        Ok(Self::of(authority, host, directory))
    }
}

impl fmt::Display for MirrorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.directory)
    }
}

impl Serialize for MirrorUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The name of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package(String);

impl Package {
    /// As Debian's policy 5.6.1 has it.
    pub(crate) const PATTERN: &'static str = "^[a-z0-9][a-z0-9+.-]+$";

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name that was meant, where that is beyond doubt.
    pub(crate) fn suggested_by(text: &str) -> Option<String> {
        let lower = text.trim().to_ascii_lowercase();
        (lower != text)
            .then(|| lower.parse::<Self>().ok())?
            .map(|package| package.0)
    }
}

impl FromStr for Package {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+.-".contains(&byte);
        if text.contains(['=', '/']) {
            return Err("the archive has one version of a package; none is named".to_owned());
        }
        if text.ends_with(['+', '-']) && text != "g++" && !text.ends_with("++") {
            return Err("a name with a + or - behind it means something else to apt".to_owned());
        }
        if text.contains([' ', ',']) {
            return Err("these are several; write each as an item of its own".to_owned());
        }
        let begins = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if text.len() < 2 || !begins || !text.bytes().all(fits) {
            return Err("no package has such a name".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

/// A source of packages beside Ubuntu's own.
#[derive(Clone, Debug, Serialize)]
pub struct AptSource {
    /// Of its file, without the extension.
    pub name: String,
    /// A line of sources.list(5).
    pub source: String,
    /// The public key that signs it, ASCII-armoured.
    pub key: Option<String>,
}

/// Where packages come from, and which there shall be.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Apt {
    /// Instead of archive.ubuntu.com.
    pub mirror: Option<MirrorUrl>,
    /// Instead of security.ubuntu.com; there where `mirror` is.
    pub security_mirror: Option<MirrorUrl>,
    /// For http.
    pub proxy: Option<ProxyUrl>,
    /// Beside Ubuntu's own.
    pub sources: Vec<AptSource>,
    /// To be installed.
    pub packages: Vec<String>,
    /// Whether all packages are brought up to date.
    pub upgrade: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn mirrors() {
        for (text, meant) in [
            (
                "http://de.archive.ubuntu.com/ubuntu/",
                "http://de.archive.ubuntu.com/ubuntu",
            ),
            ("http://192.168.10.1:3142/ubuntu", "http://192.168.10.1:3142/ubuntu"),
            ("http://[fd00::1]/ubuntu", "http://[fd00::1]/ubuntu"),
            ("http://mirror", "http://mirror/"),
        ] {
            let url = text.parse::<MirrorUrl>();
            assert_eq!(url.map(|url| url.to_string()).as_deref(), Ok(meant), "{text}");
        }
        for (text, why, meant) in [
            (
                "mirror.example.org/ubuntu",
                "begins with",
                Some("http://mirror.example.org/ubuntu"),
            ),
            ("https://mirror.example.org/ubuntu", "over http alone", None),
            (
                "http://mirror.example.org/ubuntu/dists/bionic",
                "folder of an archive",
                Some("http://mirror.example.org/ubuntu"),
            ),
            (
                "http://mirror.example.org/ubuntu bionic main",
                "folder of an archive",
                None,
            ),
            (
                "deb http://mirror.example.org/ubuntu",
                "begins with",
                Some("http://mirror.example.org/ubuntu"),
            ),
            ("http://me@mirror/ubuntu", "no login", None),
            ("http://mirror:0/ubuntu", "port", None),
            ("http://mir_ror/ubuntu", "neither a name", None),
            ("http:///ubuntu", "neither a name", None),
            ("mirror", "begins with", None),
        ] {
            assert!(text.parse::<MirrorUrl>().unwrap_err().contains(why), "{text}");
            assert_eq!(MirrorUrl::suggested_by(text).as_deref(), meant, "{text}");
        }
    }

    #[test]
    fn packages() {
        for text in ["htop", "g++", "libstdc++6", "linux-tools-5.4.0-42-generic", "7zip"] {
            assert_eq!(text.parse::<Package>().unwrap().as_str(), text);
        }
        for (text, why) in [
            ("Htop", "no package"),
            ("htop=2.1", "one version"),
            ("htop/bionic", "one version"),
            ("htop iftop", "several"),
            ("htop-", "something else"),
            ("-htop", "no package"),
            ("--allow-downgrades", "no package"),
            ("h", "no package"),
        ] {
            assert!(text.parse::<Package>().unwrap_err().contains(why), "{text}");
        }
    }
}
