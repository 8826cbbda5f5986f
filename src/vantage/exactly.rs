//! Trust in one certificate and no other, whoever signed it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use super::Certificate;

/// The server showed another certificate than the one it was to show.
#[derive(Clone, Copy, thiserror::Error)]
#[error("it is another certificate than the one on file on the server")]
struct Another;

/// rustls shows the reasons of others by their `Debug`.
impl fmt::Debug for Another {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn since_1970(seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// Believes this certificate alone. Its names and dates have to hold all the same, and the server
/// has to own its key.
#[derive(Debug)]
pub(super) struct Exactly {
    pub der: CertificateDer<'static>,
    pub provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Exactly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        time: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity != self.der {
            let another = OtherError(Arc::new(Another));
            return Err(CertificateError::Other(another).into());
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        let dates = Certificate::from_der(end_entity).ok_or(CertificateError::BadEncoding)?;
        let (not_before, not_after) = (since_1970(dates.not_before), since_1970(dates.not_after));
        if time > not_after {
            return Err(CertificateError::ExpiredContext { time, not_after }.into());
        }
        if time < not_before {
            return Err(CertificateError::NotValidYetContext { time, not_before }.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
