//! What a configuration says of how questions are answered, in the form that answering needs.
//!
//! Published with zones and table, so that a reload changes it. Does not know who limits what.

use super::handler::cookie::Cookies;
use crate::model::{CookieSecret, RateLimit, ServerConfig, TcpLimits};

/// How questions are answered, whatever the zones hold.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What `id.server.`, `hostname.bind.` and NSID are told, 1 to 255 octets; `None`: nothing.
    pub identity: Option<Box<[u8]>>,
    /// What `version.bind.` and `version.server.` are told, 1 to 255 octets; `None`: nothing.
    pub version: Option<Box<[u8]>>,
    /// Answers DNS cookies; `None`: they are ignored.
    pub cookies: Option<Cookies>,
    /// How many answers one client network gets over UDP.
    pub rate_limit: RateLimit,
    /// What TCP connections may take.
    pub tcp: TcpLimits,
}

impl Settings {
    /// What `server` says; cookies are made with `own` where it names no secret.
    pub fn of(server: &ServerConfig, own: CookieSecret) -> Self {
        let told = |text: &str| {
            let is_fit = (1..=255).contains(&text.len());
            is_fit.then(|| text.as_bytes().into())
        };
        let identity = server.identity.as_deref().unwrap_or(server.name.as_str());
        let cookies = match server.cookie_secrets.split_first() {
            Some((&first, others)) => Cookies::new(first, others),
            None => Cookies::new(own, &[]),
        };
        Self {
            identity: told(identity),
            version: server.version.as_deref().and_then(told),
            cookies: Some(cookies),
            rate_limit: server.rate_limit.clone(),
            tcp: server.tcp.clone(),
        }
    }
}
