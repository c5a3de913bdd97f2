//! What a server uses: CPU and memory of it and of all that it started.

use std::{collections::BTreeMap, fs, time::Duration};

/// CPU used so far, by thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cpu {
    /// ns that each thread ran, user and system.
    by_thread: BTreeMap<u32, u64>,
}

impl Cpu {
    /// Of a server now. Threads that ended are not in it, so none may end while it is measured.
    pub(crate) fn of(server: u32) -> Self {
        let mut by_thread = BTreeMap::new();
        for pid in family(server) {
            for entry in fs::read_dir(format!("/proc/{pid}/task"))
                .into_iter()
                .flatten()
            {
                let Ok(entry) = entry else { continue };
                let thread = entry.file_name().to_string_lossy().parse();
                let ran = fs::read_to_string(entry.path().join("schedstat"));
                if let (Ok(thread), Ok(ran)) = (thread, ran) {
                    let ns = ran.split(' ').next().and_then(|ns| ns.parse().ok());
                    by_thread.insert(thread, ns.unwrap_or(0));
                }
            }
        }
        Self { by_thread }
    }

    /// What was used since.
    pub(crate) fn since(&self, before: &Self) -> Duration {
        let used = self.by_thread.iter().map(|(thread, ns)| {
            let before = before.by_thread.get(thread).copied().unwrap_or(0);
            ns.saturating_sub(before)
        });
        Duration::from_nanos(used.sum())
    }
}

/// Memory of a server, MB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident; what several processes of it share is counted once.
    pub(crate) resident_mb: f64,
}

impl Memory {
    pub(crate) fn of(server: u32) -> Self {
        let kib: u64 = family(server)
            .into_iter()
            .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok())
            .filter_map(|text| {
                let line = text.lines().find(|line| line.starts_with("Pss:"))?;
                line.split_whitespace().nth(1)?.parse::<u64>().ok()
            })
            .sum();
        Self {
            resident_mb: kib as f64 / 1_024.0,
        }
    }
}

/// A process and all that descend from it: NSD answers in a child of a child.
fn family(server: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // The name before it may hold spaces, and ends with the last parenthesis.
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        children.entry(parent.unwrap_or(0)).or_default().push(pid);
    }
    let mut found = vec![server];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.get(pid).into_iter().flatten());
        next += 1;
    }
    found
}
