//! `clean`: what is no longer needed goes.

use super::{Cx, Error, Resources, Step, image, stack};
use crate::resource::old_images::OldImages;
use crate::resource::orphans::Orphans;
use crate::resource::purged::Purged;
use crate::site::Source;

pub(super) const STEP: Step = Step {
    name: "clean",
    summary: "Containers whose role has moved, images of earlier revisions, and snapd if site.toml says so, go",
    reads: "Docker's containers and images, packages",
    changes: "removes containers of the site that compose.yaml no longer names (volumes stay), and the app's images beyond the newest that [clean] keeps, never one that a \
              container uses; with snapd = true purges snapd",
    guarded: false,
    resources,
};

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let mut all: Resources = vec![Box::new(Orphans {
        project: cx.site.name.to_string(),
        services: stack::names(cx)?,
    })];
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
