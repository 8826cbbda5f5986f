//! `clean`: Old images of the app, and snapd if site.toml says so

use super::{Cx, Error, Resources, Step};

pub(super) const STEP: Step = Step {
    name: "clean",
    summary: "Old images of the app, and snapd if site.toml says so",
    reads: "Docker's images, packages",
    changes: "nothing yet",
    guarded: false,
    resources,
};

fn resources(_: &Cx<'_>) -> Result<Resources, Error> {
    Ok(Vec::new())
}
