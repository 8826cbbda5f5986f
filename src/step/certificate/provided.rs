//! The operator's own certificate and key.

use crate::resource::certificate::Provided;
use crate::resource::file::Directory;
use crate::site::Pair;
use crate::step::material::{directory, joined};
use crate::step::{Cx, Resources};

pub(super) fn resources(cx: &Cx<'_>, pair: &Pair) -> Resources {
    vec![
        Box::new(Directory::new(directory(cx), 0o700)),
        Box::new(Provided {
            path: joined(cx, "provided").host,
            chain: pair.chain.clone(),
            key: pair.key.clone(),
            image: cx.site.proxy.image.to_string(),
        }),
    ]
}
