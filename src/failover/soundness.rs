//! Whether a state from a file hangs together: its numbers of targets, results and services are
//! places that there are. The fold takes that for granted.

use super::state::State;

impl State {
    /// Says what does not hang together.
    ///
    /// # Errors
    /// A sentence, where the state was not written by a fold.
    pub fn soundness(&self) -> Result<(), String> {
        let world = self.world();
        let broken = |what: &str| Err(format!("a state that does not hang together: {what}"));
        let (targets, groups) = (world.targets.len(), world.groups.len());
        for service in &world.services {
            let fits = |slot: &super::service_state::Slot| {
                slot.index < targets && slot.groups.iter().all(|&group| group < groups)
            };
            if !service.targets.iter().all(fits) {
                return broken(&format!("service '{}' is about no target", service.name));
            }
            if service.serving.is_empty() {
                return broken(&format!("service '{}' serves nothing", service.name));
            }
            if service.targets.is_empty() || !world.config.services.contains_key(&service.name) {
                return broken(&format!("service '{}' is not configured", service.name));
            }
            let configured = &world.config.services[&service.name];
            let monitors = configured.monitors.len();
            if service
                .targets
                .iter()
                .any(|slot| slot.groups.len() != monitors)
            {
                return broken(&format!("service '{}' lacks results", service.name));
            }
        }
        for group in &world.groups {
            if group
                .services
                .iter()
                .any(|&index| index >= world.services.len())
            {
                return broken(&format!("results of '{}' are of no service", group.target));
            }
        }
        let sorted = |names: &mut dyn Iterator<Item = &str>| {
            let names: Vec<&str> = names.collect();
            names.windows(2).all(|two| two[0] < two[1])
        };
        if !sorted(&mut world.targets.iter().map(|one| one.name.as_str()))
            || !sorted(&mut world.services.iter().map(|one| one.name.as_str()))
        {
            return broken("its names are not in order");
        }
        Ok(())
    }
}
