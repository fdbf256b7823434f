//! LXD identities: P-256 keys from the site secret, and self-signed certificates for them that are the same on every
//! build.
//!
//! LXD itself makes P-384 keys and takes whatever Go's TLS takes. P-256 is a third of the work here, and on the
//! machines Go has assembly for it and not for P-384: members open connections to one another all the time. Ed25519
//! would be another four times faster to make, but browsers refuse it in a certificate, and LXD's own user interface is
//! served with the cluster's.

use std::net::IpAddr;

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::{NistP256, SecretKey};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, PublicKeyData, SanType,
    SerialNumber, SignatureAlgorithm,
};
use sec1::der::oid::AssociatedOid;
use sec1::der::pem::PemLabel;
use sec1::der::{self, SecretDocument};
use sec1::{EcParameters, EcPrivateKey, LineEnding};
use sha2::{Digest, Sha256};
use time::{Date, Duration, Month, OffsetDateTime};
use zeroize::Zeroizing;

use super::derive::{Purpose, Subject};
use super::error::TrustError;
use super::{SecretBytes, SiteSecret};
use crate::hex;

const SCALAR_BYTES: usize = 32;
// A candidate is unusable with probability 2^-32, so one host in four billion takes the second and none the fourth.
const CANDIDATES: usize = 4;
const SERIAL_BYTES: usize = 16;
const YEARS: i32 = 10;

/// What the desk's client certificate is called in LXD's trust store.
pub const DESK_NAME: &str = "lxseed-desk";

/// What a pair is made for.
struct Use {
    key: Purpose,
    serial: Purpose,
    extended: ExtendedKeyUsagePurpose,
}

const SERVER: Use = Use {
    key: Purpose::LxdServerKey,
    serial: Purpose::LxdServerSerial,
    extended: ExtendedKeyUsagePurpose::ServerAuth,
};

const CLUSTER: Use = Use {
    key: Purpose::LxdClusterKey,
    serial: Purpose::LxdClusterSerial,
    extended: ExtendedKeyUsagePurpose::ServerAuth,
};

const DESK: Use = Use {
    key: Purpose::DeskKey,
    serial: Purpose::DeskSerial,
    extended: ExtendedKeyUsagePurpose::ClientAuth,
};

/// A private key and the self-signed certificate for it, in the forms LXD reads and shows.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// `server.crt` or `cluster.crt`: one `CERTIFICATE` block with LF line ends.
    pub certificate_pem: String,
    /// The same certificate as DER; LXD's API takes its base64.
    pub certificate_der: Vec<u8>,
    /// `server.key` or `cluster.key`: one unencrypted `EC PRIVATE KEY` block (SEC 1) with LF line ends.
    pub private_key_pem: SecretBytes,
    /// What LXD shows: the SHA-256 of the DER in lower-case hexadecimal.
    pub fingerprint: String,
}

impl SiteSecret {
    /// The LXD identity of a host (`server.crt` and `server.key`). It depends on the secret, the three arguments and
    /// nothing else.
    ///
    /// # Errors
    /// [`TrustError::Name`] if the host's name is not a DNS name of at most 64 characters.
    pub fn lxd_server(&self, cluster: &str, host: &str, generation: u32) -> Result<KeyPair, TrustError> {
        let subject = Subject {
            cluster,
            host,
            generation,
        };
        self.key_pair(host, &subject, &SERVER)
    }

    /// The cluster's own pair (`cluster.crt` and `cluster.key`), which every member serves once the cluster has
    /// formed.
    ///
    /// # Errors
    /// [`TrustError::Name`] if the cluster's name is not a DNS name of at most 64 characters.
    pub fn lxd_cluster(&self, cluster: &str, generation: u32) -> Result<KeyPair, TrustError> {
        let subject = Subject {
            cluster,
            host: "",
            generation,
        };
        self.key_pair(cluster, &subject, &CLUSTER)
    }

    /// The client certificate by which the desk speaks to a cluster's members, and its key, which no file holds. LXD trusts
    /// it under the name [`DESK_NAME`].
    ///
    /// # Errors
    /// None that names can cause.
    pub fn lxd_desk(&self, cluster: &str, generation: u32) -> Result<KeyPair, TrustError> {
        let subject = Subject {
            cluster,
            host: "",
            generation,
        };
        self.key_pair(DESK_NAME, &subject, &DESK)
    }

    fn key_pair(&self, name: &str, subject: &Subject<'_>, use_: &Use) -> Result<KeyPair, TrustError> {
        check_name(name)?;
        let no_key = || TrustError::Key { name: name.to_owned() };

        let mut material = Zeroizing::new([0; CANDIDATES * SCALAR_BYTES]);
        subject.derive(self.key(), use_.key, &mut material);
        let key = scalar(&*material).ok_or_else(no_key)?;

        let mut serial = [0; SERIAL_BYTES];
        subject.derive(self.key(), use_.serial, &mut serial);
        // RFC 5280, 4.1.2.2: a serial is positive and has at most 20 bytes. The two top bits also keep its length
        // fixed.
        serial[0] = serial[0] & 0x3f | 0x40;

        let signer = DeterministicSigner::new(&key);
        let certificate = parameters(name, self.created(), &serial, &signer, use_)
            .and_then(|parameters| parameters.self_signed(&signer))
            .map_err(|error| TrustError::Certificate {
                name: name.to_owned(),
                error,
            })?;
        Ok(KeyPair {
            certificate_pem: certificate.pem(),
            fingerprint: hex::encode(&Sha256::digest(certificate.der())),
            certificate_der: certificate.der().to_vec(),
            private_key_pem: private_key_pem(&key, &signer.public).map_err(|_| no_key())?,
        })
    }
}

/// What [`SecretKey::to_sec1_pem`] gives; that would compute the public key once more, a third of the work of a key
/// pair.
fn private_key_pem(key: &SecretKey, public: &[u8]) -> der::Result<SecretBytes> {
    let scalar = Zeroizing::new(key.to_bytes());
    let document = SecretDocument::encode_msg(&EcPrivateKey {
        private_key: &scalar,
        parameters: Some(EcParameters::NamedCurve(NistP256::OID)),
        public_key: Some(public),
    })?;
    let mut pem = document.to_pem(EcPrivateKey::PEM_LABEL, LineEnding::LF)?;
    Ok(SecretBytes::new(std::mem::take(&mut *pem).into_bytes()))
}

/// The first usable candidate: a number from 1 to the order of the curve less 1. Refusing the others instead of
/// reducing them keeps every key equally likely.
fn scalar(material: &[u8]) -> Option<SecretKey> {
    material
        .chunks_exact(SCALAR_BYTES)
        .find_map(|candidate| SecretKey::from_slice(candidate).ok())
}

// The name becomes the common name, at most 64 characters (RFC 5280, A.1), and the DNS name that LXD's client takes
// from the pinned certificate as the server name to expect. Go refuses to match a name with other characters, and
// matches one that reads as an IP address only against IP entries, which are not there.
pub(super) fn check_name(name: &str) -> Result<(), TrustError> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let problem = if name.len() > 64 {
        "it has more than 64 characters"
    } else if !name.split('.').all(label) {
        "it is not a DNS name of letters, digits, hyphens and dots"
    } else if name.parse::<IpAddr>().is_ok() {
        "it is an IP address"
    } else {
        return Ok(());
    };
    Err(TrustError::Name {
        name: name.to_owned(),
        problem,
    })
}

// The same contents as LXD's own certificates, except that dates, serial and names follow from the profile.
fn parameters(
    name: &str,
    created: Date,
    serial: &[u8],
    signer: &DeterministicSigner,
    use_: &Use,
) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "LXD");
    subject.push(DnType::CommonName, name);
    parameters.distinguished_name = subject;
    // LXD's client sets the expected server name to the first DNS entry of the pinned certificate: without one, the
    // handshake fails.
    parameters.subject_alt_names = vec![SanType::DnsName(name.try_into()?)];
    parameters.not_before = not_before(created);
    parameters.not_after = not_after(created);
    parameters.serial_number = Some(SerialNumber::from_slice(serial));
    // No key usage: OpenSSL before 1.1.1h, so also 18.04's, does not take a self-signed certificate with a key usage
    // that lacks keyCertSign for its own issuer, not even when it is the one that is pinned. No host's probe of
    // another would ever succeed.
    // Between members the same certificate is shown by clients as well. LXD asks for any client certificate and
    // compares its bytes, so serverAuth is enough there; clientAuth alone would fail when serving.
    parameters.extended_key_usages = vec![use_.extended.clone()];
    parameters.is_ca = IsCa::ExplicitNoCa;
    // RFC 7093, 2 (1): the leftmost 160 bits of the SHA-256 of the public key.
    let key_id = Sha256::digest(&signer.public);
    parameters.key_identifier_method = KeyIdMethod::PreSpecified(key_id[..20].to_vec());
    Ok(parameters)
}

// LXD and Go refuse a certificate that is not valid yet, and a machine without a network clock may start days behind.
fn not_before(created: Date) -> OffsetDateTime {
    created.midnight().assume_utc() - Duration::hours(48)
}

// Ten years, as LXD itself gives. A day that the last year does not have becomes 28 February.
fn not_after(created: Date) -> OffsetDateTime {
    let year = created.year() + YEARS;
    created
        .replace_year(year)
        .or_else(|_| Date::from_calendar_date(year, Month::February, 28))
        .unwrap_or(created)
        .midnight()
        .assume_utc()
}

/// rcgen's way to sign, with RFC 6979: the same key and text always give the same signature, and a bad random number
/// cannot give the key away.
struct DeterministicSigner {
    key: SigningKey,
    // Uncompressed point.
    public: Vec<u8>,
}

impl DeterministicSigner {
    fn new(key: &SecretKey) -> Self {
        let key = SigningKey::from(key);
        let public = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Self { key, public }
    }
}

impl PublicKeyData for DeterministicSigner {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for DeterministicSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: DerSignature = self.key.try_sign(message).map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(signature.as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests;
