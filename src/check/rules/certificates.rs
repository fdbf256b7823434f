//! The administrators' own client certificates, which LXD trusts from the first minute.

use std::collections::HashMap;

use crate::check::registry::{Check, Report};
use crate::check::view::{ClusterView, SiteView};
use crate::finding::Edit::Replace;
use crate::profile::{Spanned, entries, quoted};
use crate::source::Span;
use crate::trust::{ClientCertificate, ClientCertificateError, ClientKey};

pub(super) static CHECKS: &[&Check] = &[
    &INVALID_CLIENT_CERTIFICATE,
    &CERTIFICATE_NAMED_LIKE_HOST,
    &DUPLICATE_CLIENT_CERTIFICATE,
    &WEAK_CLIENT_CERTIFICATE,
];

// Texts of the examples.
const CLUSTER: &str = "cluster.yaml";
const USER: &str = "  user: ops\n";
const DESK: &str = "  user: ops
  lxd_certificates:
    desk: |
      -----BEGIN CERTIFICATE-----
      MIHYMIGLAhQjW4CeBfdnqatO1F/P0zXTkS0BKDAFBgMrZXAwDzENMAsGA1UEAwwE
      ZGVzazAeFw0yNjExMjQxMDI4MTRaFw0zNjExMjExMDI4MTRaMA8xDTALBgNVBAMM
      BGRlc2swKjAFBgMrZXADIQBgh3JFt5HRnC3PWvt0BkDETs7oFyqfN6gt+m82XRyx
      yzAFBgMrZXADQQCw2ER+cFUZquUhaEqJni6bTBFQvVus430QvqXBUpC3OE+JKhfV
      2jwuoZg+Y8stcVaGHRPd9S7NlqbZuwzbHLgJ
      -----END CERTIFICATE-----
";

/// The cluster's certificates that can be read, each with its name.
fn certificates<'a>(cluster: &ClusterView<'a>) -> impl Iterator<Item = (&'a Spanned<String>, ClientCertificate)> {
    written(cluster)
        .iter()
        .filter_map(|(name, pem)| Some((name, ClientCertificate::parse(&pem.value).ok()?)))
}

fn written<'a>(cluster: &ClusterView<'a>) -> &'a [(Spanned<String>, Spanned<String>)] {
    let admin = cluster.profile().and_then(|profile| profile.admin.as_ref());
    entries(admin.and_then(|admin| admin.value.lxd_certificates.as_ref()))
}

static INVALID_CLIENT_CERTIFICATE: Check = Check::error(
    "A007",
    "invalid-client-certificate",
    invalid_client_certificate,
    "LXD refuses a client certificate that it cannot read, and the first `lxc` call from the administrator's desk would fail.",
)
.example(
    &[Replace(
        CLUSTER,
        USER,
        "  user: ops
  lxd_certificates:
    desk: ~/.config/lxc/client.crt
",
    )],
    &[
        Replace(CLUSTER, USER, DESK),
        Replace(CLUSTER, "    desk: |\n", "    desk: |\n      made by lxc at the desk\n"),
    ],
);

fn invalid_client_certificate(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (name, pem) in site.clusters.iter().flat_map(written) {
        let label_fits = name
            .value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            && name.value.len() <= 63
            && !name.value.starts_with(['.', '-']);
        let why = match ClientCertificate::parse(&pem.value) {
            // Reported as a private key in a profile already.
            Err(ClientCertificateError::PrivateKey) => continue,
            Err(why) => why.to_string(),
            Ok(_) if !label_fits => {
                "its name has other characters than letters, digits, hyphens, dots and underscores".to_owned()
            }
            Ok(_) => continue,
        };
        let help = "write the PEM text of the desk's client certificate (~/.config/lxc/client.crt) as a `|` block";
        report
            .add(
                name.span,
                format!("client certificate {} cannot be used: {why}", quoted(&name.value)),
                help,
            )
            .label("cannot be used");
    }
}

static CERTIFICATE_NAMED_LIKE_HOST: Check = Check::error(
    "A008",
    "certificate-named-like-host",
    certificate_named_like_host,
    "Members and clients share one trust store, in which LXD 5.21.5 and later want every name once: a client certificate with a host's name \
     keeps that host from joining.",
)
.example(
    &[
        Replace(CLUSTER, USER, DESK),
        Replace(CLUSTER, "    desk: |", "    node2: |"),
    ],
    &[Replace(CLUSTER, USER, DESK)],
);

fn certificate_named_like_host(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        for (name, _) in written(cluster) {
            if let Some(host) = cluster.host_names().find(|host| host.value == name.value) {
                report
                    .add(
                        name.span,
                        format!("client certificate {} is named like a host", quoted(&name.value)),
                        "name it after the desk it is from",
                    )
                    .label("the same name")
                    .also(host.span, "the host");
            }
        }
    }
}

static DUPLICATE_CLIENT_CERTIFICATE: Check = Check::error(
    "A012",
    "duplicate-client-certificate",
    duplicate_client_certificate,
    "LXD knows a client by the fingerprint of its certificate and keeps each once (`Certificate already in trust store`). Of two names only one \
     would be there, and whoever takes that one out, because the desk is lost, would see the other one still let it in.",
)
.example(
    &[Replace(
        CLUSTER,
        USER,
        "  user: ops
  lxd_certificates:
    desk: &desk |
      -----BEGIN CERTIFICATE-----
      MIHYMIGLAhQjW4CeBfdnqatO1F/P0zXTkS0BKDAFBgMrZXAwDzENMAsGA1UEAwwE
      ZGVzazAeFw0yNjExMjQxMDI4MTRaFw0zNjExMjExMDI4MTRaMA8xDTALBgNVBAMM
      BGRlc2swKjAFBgMrZXADIQBgh3JFt5HRnC3PWvt0BkDETs7oFyqfN6gt+m82XRyx
      yzAFBgMrZXADQQCw2ER+cFUZquUhaEqJni6bTBFQvVus430QvqXBUpC3OE+JKhfV
      2jwuoZg+Y8stcVaGHRPd9S7NlqbZuwzbHLgJ
      -----END CERTIFICATE-----
    laptop: *desk
",
    )],
    &[Replace(CLUSTER, USER, DESK)],
);

fn duplicate_client_certificate(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let mut first_use: HashMap<String, (&str, Span)> = HashMap::new();
        for (name, certificate) in certificates(cluster) {
            let fingerprint = certificate.fingerprint().to_owned();
            match first_use.get(&fingerprint) {
                Some((first, span)) => {
                    let message = format!(
                        "client certificates {} and {} are the same one, {}",
                        quoted(first),
                        quoted(&name.value),
                        &fingerprint[..12]
                    );
                    let help = "keep one of the two, or give each desk a certificate of its own";
                    report
                        .add(name.span, message, help)
                        .label("the same certificate")
                        .also(*span, "first given here");
                }
                None => {
                    first_use.insert(fingerprint, (&name.value, name.span));
                }
            }
        }
    }
}

static WEAK_CLIENT_CERTIFICATE: Check = Check::error(
    "A013",
    "weak-client-certificate",
    weak_client_certificate,
    "LXD refuses a client certificate with an RSA key below 2048 bits (certificateValidate), and Go's TLS 1.3, which LXD speaks, one above 8192 \
     bits or of a kind other than RSA, Ed25519 and ECDSA on P-256, P-384 or P-521 (crypto/tls). `lxc` itself makes ECDSA keys on P-384.",
)
.example(
    &[Replace(
        CLUSTER,
        USER,
        "  user: ops
  lxd_certificates:
    desk: |
      -----BEGIN CERTIFICATE-----
      MIIBoDCCAQkCFGb5WqKx1O6PnjlOZAN4ruQz2p+WMA0GCSqGSIb3DQEBCwUAMA8x
      DTALBgNVBAMMBGRlc2swHhcNMjYxMTI0MTAyODE0WhcNMzYxMTIxMTAyODE0WjAP
      MQ0wCwYDVQQDDARkZXNrMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDoOXkb
      /5q5YHmdOQD9ydnBCadzdXqRMg24XElWBwezsnB/KbV0L6GMG6pdVAje4BtlCg20
      VSMGNWvIAFpAvyhmV543lnGaZZOCQqguixKThanmeACwzIfoRYHEYomnI7qWvLsh
      GWoa5aSBhCSJSYHI3cQg29oA7FazFpe5BO9anwIDAQABMA0GCSqGSIb3DQEBCwUA
      A4GBADiKSpjHBkM6/CA8LcCqZm0v3iDHpaL7O4sZuCOoTwQIWlTmWJp6GCS71QKV
      0T4PMPjdqayRfPiiZg3vVUAqis/Tshrt+/aKjbSgHT3alHN6VFsTmD4TtoHjPH2h
      hrYlMT9YD6SgtWXWq2CXSluLd7gVdnRDip0jMqxo+5CBoViY
      -----END CERTIFICATE-----
",
    )],
    &[Replace(CLUSTER, USER, DESK)],
);

/// Sizes of RSA keys that LXD and Go's TLS take, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

fn weak_client_certificate(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (name, certificate) in site.clusters.iter().flat_map(certificates) {
        let why = match certificate.key() {
            ClientKey::Rsa(bits) if RSA_BITS.contains(&bits) => continue,
            ClientKey::Rsa(bits) if bits < *RSA_BITS.start() => {
                format!("its RSA key has {bits} bits, and LXD wants 2048")
            }
            ClientKey::Rsa(bits) => format!("its RSA key has {bits} bits, and TLS takes 8192"),
            ClientKey::Ecdsa | ClientKey::Ed25519 => continue,
            ClientKey::Other => "its key is neither RSA nor Ed25519 nor ECDSA on P-256, P-384 or P-521".to_owned(),
        };
        let help = "give ~/.config/lxc/client.crt of a desk; where client.crt and client.key were moved away, `lxc remote add` makes a new pair";
        report
            .add(
                name.span,
                format!("client certificate {} would not be let in: {why}", quoted(&name.value)),
                help,
            )
            .label("would not be let in");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::check::example::Example;

    /// Python's `ssl` on the machine takes nothing before the first line.
    #[test]
    fn text_around_a_certificate_stays_behind() {
        let site = Example::Passes
            .check(&INVALID_CLIENT_CERTIFICATE.rule)
            .accept()
            .unwrap();
        let pem = &site.clusters[0].admin.lxd_certificates[0].pem;
        let [first, .., last] = pem.lines().collect::<Vec<_>>()[..] else {
            panic!("{pem}");
        };
        assert_eq!(first, "-----BEGIN CERTIFICATE-----");
        assert_eq!(last, "-----END CERTIFICATE-----");
        assert!(pem.ends_with('\n') && !pem.contains("made by"), "{pem}");
    }
}
