//! What hosts share: each model that is named is there, and each that is there is named.

use std::collections::HashSet;

use crate::check::registry::{Check, Report};
use crate::check::view::SiteView;
use crate::finding::Edit::Replace;
use crate::profile::{did_you_mean, entries, quoted, scalar};

pub(super) static CHECKS: &[&Check] = &[&UNKNOWN_MODEL, &UNUSED_MODEL];

const MODELS: &str = "models: {rack-1u: {disks: model}}\nadmin:\n";

static UNKNOWN_MODEL: Check = Check::error(
    "C014",
    "unknown-model",
    unknown_model,
    "A host that names a model takes what `models` in cluster.yaml says of it. Without that entry nobody knows what its machine has in common \
     with others, such as its disks profile.",
)
.example(
    &[
        Replace("cluster.yaml", "admin:\n", MODELS),
        Replace("hosts/hosts.yaml", "name: node2\ndisks: model", "name: node2\nmodel: rack-1u"),
        Replace("hosts/hosts.yaml", "name: node3\ndisks: model", "name: node3\nmodel: rack-u1"),
    ],
    &[
        Replace("cluster.yaml", "admin:\n", MODELS),
        Replace("hosts/hosts.yaml", "name: node2\ndisks: model", "name: node2\nmodel: rack-1u"),
        Replace("hosts/hosts.yaml", "name: node3\ndisks: model", "name: node3\nmodel: rack-1u"),
    ],
);

fn unknown_model(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let Some(profile) = cluster.profile() else { continue };
        if profile.models.is_none() && profile.unread.key("models") {
            continue;
        }
        let models = profile.models.as_ref();
        let known: Vec<_> = entries(models).iter().map(|(name, _)| name).collect();
        for name in cluster.hosts.iter().filter_map(|host| host.host().model.as_ref()) {
            if models.is_some_and(|models| models.value.may_have(&name.value)) {
                continue;
            }
            let names = known.iter().map(|name| name.value.as_str());
            let similar = did_you_mean(&name.value, names.clone());
            let help = match similar {
                Some(similar) => format!("did you mean `{similar}`?"),
                None if known.is_empty() => "write it in `models:` of cluster.yaml, or take the key out".to_owned(),
                None => format!("the models here are {}", names.collect::<Vec<_>>().join(", ")),
            };
            let message = format!("there is no model {}", quoted(&name.value));
            let finding = report.add(name.span, message, help);
            finding.label("no such model");
            match similar.and_then(|similar| known.iter().find(|name| name.value == similar)) {
                Some(meant) => {
                    finding
                        .also(meant.span, "there is this one")
                        .fix(name.span, scalar(&meant.value));
                }
                None => {
                    for other in known.iter().take(3) {
                        finding.also(other.span, "a model");
                    }
                }
            }
        }
    }
}

static UNUSED_MODEL: Check = Check::warning(
    "C015",
    "unused-model",
    unused_model,
    "A model that no host names describes machines that are not there; most likely their hosts are missing, or still name another one.",
)
.example(
    &[Replace("cluster.yaml", "admin:\n", MODELS)],
    &[
        Replace("cluster.yaml", "admin:\n", MODELS),
        Replace("hosts/hosts.yaml", "name: node3\ndisks: model", "name: node3\nmodel: rack-1u"),
    ],
);

fn unused_model(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let unsure = cluster.folder.hosts_incomplete || cluster.hosts.is_empty();
        // A host whose model is not there, or was reported, may be of this one.
        let models = cluster.profile().and_then(|profile| profile.models.as_ref());
        let is_unsure = |host: &crate::profile::Host| match &host.model {
            Some(name) => models.is_none_or(|models| models.value.get(&name.value).is_none()),
            None => host.unread.key("model"),
        };
        if unsure || cluster.hosts.iter().any(|host| is_unsure(host.host())) {
            continue;
        }
        let named = cluster.hosts.iter().filter_map(|host| host.host().model.as_ref());
        let named: HashSet<&str> = named.map(|name| name.value.as_str()).collect();
        let all = entries(models).iter().map(|(name, _)| name);
        for name in all.filter(|name| !named.contains(name.value.as_str())) {
            report
                .add(
                    name.span,
                    format!("no host is of model {}", quoted(&name.value)),
                    "write it as `model:` of its hosts, or take it out",
                )
                .label("not used");
        }
    }
}
