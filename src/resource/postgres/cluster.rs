//! The volume with the data, and the container on it.

use super::{Data, Postgres};
use crate::event::State;
use crate::resource::compose::Service;
use crate::resource::{Fact, Observed, Op, Resource, Reveal, Unreadable, differs, unknown};

/// The container's label that says which of the host's settings it was made from.
pub const LABEL: &str = "provision.settings";

const VOLUME: &str = include_str!("volume.sh");
const STARTED: &str = include_str!("started.sh");

/// The volume with the data, and the container on it, healthy.
///
/// Both are one thing, since a volume is only good when its first start has come to its end. A
/// marker is there from before that begins. If the power is lost in between, Docker starts the
/// container by itself, and the image takes whatever lies there for a database: the next run then
/// throws the container and what it has made away, and begins again. Nothing can be lost by that:
/// the app's role is made after the marker has gone.
#[derive(Clone, Debug)]
pub struct Cluster {
    postgres: Postgres,
    service: Service,
}

impl Cluster {
    /// On the service's container.
    pub fn new(postgres: Postgres, service: Service) -> Self {
        Self { postgres, service }
    }

    fn is_new(&self, seen: &Observed) -> Result<bool, Unreadable> {
        Ok(seen.file(&self.postgres.marker())?.is_some())
    }
}

impl Resource for Cluster {
    fn id(&self) -> String {
        self.service.id()
    }

    fn facts(&self) -> Vec<Fact> {
        let mut all = self.postgres.settings_facts();
        all.extend(self.service.facts());
        all.push(Fact::File {
            path: self.postgres.marker(),
            content: Reveal::Never,
        });
        all
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let Some(docker) = seen.docker()? else {
            return Ok(unknown("docker"));
        };
        if self.is_new(seen)? {
            return Ok(differs("its first start was cut off: begins again"));
        }
        if self.postgres.data(seen)? == Data::Absent {
            return Ok(differs("no data yet"));
        }
        let state = self.service.compare(seen)?;
        let labels = docker.container(&self.service.container);
        let label = labels.and_then(|container| container.labels.get(LABEL));
        let wanted = self.postgres.settings(seen)?;
        Ok(match (state, label) {
            (State::InSync, Some(is)) if *is == wanted => State::InSync,
            (State::InSync, is) => {
                let is = is.map_or("none", String::as_str);
                differs(format!("settings of the host {is} → {wanted}"))
            }
            (other, _) => other,
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let it = &self.postgres;
        let (Ok(volume), Ok(data), Ok(new)) = (it.volume(seen), it.data(seen), self.is_new(seen))
        else {
            return Vec::new();
        };
        let (state, marker) = (it.volume_file(), it.marker());
        let device = it.device(&volume).unwrap_or_default();
        let args = [
            volume.clone(),
            it.version.to_string(),
            it.image.clone(),
            it.ids.clone(),
            it.container(),
            state,
            marker.clone(),
            it.site.clone(),
            device,
        ];
        let mut ops = vec![Op::script(format!("see to volume {volume}"), VOLUME, args).long()];
        ops.extend(self.service.converge(seen));
        if new || data == Data::Absent {
            let what = "note that its first start has come to its end";
            ops.push(Op::script(what, STARTED, [it.container(), marker]));
        }
        ops
    }
}
