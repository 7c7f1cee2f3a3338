//! TLS to receivers: certificates are always checked, against the system's authorities and one of
//! the operator's own; there is no switch to skip that.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{AlertDescription, ClientConfig, RootCertStore};

use super::words::words;

/// Why a TLS configuration cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The private authority's file holds no readable certificate.
    #[error("the certificate authority in `ca` cannot be read: {0}")]
    Authority(String),
    /// Neither the system nor the settings name an authority, so no certificate could be valid.
    #[error("this system has no certificate authorities and `ca` names none")]
    NoAuthorities,
    /// The TLS library refuses its own defaults.
    #[error("tls cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// What a failed handshake or connection says about the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TlsFault {
    /// It will fail the same way until somebody mends certificate or settings.
    Lasting(String),
    /// The connection broke; the next one may not.
    Passing(String),
}

/// A client that trusts the system's authorities and those in `ca` (PEM), TLS 1.2 and 1.3.
pub(super) fn client_config(ca: Option<&[u8]>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    // Single unreadable entries of the system's store are its own trouble; an empty one is ours.
    for certificate in rustls_native_certs::load_native_certs().certs {
        let _ = roots.add(certificate);
    }
    if let Some(pem) = ca {
        add(&mut roots, pem)?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoAuthorities);
    }
    trusting(roots)
}

/// Whether a text holds authorities that can be trusted.
pub(super) fn check_authorities(pem: &[u8]) -> Result<(), TlsError> {
    add(&mut RootCertStore::empty(), pem)
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), TlsError> {
    let unreadable = |why: String| TlsError::Authority(words(&why));
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|err| unreadable(err.to_string()))?;
        roots.add(certificate).map_err(|err| unreadable(err.to_string()))?;
        found += 1;
    }
    match found {
        0 => Err(unreadable("it holds no certificate in PEM".into())),
        _ => Ok(()),
    }
}

/// A client that trusts nobody, for clients that never speak TLS: a machine without any
/// authorities can still call itself.
pub(super) fn nobody() -> Result<ClientConfig, TlsError> {
    trusting(RootCertStore::empty())
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// Finds the TLS library's verdict in a chain of causes; `None` when TLS had no part in it.
pub(super) fn fault_in(err: &(dyn Error + 'static)) -> Option<TlsFault> {
    let mut cause = Some(err);
    while let Some(err) = cause {
        if let Some(fault) = err.downcast_ref::<rustls::Error>() {
            return Some(fault_of(fault));
        }
        // An `io::Error` leaves the error it wraps out of its own chain of sources.
        let wrapped = err.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => err.source(),
        };
    }
    None
}

fn fault_of(err: &rustls::Error) -> TlsFault {
    let text = words(&err.to_string());
    match err {
        rustls::Error::AlertReceived(
            AlertDescription::InternalError
            | AlertDescription::CloseNotify
            | AlertDescription::UserCanceled,
        )
        | rustls::Error::HandshakeNotComplete => TlsFault::Passing(text),
        _ => TlsFault::Lasting(text),
    }
}
