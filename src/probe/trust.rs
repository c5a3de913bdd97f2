//! Whom TLS probes trust: the system's authorities, a PEM file's, or anyone.
//!
//! One rustls configuration for each way to trust, shared by all probes that want it and never
//! rebuilt for a probe. Sessions are not resumed: every probe sees a certificate. The verifier
//! notes the certificate's last day in the [`dial`](super::dial) of its probe, and verifies
//! against the dial's name where that is an IP address (RFC 6125, RFC 9110 section 4.3.4).

use super::dial::{self, Mark, Shown};
use crate::model::Timestamp;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, NamedGroup, RootCertStore,
    SignatureScheme,
    client::{
        ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    server::ParsedCertificate,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use std::{
    net::IpAddr,
    path::Path,
    sync::{Arc, OnceLock},
};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName};

/// Whose signature on a certificate counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// The system's authorities.
    System,
    /// The authorities in this PEM file, and no others.
    File(String),
    /// Anyone: the certificate is not verified.
    Anyone,
}

impl Trust {
    /// What `verify` and `ca` of a monitor mean.
    pub(super) fn of(verify: bool, ca: Option<&str>) -> Self {
        match (verify, ca) {
            (false, _) => Self::Anyone,
            (true, Some(file)) => Self::File(file.to_owned()),
            (true, None) => Self::System,
        }
    }

    /// A TLS configuration of this trust; `sni` says whether the name is sent in the clear.
    ///
    /// # Errors
    /// A sentence: no authorities on this system, an unreadable or empty PEM file.
    pub(super) fn client_config(&self, sni: bool) -> Result<ClientConfig, String> {
        let provider = Arc::new(ring::default_provider());
        let verifier = self.verifier(&provider)?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.enable_sni = sni;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::store(Arc::new(Forgetful));
        Ok(config)
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Verifier, String> {
        let mut pinned = Vec::new();
        let inner: Option<Arc<dyn ServerCertVerifier>> = match self {
            Self::Anyone => None,
            Self::System => Some(system(provider)?),
            Self::File(file) => {
                pinned = read_pem(file)?;
                Some(authorities(file, &pinned, provider)?)
            }
        };
        Ok(Verifier {
            inner,
            pinned,
            provider: provider.clone(),
        })
    }
}

/// The system's verifier, read once: a bundle has some 140 authorities.
fn system(provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    static SYSTEM: OnceLock<Arc<rustls_platform_verifier::Verifier>> = OnceLock::new();
    if let Some(verifier) = SYSTEM.get() {
        return Ok(verifier.clone());
    }
    let verifier = rustls_platform_verifier::Verifier::new(provider.clone()).map_err(|error| {
        format!("{error}: install ca-certificates, or set `ca` or `verify = false` on the monitor")
    })?;
    Ok(SYSTEM.get_or_init(|| Arc::new(verifier)).clone())
}

fn read_pem(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("ca {file}: {error}");
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(Path::new(file))
        .map_err(|error| wrong(&error))?
        .collect();
    let found = found.map_err(|error| wrong(&error))?;
    match found.is_empty() {
        true => Err(wrong(&"no certificate in it (PEM is expected)")),
        false => Ok(found),
    }
}

fn authorities(
    file: &str,
    certificates: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate.clone())
            .map_err(|error| format!("ca {file}: {error}"))?;
    }
    let builder =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    Ok(builder.map_err(|error| format!("ca {file}: {error}"))?)
}

/// Verifies as the trust says, and notes when the certificate expires.
#[derive(Debug)]
struct Verifier {
    /// `None`: anyone is trusted.
    inner: Option<Arc<dyn ServerCertVerifier>>,
    /// Certificates of the operator's own file: a server that shows one of them as its own
    /// (self-signed) is trusted as well.
    pinned: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // rustls says why a certificate cannot be read.
        let parsed = x509_parser::parse_x509_certificate(end_entity).ok();
        let parsed = parsed.map(|(_, parsed)| parsed);
        let validity = parsed.as_ref().map(Validity::of);
        if let (Some(parsed), Some(validity)) = (&parsed, &validity) {
            dial::note_certificate(Shown {
                days: validity.days_left(now),
                words: words(parsed, validity, now),
            });
        }
        let Some(inner) = &self.inner else {
            return Ok(ServerCertVerified::assertion());
        };
        let own_name = dial::verify_as();
        let name = own_name.as_ref().unwrap_or(server_name);
        if self.pinned.iter().any(|pinned| pinned == end_entity) {
            validity.map_or(Ok(()), |validity| validity.contains(now))?;
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        inner.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// From when to when a certificate is valid, s since the epoch.
struct Validity {
    from_secs: i64,
    until_secs: i64,
}

impl Validity {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self {
            from_secs: validity.not_before.timestamp(),
            until_secs: validity.not_after.timestamp(),
        }
    }

    /// Whole days until the end, rounded down: −1 in the first day after it.
    fn days_left(&self, now: UnixTime) -> i32 {
        let left_secs = self.until_secs.saturating_sub(now_secs(now));
        let days = left_secs.div_euclid(86_400);
        i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX })
    }

    fn contains(&self, now: UnixTime) -> Result<(), CertificateError> {
        match now_secs(now) {
            now if now < self.from_secs => Err(CertificateError::NotValidYet),
            now if now > self.until_secs => Err(CertificateError::Expired),
            _ => Ok(()),
        }
    }
}

/// So many names of a certificate are written out.
const NAMES_SHOWN: usize = 5;

/// Whom a certificate names, who signed it and for how long, in one line.
fn words(certificate: &X509Certificate<'_>, validity: &Validity, now: UnixTime) -> String {
    let mut names = names(certificate);
    let more = names.len().saturating_sub(NAMES_SHOWN);
    names.truncate(NAMES_SHOWN);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    let names = match names.is_empty() {
        true => "no names".to_owned(),
        false => names.join(", "),
    };
    let (subject, issuer) = (certificate.subject(), certificate.issuer());
    let issuer = match subject == issuer {
        true => "the same, as of one that is signed by itself".to_owned(),
        false => issuer.to_string(),
    };
    let time = match (validity.contains(now), validity.days_left(now)) {
        (Err(CertificateError::NotValidYet), _) => "not valid yet".to_owned(),
        (Err(_), days) => format!("expired {} days ago", days.unsigned_abs()),
        (Ok(()), days) => format!("{days} days left"),
    };
    let (from, until) = (day(validity.from_secs), day(validity.until_secs));
    format!("for {names} (subject {subject}), issuer {issuer}, valid {from} to {until}, {time}")
}

/// The names that count (RFC 9525 section 2): those of the extension, never the subject's.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.iter().flat_map(|one| &one.value.general_names);
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(octets) => ip(octets).map(|ip| ip.to_string()),
            _ => None,
        })
        .collect()
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

/// The day of an instant: `2026-03-01`.
fn day(secs: i64) -> String {
    let text = Timestamp(secs.saturating_mul(1_000)).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

fn now_secs(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// Remembers no session. rustls asks it for a hint when it begins a handshake, which is the
/// instant at which the TCP connection stands.
#[derive(Debug)]
struct Forgetful;

impl ClientSessionStore for Forgetful {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        dial::mark(Mark::Connected);
        None
    }
    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}
    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }
    fn remove_tls12_session(&self, _: &ServerName<'static>) {}
    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {}
    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}
