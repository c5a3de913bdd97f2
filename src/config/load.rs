//! From the text of a configuration to the checked model, or to everything that is wrong with it.

use super::{
    advice::{self, Tables},
    document::{Document, Field, syntax},
    monitor,
    names::Seen,
    places::Places,
    server,
    service::{self, Inline, Known},
    table::Table,
    target, v1, zone,
};
use crate::model::{Config, Diagnostic, Monitor, MonitorName, Severity, Target, TargetName};
use std::collections::{BTreeMap, BTreeSet};

/// How many tables of one kind a configuration may have.
const MAX_TABLES: usize = 10_000;

/// A configuration that was taken.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What its operator should know, in the order of the file.
    pub warnings: Vec<Diagnostic>,
    /// Where it says it.
    pub places: Places,
}

/// Reads a configuration; `file` is its name in messages.
///
/// # Errors
/// Everything that is wrong with it, at most a hundred findings, in the order of the file; of a
/// file that is no TOML, where it is none.
pub fn parse(file: &str, text: &str) -> Result<Loaded, Vec<Diagnostic>> {
    let root = syntax(file, text)?;
    let doc = Document::new(file, text);
    let root = Field {
        value: root.get_ref(),
        at: 0,
    };
    let top = Table::open(&doc, root, "a configuration", &[v1::FILE]);
    let mut places = Places::new(file, text);
    let (config, tables) = tables(&top, &mut places);
    if doc.has_errors() {
        return Err(doc.found(Severity::Error));
    }
    advice::warn(&top, &config, &tables);
    Ok(Loaded {
        config,
        warnings: doc.found(Severity::Warning),
        places,
    })
}

/// Reads all tables: what is referred to first, then who refers to it.
fn tables<'t>(top: &Table<'t>, places: &mut Places) -> (Config, Tables<'t>) {
    let doc = top.doc;
    for key in ["zone", "target", "monitor", "service"] {
        let count = top.tables(key).len();
        if count > MAX_TABLES {
            let message = format!("there are {count} [[{key}]]; at most {MAX_TABLES} are allowed");
            doc.error(top.at_key(key), message);
            return (Config::default(), Tables::default());
        }
    }
    let server = server::server(top);
    if let Some(table) = top.table("server") {
        places.add_table("server", "", &Table::open_free(doc, table));
    }
    let witness = server::witness(top);
    if let Some(table) = top.table("witness") {
        places.add_table("witness", "", &Table::open_free(doc, table));
    }
    let (mut zones, complete) = zone::zones(top, places);
    let (target_tables, mut targets) = targets(top, places);
    let Monitors {
        tables: monitor_tables,
        mut monitors,
        broken,
    } = monitors(top, places);
    let mut names = BTreeMap::new();
    let mut known = Known {
        targets: &targets,
        inline: Inline::among(&monitors),
        monitors: &mut monitors,
        broken: &broken,
        names: &mut names,
        places,
    };
    let services = services(top, &mut known);
    for (table, name) in &target_tables {
        if let Some(target) = targets.get_mut(name) {
            target::patches(table, target, &monitors, &broken);
        }
    }
    if !top.is_written("zone") {
        zones = zone::made(&names);
    } else if complete {
        zone::outside(doc, &zones, &names);
    }
    let by_name = services
        .iter()
        .map(|(_, one)| (one.name.clone(), one.clone()));
    let config = Config {
        server,
        witness,
        zones,
        targets,
        monitors,
        services: by_name.collect(),
    };
    let tables = Tables {
        targets: target_tables,
        monitors: monitor_tables,
        services,
    };
    (config, tables)
}

type TargetTables<'t> = Vec<(Table<'t>, TargetName)>;

fn targets<'t>(
    top: &Table<'t>,
    places: &mut Places,
) -> (TargetTables<'t>, BTreeMap<TargetName, Target>) {
    let mut seen = Seen::new("target");
    let (mut tables, mut targets) = (Vec::new(), BTreeMap::new());
    for table in top.tables("target") {
        let table = Table::open(top.doc, table, "a target", &[v1::TARGET]);
        let target = target::read(&table);
        if let (Some(name), Some(target)) = (table.text("name"), target) {
            seen.take(top.doc, name);
            places.add_table("target", name.value, &table);
            let records = table.texts("records").map(|records| records.value);
            for (index, record) in records.into_iter().flatten().enumerate() {
                places.add("target", name.value, &format!("records.{index}"), record.at);
            }
            tables.push((table, target.name.clone()));
            targets.entry(target.name.clone()).or_insert(target);
        }
    }
    (tables, targets)
}

struct Monitors<'t> {
    tables: Vec<(Table<'t>, MonitorName)>,
    monitors: BTreeMap<MonitorName, Monitor>,
    /// Names of monitors that could not be read.
    broken: BTreeSet<&'t str>,
}

fn monitors<'t>(top: &Table<'t>, places: &mut Places) -> Monitors<'t> {
    let doc = top.doc;
    let mut seen = Seen::new("monitor");
    let mut all = Monitors {
        tables: Vec::new(),
        monitors: BTreeMap::new(),
        broken: BTreeSet::new(),
    };
    for table in top.tables("monitor") {
        let name = Table::open_free(doc, table).text("name");
        if let Some(name) = name {
            seen.take(doc, name);
        }
        match (name, monitor::read(doc, table, false)) {
            (Some(name), Some(monitor::Read { table, mut monitor })) => {
                monitor.name = name.value.into();
                places.add_table("monitor", name.value, &table);
                all.tables.push((table, monitor.name.clone()));
                all.monitors.entry(monitor.name.clone()).or_insert(monitor);
            }
            (Some(name), None) => {
                all.broken.insert(name.value);
            }
            (None, Some(read)) => {
                read.table.needed_text("name", "a monitor");
            }
            (None, None) => {}
        }
    }
    all
}

fn services<'t>(
    top: &Table<'t>,
    known: &mut Known<'_, 't>,
) -> Vec<(Table<'t>, crate::model::Service)> {
    let doc = top.doc;
    let mut seen = Seen::new("service");
    let open = |table| Table::open(doc, table, "a service", &[v1::SERVICE]);
    let tables: Vec<Table<'t>> = top.tables("service").into_iter().map(open).collect();
    for table in &tables {
        service::inline_monitors(table, known);
    }
    let mut services = Vec::new();
    for table in tables {
        if let Some(name) = table.text("name") {
            seen.take(doc, name);
        }
        if let Some(service) = service::read(&table, known) {
            services.push((table, service));
        }
    }
    if !top.is_written("service") {
        doc.error_whole("there is no [[service]]: nothing would be answered");
    }
    services
}
