//! Through whom machines reach the world.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::domain::is_domain;
use super::site::Cluster;

/// LXD's key for the proxy for http.
pub const LXD_PROXY_HTTP: &str = "core.proxy_http";
/// The one for https.
pub const LXD_PROXY_HTTPS: &str = "core.proxy_https";
/// LXD's own list of hosts that are reached without a proxy.
pub const LXD_PROXY_EXCEPTIONS: &str = "core.proxy_ignore_hosts";

/// A proxy: a name or an address, and a port. It is spoken to in plain HTTP, whatever is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyUrl {
    host: String,
    port: u16,
}

impl ProxyUrl {
    /// What an editor shows as wrong. The rest is the parser's.
    pub(crate) const PATTERN: &'static str = r"^http://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}/?$";

    /// Its name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The URL that was meant, where that is beyond doubt.
    pub(crate) fn suggested_by(text: &str) -> Option<String> {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let known = ["", "http", "https"].contains(&text.split_once("://").map_or("", |(scheme, _)| scheme));
        let bare = format!("http://{}", rest);
        (known && bare != text)
            .then(|| bare.parse::<Self>().ok())?
            .map(|url| url.to_string())
    }
}

impl FromStr for ProxyUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("a proxy begins with http://".to_owned());
        };
        match scheme {
            "http" => {}
            // The installer's own wget and many a proxy know no other way; what is fetched through it is encrypted all the same.
            "https" => return Err("a proxy is spoken to in plain HTTP, also about what is encrypted".to_owned()),
            _ => return Err("it is no HTTP proxy".to_owned()),
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err("a profile holds no login of a proxy".to_owned());
        }
        if rest.contains(['/', '?', '#']) {
            return Err("a proxy has no path".to_owned());
        }
        if let Ok(SocketAddr::V6(both)) = rest.parse() {
            return checked(both.ip().to_string(), both.port());
        }
        let Some((host, port)) = rest.rsplit_once(':').filter(|(host, _)| !host.contains(':')) else {
            return Err("the port is missing".to_owned());
        };
        let port = port.parse().map_err(|_| "its port is not one".to_owned())?;
        if host.parse::<IpAddr>().is_err() && !is_domain(host) {
            return Err("its host is neither a name nor an address".to_owned());
        }
        checked(host.to_ascii_lowercase(), port)
    }
}

fn checked(host: String, port: u16) -> Result<ProxyUrl, String> {
    if port == 0 {
        return Err("its port is not one".to_owned());
    }
    Ok(ProxyUrl { host, port })
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "http://[{host}]:{port}")
        } else {
            write!(f, "http://{host}:{port}")
        }
    }
}

impl Serialize for ProxyUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whom machines reach without a proxy: a name, all names below a domain (with a dot in front), or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Direct(String);

impl Direct {
    /// What an editor shows as wrong.
    pub(crate) const PATTERN: &'static str = "^([.]?[A-Za-z0-9][A-Za-z0-9.-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$";

    /// As every reader of `no_proxy` takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it means this host.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        host == self.0 || self.0.strip_prefix('.').is_some_and(|domain| host == domain) || {
            self.0.starts_with('.') && host.ends_with(&self.0)
        }
    }

    /// The exception that was meant, where that is beyond doubt.
    pub(crate) fn suggested_by(text: &str) -> Option<String> {
        let bare = text
            .split_once("://")
            .map_or(text, |(_, rest)| rest)
            .trim_end_matches(['/', '.']);
        let bare = bare.strip_prefix('*').unwrap_or(bare);
        let bare = match bare.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => bare.trim_start_matches('[').trim_end_matches(']'),
        };
        (bare != text)
            .then(|| bare.parse::<Self>().ok())?
            .map(|direct| direct.0)
    }
}

impl FromStr for Direct {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.to_string()));
        }
        if text
            .split_once('/')
            .is_some_and(|(address, _)| address.parse::<IpAddr>().is_ok())
        {
            // LXD reads them since 4.14 (canonical/lxd#8288), apt and the snapd of 18.04's media do not.
            return Err(
                "a network is not understood by everybody who asks; write its addresses or a domain".to_owned(),
            );
        }
        if text.contains([',', ' ']) {
            return Err("these are several; write each as an item of its own".to_owned());
        }
        if text.contains('*') {
            return Err("there are no wildcards; `.example.org` means all names below it".to_owned());
        }
        if !is_domain(text.strip_prefix('.').unwrap_or(text)) {
            return Err("it is neither a name, nor a domain, nor an address".to_owned());
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl Serialize for Direct {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Through whom machines ask for what is not of their own cluster.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Proxy {
    /// For http://.
    pub http: Option<ProxyUrl>,
    /// For https://: the snap store and LXD's images.
    pub https: Option<ProxyUrl>,
    /// Who is reached without it.
    pub no_proxy: Vec<Direct>,
}

impl Proxy {
    /// The proxy for each scheme that has one.
    pub fn schemes(&self) -> impl Iterator<Item = (&'static str, &ProxyUrl)> {
        let both = [("http", self.http.as_ref()), ("https", self.https.as_ref())];
        both.into_iter().filter_map(|(scheme, url)| Some((scheme, url?)))
    }

    /// Whether this host is reached without it.
    #[must_use]
    pub fn excepts(&self, host: &str) -> bool {
        self.no_proxy.iter().any(|direct| direct.covers(host))
    }

    /// LXD's list of those whom it reaches without a proxy, with these members among them.
    #[must_use]
    pub fn lxd_exceptions(&self, members: impl Iterator<Item = IpAddr>) -> String {
        let own = self.no_proxy.iter().map(|direct| match direct.0.parse() {
            Ok(address) => lxd_exception(address),
            Err(_) => direct.0.clone(),
        });
        let mut list: Vec<String> = members.map(lxd_exception).collect();
        for direct in own {
            if !list.contains(&direct) {
                list.push(direct);
            }
        }
        list.join(",")
    }
}

/// What LXD's configuration says of a proxy; nothing if the profile has none.
#[must_use]
pub fn lxd_proxy(cluster: &Cluster) -> Vec<(&'static str, String)> {
    let Some(proxy) = &cluster.services.proxy else {
        return Vec::new();
    };
    let url = |url: &Option<ProxyUrl>| url.as_ref().map_or_else(String::new, ToString::to_string);
    vec![
        (LXD_PROXY_HTTP, url(&proxy.http)),
        (LXD_PROXY_HTTPS, url(&proxy.https)),
        (
            LXD_PROXY_EXCEPTIONS,
            proxy.lxd_exceptions(cluster.hosts.iter().map(|host| host.address)),
        ),
    ]
}

/// An address in LXD's list: what is behind its last colon counts as a port, but for brackets (`useProxy` of shared/proxy.go).
#[must_use]
pub fn lxd_exception(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn proxies_are_read_and_written_alike() {
        for text in [
            "http://proxy.example.org:3128",
            "http://192.168.10.1:8080",
            "http://[fd00::1]:3128",
            "http://p:1",
        ] {
            assert_eq!(text.parse::<ProxyUrl>().unwrap().to_string(), text);
        }
        assert_eq!(
            "http://Proxy:80/".parse::<ProxyUrl>().unwrap().to_string(),
            "http://proxy:80"
        );
    }

    #[test]
    fn what_is_no_proxy_is_told_and_what_was_meant_too() {
        for (text, why, meant) in [
            ("proxy:3128", "begins with http://", Some("http://proxy:3128")),
            ("https://proxy:3128", "plain HTTP", Some("http://proxy:3128")),
            ("socks5://proxy:1080", "no HTTP proxy", None),
            ("http://me@proxy:3128", "no login", None),
            ("http://proxy", "port is missing", None),
            ("http://fd00::1", "port is missing", None),
            ("http://proxy:0", "not one", None),
            ("http://proxy:65536", "not one", None),
            ("http://proxy:", "not one", None),
            ("http://:3128", "neither a name", None),
            ("http://pro_xy:3128", "neither a name", None),
            ("http://192.168.10.256:3128", "neither a name", None),
            ("http://wpad.example.org/wpad.dat", "no path", None),
            ("http://", "port is missing", None),
            ("", "begins with http://", None),
        ] {
            assert!(text.parse::<ProxyUrl>().unwrap_err().contains(why), "{text}");
            assert_eq!(ProxyUrl::suggested_by(text).as_deref(), meant, "{text}");
        }
    }

    #[test]
    fn exceptions() {
        for text in ["mirror.example.org", ".example.org", "10.0.0.1", "fd00::1", "localhost"] {
            assert_eq!(text.parse::<Direct>().unwrap().as_str(), text);
        }
        for (text, why, meant) in [
            ("*.example.org", "wildcards", Some(".example.org")),
            ("*", "wildcards", None),
            ("10.0.0.0/8", "network", None),
            ("a.example.org,b.example.org", "these are several", None),
            ("http://mirror.example.org/", "neither", Some("mirror.example.org")),
            ("mirror.example.org:8080", "neither", Some("mirror.example.org")),
            ("[fd00::1]", "neither", Some("fd00::1")),
            ("<local>", "neither", None),
        ] {
            assert!(text.parse::<Direct>().unwrap_err().contains(why), "{text}");
            assert_eq!(Direct::suggested_by(text).as_deref(), meant, "{text}");
        }
        let domain: Direct = ".example.org".parse().unwrap();
        assert!(domain.covers("example.org") && domain.covers("a.b.example.org") && !domain.covers("anexample.org"));
        let proxy = Proxy {
            no_proxy: vec![domain, "fd00::1".parse().unwrap(), "10.0.0.1".parse().unwrap()],
            ..Proxy::default()
        };
        let members = ["10.0.0.1", "fd00::2"].map(|address| address.parse().unwrap());
        assert_eq!(
            proxy.lxd_exceptions(members.into_iter()),
            "10.0.0.1,[fd00::2],.example.org,[fd00::1]"
        );
    }
}
