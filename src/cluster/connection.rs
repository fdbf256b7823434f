//! One HTTPS connection to one LXD, pinned to the certificates that it may show.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, StatusCode, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::seen::Identity;
use crate::hex;
use crate::trust::KeyPair;

/// A machine that is off costs this once, whatever is asked of it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// LXD answers from its database, and without a majority of its voters not at all.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);

/// Longest answer that is read, in bytes: a thousand certificates are two million.
const ANSWER_MAX: usize = 64 << 20;

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// Nobody is there, as far as the network tells.
    Silent(String),
    /// The machine is there, and no LXD listens.
    NotListening,
    /// The certificate shown is none that may be; its SHA-256.
    Foreign(String),
    /// The certificate is right, and no answer came in time.
    Hangs,
    /// LXD says no.
    Refused { code: u16, text: String },
    /// It does not speak as LXD does.
    Nonsense(String),
    /// Something else, in words that follow on its name.
    Other(String),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(why) => write!(f, "does not answer ({why})"),
            Self::NotListening => f.write_str("is on, and no LXD listens"),
            Self::Foreign(fingerprint) => write!(f, "shows another certificate ({fingerprint:.12})"),
            Self::Hangs => f.write_str("does not answer in time"),
            Self::Refused { text, .. } => write!(f, "says: {text}"),
            Self::Nonsense(why) => write!(f, "does not speak as LXD does: {why}"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

/// A certificate that an LXD may show.
pub(super) struct Pin {
    /// Whose it is.
    pub(super) identity: Identity,
    /// Whether it is the one before the declared one.
    pub(super) is_earlier: bool,
    /// Its DER.
    pub(super) der: Vec<u8>,
}

/// Which of the certificates an LXD showed: whose, and whether it is the one before the declared one; else its SHA-256.
type Shown = Result<(Identity, bool), String>;

/// The certificates that an LXD may show, and which one it did.
struct Pins {
    known: Vec<Pin>,
    shown: Mutex<Option<Shown>>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pins").finish_non_exhaustive()
    }
}

// A pin is the certificate, byte for byte. Names say nothing (LXD's certificates carry a host's name, and are asked for by
// address), and neither does an authority. What ends an expired one's trust is LXD on the other side.
impl ServerCertVerifier for Pins {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let known = self.known.iter().find(|pin| pin.der.as_slice() == shown.as_ref());
        let seen = known.map_or_else(
            || Err(hex::encode(&Sha256::digest(shown.as_ref()))),
            |pin| Ok((pin.identity, pin.is_earlier)),
        );
        let allowed = seen.is_ok();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        if allowed {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(
                rustls::CertificateError::ApplicationVerificationFailure,
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// LXD's answer to everything.
#[derive(Deserialize)]
struct Reply {
    #[serde(default, rename = "type")]
    type_: String,
    /// Where a piece of work that goes on can be waited for.
    #[serde(default)]
    operation: String,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_code: u16,
}

/// An LXD at an address.
pub(super) struct Connection {
    address: SocketAddr,
    pins: Arc<Pins>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    agent: &'static str,
}

impl Connection {
    /// Does not connect yet. Without a client certificate LXD tells what it tells everybody.
    pub(super) fn new(address: SocketAddr, known: Vec<Pin>, client: Option<&KeyPair>) -> Result<Self, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let pins = Arc::new(Pins {
            known,
            shown: Mutex::new(None),
            provider: Arc::clone(&provider),
        });
        // LXD's oldest track, 4.0, is built with a Go that speaks TLS 1.3 as well.
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&pins) as Arc<dyn ServerCertVerifier>);
        let config = match client {
            None => config.with_no_client_auth(),
            Some(pair) => {
                let key = PrivateKeyDer::from_pem_slice(pair.private_key_pem.expose())
                    .map_err(|why| rustls::Error::General(why.to_string()))?;
                config.with_client_auth_cert(vec![pair.certificate_der.clone().into()], key)?
            }
        };
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self {
            address,
            pins,
            client: Client::builder(TokioExecutor::new()).build(connector),
            agent: "lxseed",
        })
    }

    /// What is asked of LXD then is for it alone: it takes it as one member's word to another and passes it on to none
    /// (lxd/request, UserAgentNotifier, 4.0 to 6).
    pub(super) fn into_peer(mut self) -> Self {
        self.agent = "lxd-cluster-notifier";
        self
    }

    /// Which of the certificates it showed, once it was asked anything.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.shown().and_then(Result::ok).map(|(identity, _)| identity)
    }

    /// Whether it showed the one before the declared one.
    pub(super) fn is_earlier(&self) -> bool {
        matches!(self.shown(), Some(Ok((_, true))))
    }

    fn shown(&self) -> Option<Shown> {
        self.pins.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Unanswered> {
        let reply = self.ask(Method::GET, path, None, ANSWER_TIMEOUT).await?;
        Ok(reply.metadata)
    }

    /// Asks for a change, and waits for it to its end where LXD works on it for a while.
    pub(super) async fn change(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        limit: Duration,
    ) -> Result<(), Unanswered> {
        let reply = self.ask(method, path, Some(body), limit).await?;
        if reply.type_ != "async" {
            return Ok(());
        }
        let path = format!("{}/wait?timeout={}", reply.operation, limit.as_secs());
        let ended = self
            .ask(Method::GET, &path, None, limit + ANSWER_TIMEOUT)
            .await?
            .metadata;
        match ended["status_code"].as_u64() {
            Some(200) => Ok(()),
            Some(code) => Err(Unanswered::Refused {
                code: u16::try_from(code).unwrap_or_default(),
                text: ended["err"].as_str().unwrap_or("it did not end in time").to_owned(),
            }),
            None => Err(Unanswered::Nonsense("no state of an operation".to_owned())),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        limit: Duration,
    ) -> Result<Reply, Unanswered> {
        match tokio::time::timeout(limit, self.exchange(method, path, body)).await {
            Ok(answer) => answer,
            Err(_) if self.identity().is_some() => Err(Unanswered::Hangs),
            Err(_) => Err(Unanswered::Silent("no answer in time".to_owned())),
        }
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply, Unanswered> {
        let nonsense = |why: &dyn fmt::Display| Unanswered::Nonsense(why.to_string());
        let bytes = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(format!("https://{}{path}", self.address))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, self.agent)
            .body(Full::new(bytes))
            .map_err(|why| nonsense(&why))?;
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(why) => return Err(self.unanswered(&why)),
        };
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
        let bytes = body.map_err(|why| nonsense(&why))?.to_bytes();
        let reply: Reply = serde_json::from_slice(&bytes).map_err(|why| nonsense(&why))?;
        if reply.error.is_empty() {
            Ok(reply)
        } else {
            Err(Unanswered::Refused {
                code: reply.error_code,
                text: reply.error,
            })
        }
    }

    /// Turns a connection over to another protocol, with a header of that.
    pub(super) async fn upgrade(&self, path: &str, protocol: &str, with: (&str, &str)) -> Result<Upgraded, Unanswered> {
        let nonsense = |why: &dyn fmt::Display| Unanswered::Nonsense(why.to_string());
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("https://{}{path}", self.address))
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, protocol)
            .header(with.0, with.1)
            .body(Full::new(Bytes::new()))
            .map_err(|why| nonsense(&why))?;
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(why) => return Err(self.unanswered(&why)),
        };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Unanswered::Refused {
                code: response.status().as_u16(),
                text: format!("{path} is not open ({})", response.status()),
            });
        }
        hyper::upgrade::on(response).await.map_err(|why| nonsense(&why))
    }

    fn unanswered(&self, why: &(dyn std::error::Error + 'static)) -> Unanswered {
        if let Some(Err(fingerprint)) = self.shown() {
            return Unanswered::Foreign(fingerprint);
        }
        let causes = std::iter::successors(Some(why), |cause| cause.source());
        let of_network = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
        match of_network.last() {
            Some(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => Unanswered::NotListening,
            Some(cause) => Unanswered::Silent(plain(cause)),
            None => Unanswered::Silent(why.to_string()),
        }
    }
}

/// Without the number that the operating system gives it.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" (os error ") {
        Some((words, _)) => words.to_lowercase(),
        None if error.kind() == io::ErrorKind::TimedOut => "timed out".to_owned(),
        None => text,
    }
}
