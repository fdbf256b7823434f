//! What is installed and fetched beside the first boot: packages, and the proxy they come through.
//!
//! Not by cloud-init's own `packages`: it runs before the first boot's unit is started, and without a limit.

use super::bare::without_comments;
use super::write_files::{Payload, WriteFile};
use crate::model::{Apt, Direct, Proxy, Services};

const SCRIPT: &str = include_str!("../../templates/packages/packages.sh");
const UNIT: &str = include_str!("../../templates/packages/lxseed-packages.service");

/// snapd's environment, as far as it is the profile's.
const PROXY_ENV: &str = "/etc/lxseed/proxy.env";

/// Whether there is anything to install.
pub(super) fn has_packages(services: &Services) -> bool {
    let apt = services.apt.as_ref();
    apt.is_some_and(|apt| apt.upgrade || !apt.packages.is_empty())
}

fn file<'a>(path: &str, text: String) -> WriteFile<'a> {
    WriteFile {
        path: path.to_owned(),
        permissions: "0644",
        content: Payload::Plain(text.into_bytes().into()),
    }
}

/// The files that follow from `proxy` and `apt`.
pub(super) fn files<'a>(services: &Services) -> Vec<WriteFile<'a>> {
    let mut files: Vec<WriteFile<'a>> = apt_conf(services).into_iter().collect();
    files.extend(services.proxy.iter().flat_map(snapd));
    files.extend(
        services
            .apt
            .iter()
            .filter(|_| has_packages(services))
            .flat_map(installing),
    );
    files
}

/// apt reads /etc/apt/apt.conf last of all, and the installer has written its own proxy there. For a host that is asked directly it
/// has a word of its own, for a domain it has none, and a colon it would take for a separator.
fn apt_conf<'a>(services: &Services) -> Option<WriteFile<'a>> {
    let (usual, apt) = (Proxy::default(), services.apt.as_ref());
    let proxy = services.proxy.as_ref().unwrap_or(&usual);
    let http = apt.and_then(|apt| apt.proxy.as_ref()).or(proxy.http.as_ref());
    let schemes = [("http", http), ("https", proxy.https.as_ref())];
    let mirrors = apt.iter().flat_map(|apt| [&apt.mirror, &apt.security_mirror]).flatten();
    let mut direct: Vec<&str> = mirrors
        .map(|mirror| mirror.host())
        .filter(|host| proxy.excepts(host))
        .collect();
    direct.extend(proxy.no_proxy.iter().map(Direct::as_str));
    direct.retain(|host| !host.starts_with('.') && !host.contains(':'));
    direct.sort_unstable();
    direct.dedup();
    let mut text = String::from("// Made by lxseed.\n");
    for (scheme, url) in schemes.into_iter().filter_map(|(scheme, url)| Some((scheme, url?))) {
        text += &format!("Acquire::{scheme}::Proxy \"{url}\";\n");
        for host in &direct {
            text += &format!("Acquire::{scheme}::Proxy::{host} \"DIRECT\";\n");
        }
    }
    schemes
        .iter()
        .any(|(_, url)| url.is_some())
        .then(|| file("/etc/apt/apt.conf", text))
}

/// snapd's environment comes from /etc/environment, which a later file outdoes; that is where `snap set system proxy.http` writes,
/// which does nothing before snapd's first snap is there. The first boot's own questions are asked without it.
fn snapd<'a>(proxy: &Proxy) -> [WriteFile<'a>; 2] {
    let mut env: String = proxy
        .schemes()
        .map(|(scheme, url)| format!("{scheme}_proxy={url}\n"))
        .collect();
    let own = ["localhost", "127.0.0.1", "::1"].into_iter();
    let direct: Vec<&str> = own.chain(proxy.no_proxy.iter().map(Direct::as_str)).collect();
    env += &format!("no_proxy={}\n", direct.join(","));
    [
        file(PROXY_ENV, env),
        file(
            "/etc/systemd/system/snapd.service.d/lxseed.conf",
            format!("[Service]\nEnvironmentFile=-{PROXY_ENV}\n"),
        ),
    ]
}

fn installing<'a>(apt: &Apt) -> [WriteFile<'a>; 2] {
    let upgrade = if apt.upgrade { "yes" } else { "" };
    let packages = apt.packages.join(" ");
    let constant = without_comments(SCRIPT);
    [
        file(
            "/etc/lxseed/packages",
            format!("#!/bin/sh\n# Made by lxseed.\nUPGRADE='{upgrade}'\nPACKAGES='{packages}'\n{constant}"),
        ),
        file("/etc/systemd/system/lxseed-packages.service", UNIT.to_owned()),
    ]
}
