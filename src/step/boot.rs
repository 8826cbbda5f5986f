//! `boot`: SITE.service: brings all containers of a host up at boot, and stops them

use super::{Cx, Error, Resources, Step};

pub(super) const STEP: Step = Step {
    name: "boot",
    summary: "SITE.service: brings all containers of a host up at boot, and stops them",
    reads: "the unit",
    changes: "nothing yet",
    guarded: false,
    resources,
};

fn resources(_: &Cx<'_>) -> Result<Resources, Error> {
    Ok(Vec::new())
}
