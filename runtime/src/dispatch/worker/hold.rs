//! Events in a version that is not read: held for a while, since a newer instance may take over.

use super::Worker;
use crate::{
    clock::Moment,
    dispatch::{
        conditions::Condition,
        held::{Doom, HeldBack},
        routes::Unread,
    },
    outputs::Reason,
    policy::UnknownVersion,
};

/// A version that was seen and is not read. Its clock starts once.
#[derive(Debug)]
pub(super) struct Sighting {
    name: String,
    version: u16,
    first: Moment,
    held: usize,
}

impl Worker {
    /// Says how long a delivery in such a version waits before it is given up.
    pub(super) fn hold_back(&mut self, handler: usize, unread: Unread) -> Doom {
        let Unread { name, version, error } = unread;
        let doom = Doom::new(Reason::UnknownVersion, error);
        let UnknownVersion::Hold(patience) = self.setup.runners[handler].policy.unknown_version else {
            return doom;
        };
        let known = self.sightings.iter().position(|seen| seen.version == version && seen.name == name);
        let at = known.unwrap_or_else(|| {
            self.sightings.push(Sighting { name, version, first: self.now, held: 0 });
            self.sightings.len() - 1
        });
        let sighting = &mut self.sightings[at];
        let until = sighting.first + patience;
        if until <= self.now {
            return doom;
        }
        if sighting.held == 0 {
            let Sighting { name, version, .. } = sighting;
            let (group, topic) = (&self.setup.subscription.group, &self.setup.subscription.filter);
            tracing::warn!(%group, %topic, %name, version, ?patience, "held: this program does not read that version");
            let condition = Condition::NeedsVersion { name: name.clone(), version: *version };
            self.setup.conditions.add(condition);
        }
        sighting.held += 1;
        Doom { held_back: Some(HeldBack { until, sighting: at }), ..doom }
    }

    /// One that was held is held no more.
    pub(super) fn lose_sight(&mut self, doom: &Doom) {
        let Some(HeldBack { sighting, .. }) = doom.held_back else { return };
        let sighting = &mut self.sightings[sighting];
        sighting.held -= 1;
        if sighting.held == 0 {
            let (seen, of) = (sighting.version, &sighting.name);
            self.setup.conditions.remove(
                |known| matches!(known, Condition::NeedsVersion { name, version } if *version == seen && name == of),
            );
        }
    }
}
