//! `image`: the application's image on every host that runs it, from one revision.

use super::{Cx, Error, Resources, Step};
use crate::resource::image::Image;
use crate::resource::op::Context;
use crate::site::Source;

pub(super) const STEP: Step = Step {
    name: "image",
    summary: "The application's image, built or pulled, the same revision everywhere",
    reads: "Docker's images",
    changes: "builds SITE:REVISION on each host from what is on the operator's machine (no \
              repository credentials go to a server), or pulls the image that site.toml names",
    guarded: false,
    resources,
};

/// The image reference that stands for the application's revision.
pub(super) fn reference(cx: &Cx<'_>) -> Result<String, Error> {
    let tag = |digest: &str| -> Result<String, Error> {
        let short = digest.get(..12).ok_or_else(|| Error {
            step: "image".to_owned(),
            what: "the application's revision has not been looked up".to_owned(),
        })?;
        Ok(format!("{}:{short}", cx.site.name))
    };
    match &cx.site.app.source {
        Source::Git { commit, .. } => tag(commit),
        Source::Path { digest, .. } => tag(digest),
        Source::Image(image) => Ok(image.to_string()),
    }
}

/// The image as a resource.
pub(super) fn image(cx: &Cx<'_>) -> Result<Image, Error> {
    let reference = reference(cx)?;
    Ok(match &cx.site.app.source {
        Source::Image(_) => Image::pulled(reference),
        Source::Path { dir, .. } => Image::built(reference, Context::Directory(dir.clone())),
        Source::Git { url, commit, .. } => {
            let context = Context::Commit {
                url: url.clone(),
                commit: commit.clone(),
            };
            Image::built(reference, context)
        }
    })
}

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    Ok(vec![Box::new(image(cx)?)])
}
