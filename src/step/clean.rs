//! `clean`: what is no longer needed goes.

use super::{Cx, Error, Resources, Step, image};
use crate::resource::old_images::OldImages;
use crate::resource::purged::Purged;
use crate::site::Source;

pub(super) const STEP: Step = Step {
    name: "clean",
    summary: "Images of earlier revisions, and snapd if site.toml says so, go",
    reads: "Docker's images, packages",
    changes: "removes the app's images beyond the newest that [clean] keeps, never one that a \
              container uses; with snapd = true purges snapd",
    guarded: false,
    resources,
};

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let mut all: Resources = Vec::new();
    // An image from a registry has the operator's own tags, which aren't ours to count.
    if !matches!(cx.site.app.source, Source::Image(_)) {
        all.push(Box::new(OldImages {
            repository: cx.site.name.to_string(),
            current: image::reference(cx)?,
            keep: usize::from(cx.site.clean.images),
        }));
    }
    if cx.site.clean.snapd {
        all.push(Box::new(Purged {
            package: "snapd".to_owned(),
            leftovers: ["/var/cache/snapd", "/root/snap"]
                .map(String::from)
                .to_vec(),
        }));
    }
    Ok(all)
}
