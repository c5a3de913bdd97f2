//! How DNS answers beside its records: what `[server]` says of it, published at the start and
//! with every reload.

use crate::{
    dns::{Publisher, Settings},
    model::{CookieSecret, ServerConfig},
};
use rustix::rand::{GetRandomFlags, getrandom};
use std::io;

/// Publishes settings.
#[derive(Debug)]
pub(super) struct Answering {
    publisher: Publisher,
    /// Makes cookies while the configuration names no secret: they are good until the end of the
    /// process, over all reloads.
    own_secret: CookieSecret,
}

impl Answering {
    /// Publishes what `server` says.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub(super) fn start(publisher: Publisher, server: &ServerConfig) -> io::Result<Self> {
        let mut secret = [0; 16];
        // So few octets are never given in part.
        getrandom(&mut secret, GetRandomFlags::empty())?;
        let answering = Self {
            publisher,
            own_secret: CookieSecret(secret),
        };
        answering.publish(server);
        Ok(answering)
    }

    /// Publishes what `server` says now.
    pub(super) fn publish(&self, server: &ServerConfig) {
        let settings = Settings::of(server, self.own_secret);
        self.publisher.publish_settings(settings);
    }
}
