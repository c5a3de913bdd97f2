//! What the hostnames of targets are now, for commands that run without the daemon.

use crate::{
    dns::{self, Hostnames},
    model::{Config, TargetName},
};

/// Puts what hostnames are resolved to into a configuration; a sentence for each target whose
/// hostname could not be resolved, or not wholly.
pub(super) async fn resolve(config: &mut Config) -> Vec<(TargetName, String)> {
    let mut failed = Vec::new();
    for found in dns::look_up(&Hostnames::of(config)).await {
        let targets = config.targets.values_mut();
        for target in targets.filter(|one| one.cname.as_ref() == Some(&found.hostname)) {
            target.addresses.clone_from(&found.addresses);
            if let Some(error) = &found.error {
                let sentence = format!("{} cannot be resolved from here: {error}", found.hostname);
                failed.push((target.name.clone(), sentence));
            }
        }
    }
    failed
}
