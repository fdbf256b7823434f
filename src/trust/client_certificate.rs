//! An administrator's own LXD client certificate, the public half, as a profile holds it.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use thiserror::Error;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{OID_EC_P256, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_SIG_ED25519};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

use crate::hex;

/// The largest text that is taken for a certificate, in bytes.
const MAX_PEM_BYTES: usize = 64 * 1024;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const TAIL: &str = "-----";
const LABEL: &str = "CERTIFICATE";
/// Characters of base64 in a line (RFC 7468, 2).
const PEM_COLUMNS: usize = 64;

/// A well-formed client certificate; whether its dates are right is for those who know the time, and nothing is said of
/// its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientCertificate {
    der: Vec<u8>,
    fingerprint: String,
    key: ClientKey,
    valid: RangeInclusive<OffsetDateTime>,
    is_authority: bool,
}

/// What kind of key a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientKey {
    /// RSA, with the size of its modulus in bits, up to the next byte.
    Rsa(usize),
    /// ECDSA on P-256, P-384 or P-521.
    Ecdsa,
    /// Ed25519.
    Ed25519,
    /// A kind or a curve that Go's TLS 1.3 does not have.
    Other,
}

/// Why a text is not one client certificate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum ClientCertificateError {
    /// The text is a private key.
    #[error(
        "this is or holds a private key: give only the certificate (client.crt), \
         and replace the pair, since the profile's history keeps it"
    )]
    PrivateKey,
    /// More than a certificate can be.
    #[error("this is larger than {MAX_PEM_BYTES} bytes, so it is not a certificate")]
    TooLarge,
    /// No block at all.
    #[error("there is no certificate in PEM form; give the content of client.crt, from -----BEGIN CERTIFICATE----- on")]
    Missing,
    /// A folded YAML text.
    #[error("the certificate's line breaks are lost; write it as a block (a \"|\" after the colon, the lines below)")]
    Folded,
    /// Another kind of block.
    #[error("there is a block that is not a certificate; give the content of client.crt")]
    OtherBlock,
    /// A chain or a bundle.
    #[error("there is more than one certificate; list each on its own")]
    Several,
    /// BEGIN without END.
    #[error("the certificate is cut: -----END CERTIFICATE----- is missing")]
    Cut,
    /// There is something else than base64 between the two lines.
    #[error("the certificate's base64 is damaged; copy client.crt again")]
    Base64,
    /// The bytes are not a certificate.
    #[error("the certificate's content is damaged or no certificate; copy client.crt again")]
    Der,
}

impl ClientCertificate {
    /// Reads one `CERTIFICATE` block. Space around lines and text outside the block (as `openssl x509 -text` writes
    /// it) are skipped.
    ///
    /// # Errors
    /// See [`ClientCertificateError`]; no message repeats the text.
    pub(crate) fn parse(pem: &str) -> Result<Self, ClientCertificateError> {
        use ClientCertificateError as E;
        // First of all: in whatever shape, a private key must be called one.
        if pem.contains("PRIVATE KEY-----") {
            return Err(E::PrivateKey);
        }
        if pem.len() > MAX_PEM_BYTES {
            return Err(E::TooLarge);
        }
        let der = STANDARD.decode(only_block(pem)?).map_err(|_| E::Base64)?;
        let (rest, certificate) = X509Certificate::from_der(&der).map_err(|_| E::Der)?;
        if !rest.is_empty() {
            return Err(E::Der);
        }
        let validity = certificate.validity();
        let constraints = certificate.basic_constraints().map_err(|_| E::Der)?;
        let (key, valid, is_authority) = (
            key_of(&certificate).ok_or(E::Der)?,
            validity.not_before.to_datetime()..=validity.not_after.to_datetime(),
            constraints.is_some_and(|constraints| constraints.value.ca),
        );
        let fingerprint = hex::encode(&Sha256::digest(&der));
        Ok(Self {
            der,
            fingerprint,
            key,
            valid,
            is_authority,
        })
    }

    /// The certificate alone, as `openssl x509` writes it: Python's `ssl` on the machine takes PEM with nothing before
    /// and nothing after it.
    #[must_use]
    pub(crate) fn pem(&self) -> String {
        let body = STANDARD.encode(&self.der);
        let mut pem = format!("{BEGIN}{LABEL}{TAIL}\n");
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, behind) = rest.split_at(rest.len().min(PEM_COLUMNS));
            pem.push_str(line);
            pem.push('\n');
            rest = behind;
        }
        pem + END + LABEL + TAIL + "\n"
    }

    /// What it is the certificate of.
    #[must_use]
    pub(crate) fn key(&self) -> ClientKey {
        self.key
    }

    /// From its first moment to its last.
    #[must_use]
    pub(crate) fn valid(&self) -> &RangeInclusive<OffsetDateTime> {
        &self.valid
    }

    /// Whether it may sign other certificates (`CA:TRUE`, RFC 5280, 4.2.1.9).
    #[must_use]
    pub(crate) fn is_authority(&self) -> bool {
        self.is_authority
    }

    /// Its DER.
    #[must_use]
    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// What LXD shows: the SHA-256 of the DER in lower-case hexadecimal.
    #[must_use]
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// The base64 of the one block, its lines joined.
fn only_block(pem: &str) -> Result<String, ClientCertificateError> {
    use ClientCertificateError as E;
    let (mut body, mut inside, mut blocks) = (String::new(), false, 0);
    for line in pem.lines().map(str::trim) {
        if let Some(label) = line.strip_prefix(BEGIN) {
            match label.strip_suffix(TAIL) {
                Some(LABEL) if inside => return Err(E::Cut),
                Some(LABEL) => (inside, blocks) = (true, blocks + 1),
                Some(label) if !label.contains(TAIL) => return Err(E::OtherBlock),
                _ => return Err(E::Folded),
            }
        } else if let Some(label) = line.strip_prefix(END) {
            match label.strip_suffix(TAIL) {
                Some(LABEL) if inside => inside = false,
                _ => return Err(E::OtherBlock),
            }
        } else if inside {
            body.push_str(line);
        }
    }
    match blocks {
        0 => Err(E::Missing),
        _ if inside => Err(E::Cut),
        1 => Ok(body),
        _ => Err(E::Several),
    }
}

/// The certificate's key, if it can be read.
fn key_of(certificate: &X509Certificate<'_>) -> Option<ClientKey> {
    let info = certificate.public_key();
    let curve = || info.algorithm.parameters.as_ref()?.as_oid().ok();
    Some(match info.parsed().ok()? {
        PublicKey::RSA(key) => {
            let leading = key.modulus.iter().take_while(|byte| **byte == 0).count();
            ClientKey::Rsa((key.modulus.len() - leading) * 8)
        }
        PublicKey::EC(_)
            if curve().is_some_and(|curve| [OID_EC_P256, OID_NIST_EC_P384, OID_NIST_EC_P521].contains(&curve)) =>
        {
            ClientKey::Ecdsa
        }
        _ if info.algorithm.algorithm == OID_SIG_ED25519 => ClientKey::Ed25519,
        _ => ClientKey::Other,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ClientCertificateError as E;

    use super::*;
    use crate::trust::testing::secret;

    fn sample() -> (String, Vec<u8>, String) {
        let pair = secret().lxd_server("lab", "desk", 1).unwrap();
        (pair.certificate_pem, pair.certificate_der, pair.fingerprint)
    }

    fn block(der: &[u8]) -> String {
        format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            STANDARD.encode(der)
        )
    }

    fn problem(text: &str) -> E {
        let problem = ClientCertificate::parse(text).unwrap_err();
        let shown = problem.to_string();
        for line in text.lines().filter(|line| line.len() > 8 && !line.starts_with('-')) {
            assert!(!shown.contains(line), "the message repeats the text: {shown}");
        }
        problem
    }

    #[test]
    fn one_certificate_is_read() {
        let (pem, der, fingerprint) = sample();
        let indented: String = pem.lines().map(|line| format!("    {line}  \r\n")).collect();
        for text in [
            pem.clone(),
            pem.trim_end().to_owned(),
            pem.replace('\n', "\r\n"),
            indented,
            format!("Certificate:\n    Data:\n        Version: 3 (0x2)\n{pem}\n\n"),
            block(&der),
        ] {
            let read = ClientCertificate::parse(&text).unwrap();
            assert_eq!(read.der, der);
            assert_eq!(read.fingerprint(), fingerprint);
            assert_eq!(read.pem(), pem);
        }
    }

    #[test]
    fn a_private_key_is_called_one() {
        let pair = secret().lxd_server("lab", "desk", 1).unwrap();
        let key = String::from_utf8(pair.private_key_pem.expose().to_vec()).unwrap();
        for text in [
            key.clone(),
            format!("{}{key}", pair.certificate_pem),
            key.replace("EC PRIVATE", "PRIVATE"),
            key.replace("EC PRIVATE", "ENCRYPTED PRIVATE"),
            key.replace('\n', " "),
            key.repeat(1000),
        ] {
            assert_eq!(problem(&text), E::PrivateKey);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let (pem, der, _) = sample();
        let body = STANDARD.encode(&der);
        assert_eq!(problem(""), E::Missing);
        assert_eq!(problem(&body), E::Missing);
        assert_eq!(problem(&pem.replace('\n', " ")), E::Folded);
        assert_eq!(
            problem(&pem.replace("CERTIFICATE", "CERTIFICATE REQUEST")),
            E::OtherBlock
        );
        assert_eq!(
            problem(&format!("{pem}{}", pem.replace("CERTIFICATE", "X509 CRL"))),
            E::OtherBlock
        );
        assert_eq!(problem(&format!("-----END CERTIFICATE-----\n{pem}")), E::OtherBlock);
        assert_eq!(problem(&pem.repeat(2)), E::Several);
        assert_eq!(problem(pem.rsplit_once("-----END").unwrap().0), E::Cut);
        assert_eq!(problem(&format!("-----BEGIN CERTIFICATE-----\n{pem}")), E::Cut);
        assert_eq!(problem(&pem.replacen("\nM", "\n!", 1)), E::Base64);
        assert_eq!(problem(&block(&der).replacen("\nM", "\n", 1)), E::Base64);
        assert_eq!(problem(&"x".repeat(MAX_PEM_BYTES + 1)), E::TooLarge);
        assert_eq!(problem(&block(b"")), E::Der);
        assert_eq!(problem(&block(b"not a certificate at all")), E::Der);
        assert_eq!(problem(&block(&[der.as_slice(), &[0]].concat())), E::Der);
    }

    #[test]
    fn every_cut_is_noticed() {
        let (_, der, _) = sample();
        for length in 0..der.len() {
            assert_eq!(problem(&block(&der[..length])), E::Der, "cut to {length} bytes");
        }
    }

    #[test]
    fn its_life_is_known_and_whether_it_is_an_authority() {
        let (pem, ..) = sample();
        let of = |pem: &str| ClientCertificate::parse(pem).unwrap();
        let person = of(include_str!("client_certificate/ed25519.crt"));
        let (from, to) = (person.valid().start(), person.valid().end());
        assert_eq!((from.year(), to.year()), (2020, 2099));
        assert!(!person.is_authority() && !of(&pem).is_authority());
        assert!(of(include_str!("client_certificate/authority.crt")).is_authority());
    }

    #[test]
    fn the_kind_of_key_is_known() {
        let (pem, ..) = sample();
        let key = |pem: &str| ClientCertificate::parse(pem).unwrap().key();
        assert_eq!(key(&pem), ClientKey::Ecdsa);
        assert_eq!(key(include_str!("client_certificate/ed25519.crt")), ClientKey::Ed25519);
        assert_eq!(
            key(include_str!("client_certificate/rsa1024.crt")),
            ClientKey::Rsa(1024)
        );
        assert_eq!(key(include_str!("client_certificate/secp256k1.crt")), ClientKey::Other);
    }
}
