//! Which packages there shall be, and where further ones come from.

use super::release::release;
use super::resolver::{is_domain, repeats};
use crate::check::registry::{Check, Report};
use crate::check::view::SiteView;
use crate::finding::Edit;
use crate::profile::{Apt, Cluster, Spanned, entries, holds_private_key, quoted};

pub(super) static CHECKS: &[&Check] = &[
    &OWN_PACKAGE,
    &DUPLICATE_PACKAGE,
    &INVALID_SOURCE,
    &INVALID_SOURCE_KEY,
    &SOURCE_WITHOUT_KEY,
];

// Texts of the examples.
const CLUSTER: &str = "cluster.yaml";
const ADMIN: &str = "admin:\n";

static OWN_PACKAGE: Check = Check::error(
    "U005",
    "own-package",
    own_package,
    "Some packages are for lxseed to choose: apt's LXD would come first on PATH and hold the bridge and the ports, so that every first boot takes it off \
     again; a kernel follows from `kernel`; ifupdown would take the network over.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "apt: {packages: [lxd-client]}\nadmin:\n")],
    &[Edit::Replace(CLUSTER, ADMIN, "apt: {packages: [htop]}\nadmin:\n")],
);

/// What each profile says of packages.
fn apts<'a>(site: &SiteView<'a>) -> impl Iterator<Item = (&'a Cluster, &'a Apt)> {
    let with = |profile: &'a Cluster| Some((profile, &profile.apt.as_ref()?.value));
    site.profiles().filter_map(with)
}

fn own_package(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (profile, apt) in apts(site) {
        let Some(release) = release(profile) else {
            continue;
        };
        for package in apt.packages.iter().flat_map(|list| &list.value) {
            let name = package.value.as_str();
            let own = release.own_packages.iter().find(|(own, _)| *own == name);
            if let Some((_, instead)) = own {
                report
                    .add(
                        package.span,
                        format!("{name} is not for a profile to install"),
                        *instead,
                    )
                    .label("not among these");
            }
        }
    }
}

static DUPLICATE_PACKAGE: Check = Check::warning(
    "U006",
    "duplicate-package",
    duplicate_package,
    "A package is there or it is not; the same one twice is most likely another one misspelt.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "apt: {packages: [htop, htop]}\nadmin:\n")],
    &[Edit::Replace(
        CLUSTER,
        ADMIN,
        "apt: {packages: [htop, iftop]}\nadmin:\n",
    )],
);

fn duplicate_package(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (_, apt) in apts(site) {
        let packages = apt.packages.iter().flat_map(|list| &list.value);
        repeats(packages, |package| package.as_str().to_owned(), "package", report);
    }
}

static INVALID_SOURCE: Check = Check::error(
    "U007",
    "invalid-apt-source",
    invalid_source,
    "A line that apt cannot read ends every later run of apt with an error, and with it the first boot's own: `deb`, options in brackets, the \
     address over http or https, the release, and its parts. A PPA is such an address, too, and its key is on its page.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "apt:\n  sources:\n    docker: {source: \"ppa:docker/stable\"}\nadmin:\n")],
    &[Edit::Replace(
        CLUSTER,
        ADMIN,
        "apt:\n  sources:\n    docker:\n      source: deb https://download.docker.com/linux/ubuntu stable main\n      key: |\n        -----BEGIN PGP PUBLIC KEY BLOCK-----\n\n        mDMEXEcE6RYJKwYBBAHaRw8BAQdArjWwk3FAqyiFbFBKT4TzXcVBqPTB3gmzlC/Ub7O1u120\n        =tlPS\n        -----END PGP PUBLIC KEY BLOCK-----\nadmin:\n",
    )],
);

/// Why a line is none of sources.list(5), if so.
fn source_fault(line: &str) -> Option<&'static str> {
    if line.starts_with("ppa:") || line.starts_with("cloud-archive:") {
        return Some("is a short form, whose key a machine would ask a key server for");
    }
    if line.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
        return Some("has more than one line, or characters that are not ASCII");
    }
    let Some(rest) = ["deb ", "deb-src "].iter().find_map(|word| line.strip_prefix(word)) else {
        return Some("does not begin with `deb`");
    };
    let rest = match rest.trim_start().strip_prefix('[') {
        Some(options) => match options.split_once(']') {
            Some((_, rest)) => rest,
            None => return Some("has a bracket that is not closed"),
        },
        None => rest,
    };
    let mut words = rest.split_whitespace();
    let Some((scheme, place)) = words.next().and_then(|address| address.split_once("://")) else {
        return Some("has no address");
    };
    let host = place.split('/').next().unwrap_or(place);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    if !matches!(scheme, "http" | "https") || !(is_domain(host) || host.parse::<std::net::IpAddr>().is_ok()) {
        return Some("has an address that is not one over http or https");
    }
    let Some(suite) = words.next() else {
        return Some("names no release");
    };
    // cloud-init would fill some of them in, and end with an error at others.
    if line.contains('$') {
        return Some("has a variable in it");
    }
    let parts = words.count();
    match (suite.ends_with('/'), parts) {
        (false, 0) => Some("names no part of the release, such as main"),
        (true, 1..) => Some("names parts behind a folder"),
        _ => None,
    }
}

fn invalid_source(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (_, apt) in apts(site) {
        let lines = entries(apt.sources.as_ref()).iter();
        for line in lines.filter_map(|(_, source)| source.value.source.as_ref()) {
            if let Some(why) = source_fault(&line.value) {
                report
                    .add(
                        line.span,
                        format!("{} {why}", quoted(&line.value)),
                        "write a line such as `deb https://packages.example.org/ubuntu stable main`",
                    )
                    .label("not a source of packages");
            }
        }
        for (name, _) in entries(apt.sources.as_ref()) {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
            if name.value.is_empty()
                || name.value.len() > 64
                || name.value.starts_with(['-', '_'])
                || !name.value.bytes().all(fits)
            {
                report
                    .add(
                        name.span,
                        format!("{} cannot be the name of a source", quoted(&name.value)),
                        "write lower-case letters, digits, hyphens and underscores; `.list` is put behind it",
                    )
                    .label("not a name");
            }
        }
    }
}

static INVALID_SOURCE_KEY: Check = Check::error(
    "U008",
    "invalid-apt-key",
    invalid_source_key,
    "cloud-init gives the text to apt-key, which takes public keys in ASCII armour and nothing else: no fingerprint, no address, no file's name. With a \
     key that is not taken the source stays unsigned, and apt refuses it.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "apt:\n  sources:\n    docker: {source: \"deb https://download.docker.com/linux/ubuntu stable main\", key: 9DC858229FC7DD38854AE2D88D81803C0EBFCD88}\nadmin:\n")],
    &[],
);

/// Whether a text is one public key in ASCII armour (RFC 4880, 6.2), as far as can be told without reading it.
fn is_armoured(text: &str) -> bool {
    let mut lines = text.trim().lines().map(str::trim_end);
    let head = lines.next() == Some("-----BEGIN PGP PUBLIC KEY BLOCK-----");
    let end = lines.next_back() == Some("-----END PGP PUBLIC KEY BLOCK-----");
    // Headers, an empty line, the key.
    let mut body = lines.skip_while(|line| line.contains(": "));
    let blank = body.next() == Some("");
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    let body: Vec<&str> = body.collect();
    head && end && blank && !body.is_empty() && body.iter().all(|line| line.bytes().all(base64))
}

fn invalid_source_key(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (_, apt) in apts(site) {
        let keys = entries(apt.sources.as_ref()).iter();
        for key in keys.filter_map(|(_, source)| source.value.key.as_ref()) {
            if !is_armoured(&key.value) && !holds_private_key(&key.value) {
                let folded = key.value.contains("BEGIN PGP PUBLIC KEY BLOCK") && !key.value.trim().contains('\n');
                let help = if folded {
                    "YAML has folded its lines into one: write it as a `|` block, the empty line in it included"
                } else {
                    "write the key itself as a `|` block: what `gpg --armor --export` prints, from BEGIN to END"
                };
                report
                    .add(key.span, "the key is no public key in ASCII armour", help)
                    .label("not a key");
            }
        }
    }
}

static SOURCE_WITHOUT_KEY: Check = Check::warning(
    "U009",
    "apt-source-without-key",
    source_without_key,
    "apt takes packages from a source alone whose key it knows. Of keys the system has Ubuntu's own: without another one `apt-get update` fails for a \
     source that somebody else signs, and nothing is installed from it.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "apt:\n  sources:\n    docker: {source: \"deb https://download.docker.com/linux/ubuntu stable main\"}\nadmin:\n")],
    &[],
);

fn source_without_key(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (_, apt) in apts(site) {
        for (name, source) in entries(apt.sources.as_ref()) {
            let known = |line: &Spanned<String>| {
                ["ubuntu.com/ubuntu", "trusted=yes", "signed-by="]
                    .iter()
                    .any(|word| line.value.contains(word))
            };
            let Some(line) = &source.value.source else {
                continue;
            };
            if source.value.key.is_none()
                && !source.value.incomplete
                && source_fault(&line.value).is_none()
                && !known(line)
            {
                report
                    .add(
                        name.span,
                        format!("the source {} has no key", name.value),
                        "write the public key that signs it as `key: |`",
                    )
                    .label("signed by nobody that apt knows");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        for line in [
            "deb http://archive.ubuntu.com/ubuntu stable main universe",
            "deb-src [arch=amd64 trusted=yes] https://10.0.0.1:8080/x bionic main",
            "deb https://packages.example.org/flat ./",
        ] {
            assert_eq!(source_fault(line), None, "{line}");
        }
        for (line, why) in [
            ("ppa:x/y", "short form"),
            ("http://x.org/ubuntu stable main", "not begin"),
            ("deb x.org/ubuntu stable main", "no address"),
            ("deb ftp://x.org/ubuntu stable main", "over http"),
            ("deb http://x.org/ubuntu", "no release"),
            ("deb http://x.org/ubuntu bionic", "no part"),
            ("deb http://x.org/ubuntu ./ main", "behind a folder"),
            ("deb [arch=amd64 http://x.org/ubuntu stable main", "bracket"),
            ("deb http://x.org/ubuntu $(lsb_release -cs) main", "variable"),
            (
                "deb http://x.org/ubuntu stable main\ndeb http://y.org/ubuntu stable main",
                "one line",
            ),
        ] {
            assert!(
                source_fault(line).is_some_and(|found| found.contains(why)),
                "{line}: {:?}",
                source_fault(line)
            );
        }
    }
}
