//! What LXD, OpenSSL and x509-parser make of the pairs.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use time::macros::{date, datetime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Version;

use super::*;
use crate::trust::testing::{Folder, have, run, secret};

// Computed from the key and the names by another implementation of HKDF (Python's hmac).
const NODE1_SCALAR: &str = "c4bb6d1c86408949209fe90d6155a00a505fa5d46e15e5cb06560e8e7cf3b1cf";
const NODE1_SERIAL: &str = "66cdb57ae8677d299b5ba84b69094ffc";

fn node1() -> KeyPair {
    secret().lxd_server("lab", "node1", 1).unwrap()
}

fn key_text(pair: &KeyPair) -> &str {
    str::from_utf8(pair.private_key_pem.expose()).unwrap()
}

fn made_on(created: Date) -> KeyPair {
    SiteSecret::generate(created).unwrap().lxd_cluster("lab", 1).unwrap()
}

#[test]
fn every_call_gives_the_same_bytes() {
    let (first, second) = (node1(), node1());
    assert_eq!(first.certificate_pem, second.certificate_pem);
    assert_eq!(first.certificate_der, second.certificate_der);
    assert_eq!(first.private_key_pem.expose(), second.private_key_pem.expose());
    assert_eq!(first.fingerprint, second.fingerprint);
}

// If this test fails, every host that was ever installed loses its identity at the next build.
#[test]
fn every_version_gives_the_same_bytes() {
    assert_eq!(
        node1().fingerprint,
        "cbd31f4e9664e96d155811b63ffe6fa15608c4c82ec18fd340a9159e59ca8f94"
    );
    let cluster = secret().lxd_cluster("lab", 1).unwrap();
    assert_eq!(
        cluster.fingerprint,
        "b79212f304d229dac6e2f1e1375cfeccd8008790f4034b82e330048133734bc5"
    );
    let key = SecretKey::from_sec1_pem(key_text(&node1())).unwrap();
    assert_eq!(hex::encode(&key.to_bytes()), NODE1_SCALAR);
}

#[test]
fn everything_that_goes_in_changes_the_pair() {
    let secret = secret();
    let other = SiteSecret::generate(date!(2026 - 11 - 23)).unwrap();
    let server = |cluster, host, generation| secret.lxd_server(cluster, host, generation).unwrap();
    let pairs = [
        server("lab", "node1", 1),
        server("lab", "node1", 2),
        server("lab", "node2", 1),
        server("lab2", "node1", 1),
        server("ab", "c", 1),
        server("a", "bc", 1),
        // A host may have the name of its cluster.
        server("lab", "lab", 1),
        secret.lxd_cluster("lab", 1).unwrap(),
        secret.lxd_cluster("lab", 2).unwrap(),
        secret.lxd_cluster("lab2", 1).unwrap(),
        other.lxd_server("lab", "node1", 1).unwrap(),
    ];
    let keys: HashSet<_> = pairs.iter().map(|pair| key_text(pair).to_owned()).collect();
    let serials: HashSet<_> = pairs
        .iter()
        .map(|pair| {
            X509Certificate::from_der(&pair.certificate_der)
                .unwrap()
                .1
                .raw_serial()
                .to_vec()
        })
        .collect();
    let fingerprints: HashSet<_> = pairs.iter().map(|pair| &pair.fingerprint).collect();
    assert_eq!((keys.len(), serials.len(), fingerprints.len()), (11, 11, 11));
}

#[test]
fn the_certificate_says_what_lxd_needs() {
    let pair = node1();
    let (rest, certificate) = X509Certificate::from_der(&pair.certificate_der).unwrap();
    assert!(rest.is_empty());
    assert_eq!(certificate.version(), X509Version::V3);
    assert_eq!(certificate.subject().to_string(), "O=LXD, CN=node1");
    assert_eq!(certificate.issuer().to_string(), "O=LXD, CN=node1");
    assert_eq!(hex::encode(certificate.raw_serial()), NODE1_SERIAL);
    assert_eq!(
        certificate.validity().not_before.to_datetime(),
        datetime!(2026-11-21 0:00 UTC)
    );
    assert_eq!(
        certificate.validity().not_after.to_datetime(),
        datetime!(2036-11-23 0:00 UTC)
    );

    let names = certificate.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names, [GeneralName::DNSName("node1")]);
    // Why there must be none is told where the certificate is made.
    assert!(certificate.key_usage().unwrap().is_none());
    let extended = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && !extended.client_auth && !extended.any && extended.other.is_empty());
    assert!(!certificate.basic_constraints().unwrap().unwrap().value.ca);
    let key_ids: Vec<_> = certificate
        .iter_extensions()
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.len()),
            _ => None,
        })
        .collect();
    assert_eq!(key_ids, [20]);
    assert_eq!(pair.fingerprint, hex::encode(&Sha256::digest(&pair.certificate_der)));
}

#[test]
fn the_signature_is_right_and_deterministic() {
    let pair = node1();
    let (_, certificate) = X509Certificate::from_der(&pair.certificate_der).unwrap();
    let public = certificate.public_key().subject_public_key.data.as_ref();
    let verifying = VerifyingKey::from_sec1_bytes(public).unwrap();
    let signature = Signature::from_der(&certificate.signature_value.data).unwrap();
    let signed = certificate.tbs_certificate.as_ref();
    verifying.verify(signed, &signature).unwrap();
    assert!(verifying.verify(&signed[1..], &signature).is_err());

    let key = SecretKey::from_sec1_pem(key_text(&pair)).unwrap();
    let signing = SigningKey::from(&key);
    assert_eq!(signing.verifying_key(), &verifying);
    let again: Signature = signing.sign(signed);
    assert_eq!(again, signature);
}

#[test]
fn signing_follows_rfc_6979() {
    // RFC 6979, A.2.5: curve P-256, SHA-256, message "sample".
    let mut key = [0; SCALAR_BYTES];
    hex::decode(
        "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
        &mut key,
    )
    .unwrap();
    let signer = DeterministicSigner::new(&SecretKey::from_slice(&key).unwrap());
    let der = rcgen::SigningKey::sign(&signer, b"sample").unwrap();
    let signature = Signature::from_der(&der).unwrap();
    assert_eq!(
        hex::encode(&signature.to_bytes()),
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
         f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    );
}

#[test]
fn numbers_outside_the_group_are_passed_over() {
    let good = [7; SCALAR_BYTES];
    let bad = [[0; SCALAR_BYTES], [0xff; SCALAR_BYTES]];
    assert_eq!(
        scalar(&[bad[0], bad[1], good].concat()).unwrap().to_bytes().as_slice(),
        good
    );
    assert!(scalar(&bad.concat()).is_none());
}

#[test]
fn ten_years_end_on_a_day_that_exists() {
    assert_eq!(not_after(date!(2028 - 02 - 29)), datetime!(2038-02-28 0:00 UTC));
    assert_eq!(not_after(date!(2028 - 02 - 28)), datetime!(2038-02-28 0:00 UTC));
    assert_eq!(not_after(date!(2100 - 12 - 31)), datetime!(2110-12-31 0:00 UTC));
    assert_eq!(not_before(date!(2028 - 03 - 01)), datetime!(2028-02-28 0:00 UTC));
    assert_eq!(not_before(date!(2027 - 01 - 01)), datetime!(2026-12-30 0:00 UTC));
}

#[test]
fn dates_beyond_2049_are_written_in_full() {
    // RFC 5280, 4.1.2.5: UTCTime ends with 2049.
    for created in [date!(2020 - 01 - 01), date!(2045 - 06 - 15), date!(2100 - 12 - 31)] {
        let pair = made_on(created);
        let (_, certificate) = X509Certificate::from_der(&pair.certificate_der).unwrap();
        assert_eq!(certificate.validity().not_before.to_datetime(), not_before(created));
        assert_eq!(certificate.validity().not_after.to_datetime(), not_after(created));
    }
}

#[test]
fn names_that_cannot_be_matched_are_refused() {
    let long = "a".repeat(63);
    let secret = secret();
    for name in ["n", "node1", "rack-2.example.org", "1", &long] {
        assert!(secret.lxd_server("lab", name, 1).is_ok(), "{name}");
        assert!(secret.ssh_host_key("lab", name, 1).is_ok(), "{name}");
    }
    let too_long = format!("{long}.b");
    let label_too_long = "a".repeat(64);
    for name in [
        "",
        ".",
        "a.",
        "-a",
        "a-",
        "a_b",
        "a b",
        "a\nb",
        "é",
        "*.a",
        "10.0.0.1",
        "::1",
        &too_long,
        &label_too_long,
    ] {
        let refused = |error| matches!(error, TrustError::Name { .. });
        assert!(refused(secret.lxd_server("lab", name, 1).unwrap_err()), "{name}");
        assert!(refused(secret.lxd_cluster(name, 1).unwrap_err()), "{name}");
        assert!(refused(secret.ssh_host_key("lab", name, 1).unwrap_err()), "{name}");
    }
}

#[test]
fn the_texts_are_plain_pem() {
    let pair = node1();
    for (text, label) in [
        (pair.certificate_pem.as_str(), "CERTIFICATE"),
        (key_text(&pair), "EC PRIVATE KEY"),
    ] {
        assert!(text.starts_with(&format!("-----BEGIN {label}-----\n")));
        assert!(text.ends_with(&format!("\n-----END {label}-----\n")));
        assert!(text.is_ascii() && !text.contains('\r'));
        assert!(text.lines().all(|line| line.len() <= 64));
    }
}

#[test]
fn debug_keeps_the_key_back() {
    let pair = node1();
    let shown = format!("{pair:?}");
    for line in key_text(&pair).lines().filter(|line| !line.starts_with('-')) {
        assert!(!shown.contains(line));
    }
    assert!(shown.contains("[secret]"));
}

#[test]
fn openssl_reads_it() {
    if !have("openssl") {
        return;
    }
    let folder = Folder::new();
    let pair = node1();
    let certificate = folder.write("server.crt", &pair.certificate_pem, 0o644);
    let key = folder.write("server.key", key_text(&pair), 0o600);
    let (certificate, key) = (certificate.as_str(), key.as_str());

    let text = run(
        "openssl",
        &["x509", "-noout", "-text", "-nameopt", "RFC2253", "-in", certificate],
    );
    for part in [
        "Issuer: CN=node1,O=LXD",
        "Subject: CN=node1,O=LXD",
        "Not Before: Nov 21 00:00:00 2026 GMT",
        "Not After : Nov 23 00:00:00 2036 GMT",
        "ecdsa-with-SHA256",
        "ASN1 OID: prime256v1",
        "DNS:node1",
        "TLS Web Server Authentication",
        "CA:FALSE",
        "66:cd:b5:7a:e8:67:7d:29:9b:5b:a8:4b:69:09:4f:fc",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }

    // The dates are of 2026, whatever the clock says.
    let noon = datetime!(2030-01-01 12:00 UTC).unix_timestamp().to_string();
    let verify = [
        "verify",
        "-attime",
        &noon,
        "-purpose",
        "sslserver",
        "-CAfile",
        certificate,
        certificate,
    ];
    assert!(run("openssl", &verify).ends_with(": OK\n"));

    let of_certificate = run("openssl", &["x509", "-noout", "-pubkey", "-in", certificate]);
    let of_key = run("openssl", &["ec", "-pubout", "-in", key]);
    assert_eq!(of_certificate, of_key);
    let shown = run(
        "openssl",
        &["x509", "-noout", "-fingerprint", "-sha256", "-in", certificate],
    );
    let (_, shown) = shown.trim().split_once('=').unwrap();
    assert_eq!(shown.replace(':', "").to_lowercase(), pair.fingerprint);
}
