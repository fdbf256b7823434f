//! The administrators' own client certificates, which LXD trusts from the first minute.

use std::collections::HashMap;

use time::Duration;

use crate::check::registry::{Check, Report};
use crate::check::view::{ClusterView, SiteView};
use crate::finding::Edit::Replace;
use crate::profile::{Spanned, entries, holds_private_key, quoted};
use crate::source::Span;
use crate::trust::{ClientCertificate, ClientKey, DESK_NAME};

pub(super) static CHECKS: &[&Check] = &[
    &INVALID_CLIENT_CERTIFICATE,
    &CERTIFICATE_NAMED_LIKE_HOST,
    &DUPLICATE_CLIENT_CERTIFICATE,
    &WEAK_CLIENT_CERTIFICATE,
    &LIFE_OF_CLIENT_CERTIFICATE,
    &CLIENT_CERTIFICATE_ENDS,
    &AUTHORITY_AS_CLIENT,
];

// Texts of the examples.
const CLUSTER: &str = "cluster.yaml";
pub(in crate::check) const USER: &str = "  user: ops\n";
pub(in crate::check) const DESK: &str = "  user: ops
  lxd_certificates:
    desk: |
      -----BEGIN CERTIFICATE-----
      MIHfMIGSoAMCAQICFDojyM0q3bvrbsG1/HrxeJocfLCjMAUGAytlcDAPMQ0wCwYD
      VQQDDARkZXNrMCAXDTIwMDEwMTAwMDAwMFoYDzIwOTkxMjMxMjM1OTU5WjAPMQ0w
      CwYDVQQDDARkZXNrMCowBQYDK2VwAyEA9+r+C54J7BCtpA1em16bn76NNXvW3nEo
      uVdonrBcNdQwBQYDK2VwA0EAS8uJqw6CGnKT+LmTIdhXQ5eU5lyisKQyuEEgk7i3
      MbomqKyHmh9CHsu9P4GgEF2OE9ZA91UE/1d/lDa0tTHgAg==
      -----END CERTIFICATE-----
";

/// Where a certificate that LXD takes comes from.
const NEW_PAIR: &str = "give ~/.config/lxc/client.crt of a desk; where client.crt and client.key were moved away, `lxc remote add` makes a new pair";

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
    "LXD refuses a client certificate that it cannot read, and the first `lxc` call from the administrator's desk would fail. The name becomes a \
     file's on the machine, a word of its script and a key of LXD's configuration, in which LXD takes letters, digits and punctuation \
     (lxd/config/map.go).",
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
        // Reported as one already.
        if holds_private_key(&pem.value) {
            continue;
        }
        let why = match ClientCertificate::parse(&pem.value) {
            Err(why) => why.to_string(),
            Ok(_) => match name_fits(&name.value) {
                Ok(()) => continue,
                Err(why) => {
                    let message = format!(
                        "{} cannot be the name of a client certificate: {why}",
                        quoted(&name.value)
                    );
                    report
                        .add(name.span, message, "name it after its desk or owner, like `desk`")
                        .label(why);
                    continue;
                }
            },
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

/// Longest name that is still a file's with what the machine puts around it, in bytes.
const NAME_MAX: usize = 200;

fn name_fits(name: &str) -> Result<(), &'static str> {
    // What Go's unicode.Punct has of ASCII, without what ends a path, a word or a JSON text.
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#%&'()*,-.:;?@[]_{}".contains(c);
    if name.is_empty() {
        Err("it is empty")
    } else if name.contains(char::is_whitespace) {
        Err("blanks are not possible in it")
    } else if !name.is_ascii() {
        Err("only letters of ASCII are possible in it")
    } else if name.starts_with('.') {
        Err("it would be a hidden file's")
    } else if name.len() > NAME_MAX {
        Err("it is too long")
    } else if !name.chars().all(fits) {
        Err("only letters, digits and punctuation are possible in it, and no slash, backslash or double quote")
    } else {
        Ok(())
    }
}

static CERTIFICATE_NAMED_LIKE_HOST: Check = Check::error(
    "A008",
    "certificate-named-like-host",
    certificate_named_like_host,
    "Members and clients share one trust store, in which LXD 5.21.5 and later want every name once: a client certificate with a host's name \
     keeps that host from joining, and `lxseed-desk` is the certificate by which lxseed itself asks the members.",
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
            if name.value == DESK_NAME {
                report
                    .add(
                        name.span,
                        format!(
                            "client certificate {} is named like the desk's own",
                            quoted(&name.value)
                        ),
                        "lxseed's own certificate has this name: name this one after its owner",
                    )
                    .label("the name of the desk's own");
            }
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
      MIHfMIGSoAMCAQICFDojyM0q3bvrbsG1/HrxeJocfLCjMAUGAytlcDAPMQ0wCwYD
      VQQDDARkZXNrMCAXDTIwMDEwMTAwMDAwMFoYDzIwOTkxMjMxMjM1OTU5WjAPMQ0w
      CwYDVQQDDARkZXNrMCowBQYDK2VwAyEA9+r+C54J7BCtpA1em16bn76NNXvW3nEo
      uVdonrBcNdQwBQYDK2VwA0EAS8uJqw6CGnKT+LmTIdhXQ5eU5lyisKQyuEEgk7i3
      MbomqKyHmh9CHsu9P4GgEF2OE9ZA91UE/1d/lDa0tTHgAg==
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
      MIIBpzCCARCgAwIBAgIUbPmQDl8R8Ta1uT7PkAEftlDYgJQwDQYJKoZIhvcNAQEL
      BQAwDzENMAsGA1UEAwwEZGVzazAgFw0yMDAxMDEwMDAwMDBaGA8yMDk5MTIzMTIz
      NTk1OVowDzENMAsGA1UEAwwEZGVzazCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkC
      gYEAt2ZJVyH3HS5fYfI4YHpQGDIvbNOp3rtXEq3RtKxKfHLztLAFu3JrJHXMKul6
      +vj7rXRNNagV20SfsQ5Hvfr1Ajg9QWrfXrM3wRT+oFNI6ntjlgadSo7zg0GvpW3q
      V/KSzscGDReK2gxlEcbNtylnH90ioiTbXY7IopDn9RVG++UCAwEAATANBgkqhkiG
      9w0BAQsFAAOBgQBJUL9wtCy+R19WNbpsAdC7rj/iQ+bYRcSOn/Llm6oc/JEOCFbF
      +AfdUTvyTfK5taUkn02crwoZQ5fnJdcHWwbz3ybdL+F57LpCpr0yevFwxd6OpT9g
      FNmdcUo9e07Em5dEEDBdETRnudD1xAlrb9ll1nn/m2xzcX3Pi2vVRjAu6g==
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
        report
            .add(
                name.span,
                format!("client certificate {} would not be let in: {why}", quoted(&name.value)),
                NEW_PAIR,
            )
            .label("would not be let in");
    }
}

static LIFE_OF_CLIENT_CERTIFICATE: Check = Check::error(
    "A014",
    "client-certificate-not-valid",
    life_of_client_certificate,
    "LXD takes no client certificate whose last day is past or whose first is still to come (certificateValidate), and TLS lets nobody in by one. \
     This looks at the clock of the machine that checks; what is built does not.",
)
.example(
    &[Replace(
        CLUSTER,
        USER,
        "  user: ops
  lxd_certificates:
    desk: |
      -----BEGIN CERTIFICATE-----
      MIHvMIGioAMCAQICFGK5Yp6HdAheXySgvuy4oE8FEDufMAUGAytlcDAPMQ0wCwYD
      VQQDDARkZXNrMB4XDTIwMDEwMTAwMDAwMFoXDTI0MTIzMTIzNTk1OVowDzENMAsG
      A1UEAwwEZGVzazAqMAUGAytlcAMhAIAWF4tZwBBkZJ1J3+dn1XCha3WFfHTznnyY
      fJ1GCvbJoxAwDjAMBgNVHRMBAf8EAjAAMAUGAytlcANBAKyTsiglHABOFF5OXmJ8
      Zah/hnug3fbpybYHztvDYYud91RagNXJYffPbqJ3UWRJ8Ll9Or4LZqMgGALgc40H
      3QA=
      -----END CERTIFICATE-----
",
    )],
    &[Replace(CLUSTER, USER, DESK)],
);

fn life_of_client_certificate(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (name, certificate) in site.clusters.iter().flat_map(certificates) {
        let (from, to) = (certificate.valid().start(), certificate.valid().end());
        let (message, label) = if *to < site.now {
            (format!("expired on {}", to.date()), "expired")
        } else if *from > site.now {
            (format!("is valid from {} on", from.date()), "not valid yet")
        } else {
            continue;
        };
        report
            .add(
                name.span,
                format!(
                    "client certificate {} {message}: LXD would not take it",
                    quoted(&name.value)
                ),
                NEW_PAIR,
            )
            .label(label);
    }
}

static CLIENT_CERTIFICATE_ENDS: Check = Check::warning(
    "A015",
    "client-certificate-ends-soon",
    client_certificate_ends,
    "Within thirty days nobody could use this certificate any more, and a machine that is installed after that does not even take it. `lxc` makes \
     certificates for ten years.",
)
.example(
    &[Replace(
        CLUSTER,
        USER,
        "  user: ops
  lxd_certificates:
    desk: |
      -----BEGIN CERTIFICATE-----
      MIHvMIGioAMCAQICFC0Jdf881IyawcrHVloWGvDJ9KEDMAUGAytlcDAPMQ0wCwYD
      VQQDDARkZXNrMB4XDTE2MDYyMDEyMDAwMFoXDTI2MDYyMDEyMDAwMFowDzENMAsG
      A1UEAwwEZGVzazAqMAUGAytlcAMhAHGGdb+FUfokoT6ZBuEqtB59vcFCv73GVjln
      6rAYzhEjoxAwDjAMBgNVHRMBAf8EAjAAMAUGAytlcANBACKI962+4jIoQ+YwLOyJ
      n1qHrAyIN0om15ngQPNRxuCRfhsYte49VF3giRHimKUCOqHg9scflsPb13Ox0ZSw
      Kgs=
      -----END CERTIFICATE-----
",
    )],
    &[Replace(CLUSTER, USER, DESK)],
);

/// How long before its end a certificate is told of.
const NOTICE: Duration = Duration::days(30);

fn client_certificate_ends(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (name, certificate) in site.clusters.iter().flat_map(certificates) {
        let end = *certificate.valid().end();
        if (site.now..=site.now.saturating_add(NOTICE)).contains(&end) {
            let message = format!("client certificate {} ends on {}", quoted(&name.value), end.date());
            report.add(name.span, message, NEW_PAIR).label("less than thirty days");
        }
    }
}

static AUTHORITY_AS_CLIENT: Check = Check::error(
    "A016",
    "authority-as-client",
    authority_as_client,
    "A certificate with `CA:TRUE` is that of an authority, which signs those of clients; LXD trusts each client by its own certificate and would let \
     in none of those that it signed. `lxc` makes its own with `CA:FALSE`; `openssl req -x509` makes authorities unless it is told \
     `-addext basicConstraints=critical,CA:FALSE`.",
)
.example(
    &[Replace(
        CLUSTER,
        USER,
        "  user: ops
  lxd_certificates:
    desk: |
      -----BEGIN CERTIFICATE-----
      MIIBNDCB26ADAgECAhQO/EeZMlaJhCF5GZ9hhY7zpmJAeTAKBggqhkjOPQQDAjAP
      MQ0wCwYDVQQDDARkZXNrMCAXDTIwMDEwMTAwMDAwMFoYDzIwOTkxMjMxMjM1OTU5
      WjAPMQ0wCwYDVQQDDARkZXNrMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEppjb
      d3WI7QPy61VRDOhGPmJlKHzqJj06yueIXsBFUPd62Sw/8T7sz7hmNP8z1+XaP93y
      8sUChO1q7SE2B0Sz1aMTMBEwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNI
      ADBFAiBFbzlwr2cC/mGYVENuBgHe4AMe3jmvZFqpyypufzoKRAIhAJYJSQfTy9YL
      qtwjHeZVRgcmPh3P3lX1FGAwF6I1bfP4
      -----END CERTIFICATE-----
",
    )],
    &[Replace(CLUSTER, USER, DESK)],
);

fn authority_as_client(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (name, certificate) in site.clusters.iter().flat_map(certificates) {
        if certificate.is_authority() {
            report
                .add(
                    name.span,
                    format!(
                        "client certificate {} is an authority's (CA:TRUE), not a client's",
                        quoted(&name.value)
                    ),
                    "give the desk's own ~/.config/lxc/client.crt, or make one with `-addext basicConstraints=critical,CA:FALSE`",
                )
                .label("an authority's");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use time::{Date, Month};

    use super::*;
    use crate::check::example::Example;

    #[test]
    fn a_name_is_one_that_lxd_and_the_machine_can_carry() {
        for name in [
            "desk",
            "alice@desk",
            "ci.runner_1",
            "1.5",
            "-x",
            "A",
            "a(b)",
            "o'neil",
            "a:b",
            "a*b",
            "50%",
            &"a".repeat(200),
        ] {
            assert_eq!(name_fits(name), Ok(()), "{name}");
        }
        for name in [
            "",
            " ",
            "a b",
            "a\tb",
            "a\n",
            "b\u{fc}ro",
            "a/b",
            "a\\b",
            "a\"b",
            ".a",
            "a+b",
            "a=b",
            "a$b",
            "a~b",
            "a<b>",
            "a|b",
            "a^b",
            "`a`",
            "a\u{7f}",
            "a\0",
            &"a".repeat(201),
        ] {
            assert!(name_fits(name).is_err(), "{name:?}");
        }
    }

    /// The codes that are found in the failing example of a rule, some days after its certificate was made.
    #[test]
    fn a_certificate_lives_from_its_first_moment_to_its_last() {
        // From 2016-06-20 12:00 to 2026-06-20 12:00.
        let day = |year, month, day, hour| {
            Date::from_calendar_date(year, month, day)
                .unwrap()
                .with_hms(hour, 0, 0)
                .unwrap()
                .assume_utc()
        };
        for (now, expected) in [
            (day(2016, Month::June, 20, 11), &["A014"][..]),
            (day(2016, Month::June, 20, 12), &[]),
            (day(2026, Month::May, 21, 11), &[]),
            (day(2026, Month::May, 21, 12), &["A015"]),
            (day(2026, Month::June, 20, 12), &["A015"]),
            (day(2026, Month::June, 20, 13), &["A014"]),
        ] {
            let checked = Example::Fails.check_at(&CLIENT_CERTIFICATE_ENDS.rule, now);
            let codes: Vec<&str> = checked.findings().iter().map(|finding| finding.rule.code).collect();
            assert_eq!(codes, expected, "{now}");
        }
    }

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
