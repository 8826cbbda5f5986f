//! TLS as a browser would meet it: what is trusted, and what a server makes of a name.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::exactly::Exactly;
use super::{Certificate, Error};

/// Whom we believe: the certificate authorities of this machine, and those of a test CA; or one
/// certificate that is known beforehand.
/// Reading them takes some milliseconds, so one is made for many looks; clones share it.
#[derive(Clone)]
pub struct Trust {
    verifier: Arc<dyn ServerCertVerifier>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust(…)")
    }
}

/// Why certificate authorities could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The extra authorities are not PEM.
    #[error("the extra certificate authorities can't be read as PEM")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// The PEM text holds no certificate.
    #[error("the extra certificate authorities hold no CERTIFICATE block")]
    Empty,
    /// The machine has none, or an extra one isn't a certificate.
    #[error("no certificate authorities to trust; install ca-certificates")]
    Load(#[source] rustls::Error),
    /// TLS itself could not be set up.
    #[error("TLS can't be set up")]
    Setup(#[source] rustls::Error),
}

impl Trust {
    /// The machine's certificate authorities, and beside them those in `extra` (PEM text).
    ///
    /// # Errors
    /// If `extra` holds no certificate, or there is nobody to trust at all.
    pub fn new(extra: Option<&str>) -> Result<Self, TrustError> {
        let extra: Vec<CertificateDer<'static>> = match extra {
            None => Vec::new(),
            Some(pem) => {
                let found = CertificateDer::pem_slice_iter(pem.as_bytes())
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(TrustError::Pem)?;
                if found.is_empty() {
                    return Err(TrustError::Empty);
                }
                found
            }
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            Verifier::new_with_extra_roots(extra, provider.clone()).map_err(TrustError::Load)?;
        Ok(Self {
            verifier: Arc::new(verifier),
            provider,
        })
    }

    /// The first certificate in this PEM text and no other, whoever signed it; its names and dates
    /// have to hold all the same.
    ///
    /// # Errors
    /// If there is none in it.
    pub fn exactly(pem: &str) -> Result<Self, TrustError> {
        let mut found = CertificateDer::pem_slice_iter(pem.as_bytes());
        let der = found.next().ok_or(TrustError::Empty)?;
        let der = der.map_err(TrustError::Pem)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Ok(Self {
            verifier: Arc::new(Exactly {
                der,
                provider: provider.clone(),
            }),
            provider,
        })
    }

    /// A configuration for one connection, and where to read what certificate it was shown.
    pub(super) fn connection(&self) -> Result<(ClientConfig, Arc<Witness>), rustls::Error> {
        let witness = Arc::new(Witness {
            inner: self.verifier.clone(),
            shown: OnceLock::new(),
        });
        let builder: ConfigBuilder<ClientConfig, WantsClientCert> =
            ClientConfig::builder_with_provider(self.provider.clone())
                .with_safe_default_protocol_versions()?
                .dangerous()
                .with_custom_certificate_verifier(witness.clone());
        let mut config = builder.with_no_client_auth();
        // A resumed session shows no certificate.
        config.resumption = rustls::client::Resumption::disabled();
        Ok((config, witness))
    }
}

/// Keeps the certificate that was shown, and leaves the judgement to the real verifier.
#[derive(Debug)]
pub(super) struct Witness {
    inner: Arc<dyn ServerCertVerifier>,
    shown: OnceLock<Vec<u8>>,
}

impl Witness {
    /// The server's certificate, whether or not it was found good.
    pub(super) fn shown(&self) -> Option<Certificate> {
        self.shown.get().and_then(|der| Certificate::from_der(der))
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.shown.get_or_init(|| end_entity.to_vec());
        self.inner
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// What a TLS server made of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// The handshake ended well: a valid certificate for the name (`None` only if it can't
    /// be parsed, though it was found valid).
    Accepted(Option<Certificate>),
    /// A certificate was shown that doesn't hold for the name.
    Distrusted {
        /// The certificate, if it can be parsed.
        certificate: Option<Certificate>,
        /// What is wrong with it.
        reason: String,
    },
    /// The server ended the handshake with this alert (RFC 8446, section 6.2) and showed
    /// no certificate: `UnrecognizedName` for a name that it doesn't serve.
    Rejected(String),
}

/// Does a TLS handshake with `address` and nothing more. Without a `name` no server name
/// is sent, as scanners do who know only the address.
///
/// # Errors
/// If there was no TLS to speak of: refused, timed out, closed, unreachable, not TLS.
pub async fn handshake(
    address: SocketAddr,
    name: Option<&str>,
    trust: &Trust,
    limit: Duration,
) -> Result<Handshake, Error> {
    let made_up = |source: Box<dyn std::error::Error + Send + Sync>| Error::Request {
        url: format!("https://{}", name.unwrap_or("")),
        source,
    };
    let server_name = match name {
        Some(name) => {
            ServerName::try_from(name.to_owned()).map_err(|error| made_up(error.into()))?
        }
        None => ServerName::from(address.ip()),
    };
    let (config, witness) = trust.connection().map_err(|error| made_up(error.into()))?;
    let connect = async {
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(Arc::new(config))
            .connect(server_name, stream)
            .await
    };
    let error = match timeout(limit, connect).await {
        Err(_) => return Err(Error::TimedOut { address, limit }),
        Ok(Ok(_)) => return Ok(Handshake::Accepted(witness.shown())),
        Ok(Err(error)) => error,
    };
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .cloned();
    let failure = match tls {
        Some(source) => Error::from_tls(address, source, witness.shown()),
        None => Error::from_io(address, limit, error),
    };
    match failure {
        Error::Rejected { alert, .. } => Ok(Handshake::Rejected(alert)),
        Error::Distrusted {
            certificate,
            source,
            ..
        } => Ok(Handshake::Distrusted {
            certificate: certificate.map(|boxed| *boxed),
            reason: source.to_string(),
        }),
        other => Err(other),
    }
}
