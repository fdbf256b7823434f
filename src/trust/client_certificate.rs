//! An administrator's own LXD client certificate, the public half, as a profile holds it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::hex;

/// The largest text that is taken for a certificate, in bytes.
const MAX_PEM_BYTES: usize = 64 * 1024;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const TAIL: &str = "-----";
const LABEL: &str = "CERTIFICATE";

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;

/// A client certificate that is well-formed on the outside; nothing is said about its dates or its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    der: Vec<u8>,
    fingerprint: String,
}

/// Why a text is not one client certificate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClientCertificateError {
    /// The secret half stands in a profile.
    #[error(
        "this is or holds a private key: give only the certificate (client.crt), \
         and replace the pair, since the profile's history keeps it"
    )]
    PrivateKey,
    /// More than a certificate can be.
    #[error("this is larger than {MAX_PEM_BYTES} bytes, so it is not a certificate")]
    TooLarge,
    /// No block at all.
    #[error(
        "there is no certificate in PEM form; give the content of client.crt, from -----BEGIN CERTIFICATE----- on"
    )]
    Missing,
    /// A folded YAML text.
    #[error(
        "the certificate's line breaks are lost; write it as a block (a \"|\" after the colon, the lines below)"
    )]
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
    /// Between the two lines stands something else than base64.
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
    pub fn parse(pem: &str) -> Result<Self, ClientCertificateError> {
        use ClientCertificateError as E;
        // First of all: in whatever shape, a private key must be called one.
        if pem.contains("PRIVATE KEY-----") {
            return Err(E::PrivateKey);
        }
        if pem.len() > MAX_PEM_BYTES {
            return Err(E::TooLarge);
        }
        let der = STANDARD.decode(only_block(pem)?).map_err(|_| E::Base64)?;
        if !looks_like_a_certificate(&der) {
            return Err(E::Der);
        }
        let fingerprint = hex::encode(&Sha256::digest(&der));
        Ok(Self { der, fingerprint })
    }

    /// The certificate as DER; LXD's API takes its base64.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What LXD shows: the SHA-256 of the DER in lower-case hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
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

/// RFC 5280, 4.1: a sequence of a sequence (what is signed), a sequence (how) and a bit string (the signature), with
/// nothing behind it.
fn looks_like_a_certificate(der: &[u8]) -> bool {
    fn read(der: &[u8]) -> Option<()> {
        let (body, rest) = element(der, SEQUENCE)?;
        let (signed, body) = element(body, SEQUENCE)?;
        let (algorithm, body) = element(body, SEQUENCE)?;
        let (signature, body) = element(body, BIT_STRING)?;
        let filled = !signed.is_empty() && !algorithm.is_empty() && signature.len() > 1;
        (filled && body.is_empty() && rest.is_empty()).then_some(())
    }
    read(der).is_some()
}

/// Splits the content of a DER element with this tag from what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], mut rest) = der.split_first_chunk()?;
    if found != tag {
        return None;
    }
    let length = if first < 0x80 {
        usize::from(first)
    } else {
        // 0x80 is the indefinite length, which DER does not have; three bytes are more than MAX_PEM_BYTES needs.
        let count = usize::from(first & 0x7f);
        if !(1..=3).contains(&count) {
            return None;
        }
        let (bytes, behind) = rest.split_at_checked(count)?;
        rest = behind;
        let length = bytes
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
        // DER: no leading zero byte, and the short form where it is enough.
        if bytes[0] == 0 || length < 0x80 {
            return None;
        }
        length
    };
    rest.split_at_checked(length)
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
        for line in text
            .lines()
            .filter(|line| line.len() > 8 && !line.starts_with('-'))
        {
            assert!(
                !shown.contains(line),
                "the message repeats the text: {shown}"
            );
        }
        problem
    }

    #[test]
    fn one_certificate_is_read() {
        let (pem, der, fingerprint) = sample();
        let indented: String = pem
            .lines()
            .map(|line| format!("    {line}  \r\n"))
            .collect();
        for text in [
            pem.clone(),
            pem.trim_end().to_owned(),
            pem.replace('\n', "\r\n"),
            indented,
            format!("Certificate:\n    Data:\n        Version: 3 (0x2)\n{pem}\n\n"),
            block(&der),
        ] {
            let read = ClientCertificate::parse(&text).unwrap();
            assert_eq!(read.der(), der);
            assert_eq!(read.fingerprint(), fingerprint);
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
        assert_eq!(
            problem(&format!("-----END CERTIFICATE-----\n{pem}")),
            E::OtherBlock
        );
        assert_eq!(problem(&pem.repeat(2)), E::Several);
        assert_eq!(problem(pem.rsplit_once("-----END").unwrap().0), E::Cut);
        assert_eq!(
            problem(&format!("-----BEGIN CERTIFICATE-----\n{pem}")),
            E::Cut
        );
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
            assert_eq!(
                problem(&block(&der[..length])),
                E::Der,
                "cut to {length} bytes"
            );
        }
    }

    #[test]
    fn only_der_lengths_are_taken() {
        assert_eq!(element(&[0x30, 1, 9, 8], 0x30), Some((&[9][..], &[8][..])));
        let long = [&[0x30, 0x81, 0x80][..], &[7; 0x80]].concat();
        assert_eq!(element(&long, 0x30).unwrap().0.len(), 0x80);
        for bad in [
            &[0x31, 0][..],
            &[0x30],
            &[0x30, 2, 0],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x81],
            &[0x30, 0x81, 1, 0],
            &[0x30, 0x82, 0, 0x80],
            &[0x30, 0x84, 0, 0, 0, 0],
            &[0x30, 0xff],
        ] {
            assert_eq!(element(bad, 0x30), None, "{bad:?}");
        }
    }
}
