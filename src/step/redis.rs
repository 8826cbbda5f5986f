//! `redis`: Redis as a cache in a container: a password, and nothing on disk

use super::stack::Service;
use super::{Cx, Error, Resources, Step};

pub(super) const STEP: Step = Step {
    name: "redis",
    summary: "Redis as a cache in a container: a password, and nothing on disk",
    reads: "its configuration's digest, the container's state",
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
