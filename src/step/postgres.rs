//! `postgres`: PostgreSQL in a container, its data on a volume that no run removes

use super::stack::Service;
use super::{Cx, Error, Resources, Step};

pub(super) const STEP: Step = Step {
    name: "postgres",
    summary: "PostgreSQL in a container, its data on a volume that no run removes",
    reads: "the volume in use, the host's memory, the container's state",
    changes: "nothing yet",
    guarded: false,
    resources,
};

/// The service of this host, if it has one.
pub(super) fn service(_: &Cx<'_>) -> Result<Option<Service>, Error> {
    Ok(None)
}

fn resources(_: &Cx<'_>) -> Result<Resources, Error> {
    Ok(Vec::new())
}
