//! What answers are computed from, and how it is replaced while queries run.
//!
//! Does not know who decides. Contract: zones and table are swapped as one value; a query sees
//! the old one or the new one, never a mix, and takes no lock. The table that is published has
//! the numbers of the zones beside it, whichever zones it was made for.

use super::{counters::Counters, settings::Settings, store::Zones, table::Table, tcp::TcpCounters};
use arc_swap::{ArcSwap, Guard};
use std::{
    borrow::Cow,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How long former zones wait for those who answer from them: many times what a batch takes.
const LAST_READER: Duration = Duration::from_millis(20);

/// One state of the answers.
#[derive(Clone, Debug, Default)]
pub struct DnsState {
    /// The static side.
    pub zones: Arc<Zones>,
    /// The services' answers, numbered as the zones are.
    pub table: Arc<Table>,
    /// What is not about records.
    pub settings: Arc<Settings>,
    /// The table as it was published: it may know services that only the next zones have.
    published: Arc<Table>,
}

impl DnsState {
    /// The same settings with other zones or another table.
    fn with(&self, zones: &Arc<Zones>, table: &Arc<Table>) -> Self {
        let fitted = match table.fitted(zones) {
            Cow::Borrowed(_) => Arc::clone(table),
            Cow::Owned(fitted) => Arc::new(fitted),
        };
        Self {
            zones: Arc::clone(zones),
            table: fitted,
            settings: Arc::clone(&self.settings),
            published: Arc::clone(table),
        }
    }
}

/// Frees former zones here: a thread that still answers from them should not be the last to have
/// them, since to free a million names takes long. Who has them for longer frees them itself.
fn retire(old: Arc<DnsState>, zones: &Arc<Zones>) {
    if Arc::ptr_eq(&old.zones, zones) {
        return;
    }
    let until = Instant::now() + LAST_READER;
    while Arc::strong_count(&old) > 1 && Instant::now() < until {
        thread::yield_now();
    }
    drop(old);
}

/// Publishes to every listener that serves it. Clones publish to the same ones.
#[derive(Clone, Debug, Default)]
pub struct Publisher {
    state: Arc<ArcSwap<DnsState>>,
    counters: Arc<Counters>,
    tcp_counters: Arc<TcpCounters>,
}

impl Publisher {
    /// Answers nothing but REFUSED until something is published.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces zones and table at once: for a configuration that changes both.
    pub fn publish(&self, zones: Arc<Zones>, table: impl Into<Arc<Table>>) {
        let table = table.into();
        let new = Arc::clone(&zones);
        retire(self.state.rcu(move |old| old.with(&zones, &table)), &new);
    }

    /// Replaces the table. `false`, and nothing happens, where a newer one is in force: a late
    /// publisher must not take an answer back.
    pub fn publish_table(&self, table: impl Into<Arc<Table>>) -> bool {
        let table = table.into();
        let mut is_new = true;
        self.state.rcu(|old| {
            is_new = old.table.seq() <= table.seq();
            if is_new {
                Arc::new(old.with(&old.zones, &table))
            } else {
                Arc::clone(old)
            }
        });
        is_new
    }

    /// Replaces the zones.
    pub fn publish_zones(&self, zones: &Arc<Zones>) {
        let old = self.state.rcu(|old| old.with(zones, &old.published));
        retire(old, zones);
    }

    /// Replaces what is not about records.
    pub fn publish_settings(&self, settings: Settings) {
        let settings = Arc::new(settings);
        self.state.rcu(|old| DnsState {
            settings: Arc::clone(&settings),
            ..DnsState::clone(old)
        });
    }

    /// What is in force now.
    pub fn state(&self) -> Arc<DnsState> {
        self.state.load_full()
    }

    /// The same for as long as one query takes, without touching a counter that all cores share.
    pub(super) fn borrowed(&self) -> Guard<Arc<DnsState>> {
        self.state.load()
    }

    /// What was counted by all listeners.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How long a TCP connection may be silent, ms: as `state` has it, less under pressure.
    pub(super) fn idle_ms(&self, state: &DnsState) -> i64 {
        let idle_ms = state.settings.tcp.idle_ms;
        match i64::try_from(self.tcp_counters.patience_ms()) {
            Ok(patience_ms) if patience_ms > 0 => idle_ms.min(patience_ms),
            _ => idle_ms,
        }
    }

    /// What was counted of TCP connections.
    pub fn tcp_counters(&self) -> &TcpCounters {
        &self.tcp_counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        failover::{AnswerTable, ServiceAnswer},
        model::ServiceName,
    };

    fn zones(services: &[&str]) -> Arc<Zones> {
        let services = services.iter().map(|&name| name.into());
        Arc::new(Zones::of_services(services.collect()))
    }

    #[test]
    fn a_table_and_zones_of_two_generations_fit_whichever_comes_first() {
        let answer = ServiceAnswer {
            addresses: vec![[192, 0, 2, 1].into()],
            ttl_secs: 30,
            ..ServiceAnswer::default()
        };
        let answers = AnswerTable {
            seq: 1,
            services: [(ServiceName::from("new"), answer)].into(),
            ..AnswerTable::default()
        };
        let (old, new) = (zones(&["old"]), zones(&["a", "new"]));
        let publisher = Publisher::new();
        publisher.publish_zones(&old);
        assert!(publisher.publish_table(Table::next(&Table::default(), &new, &answers)));
        assert!(
            publisher.state().table.served(0).is_none(),
            "it is not old's"
        );
        publisher.publish_zones(&new);
        assert!(
            publisher.state().table.served(1).is_some(),
            "it was kept for these"
        );
        publisher.publish(old, Table::from(&answers));
        assert!(publisher.state().table.served(0).is_none());
    }
}
