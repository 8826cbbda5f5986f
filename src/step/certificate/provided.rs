//! The operator's own certificate and key.

use crate::resource::certificate::Provided;
use crate::site::Pair;
use crate::step::material::{joined, keys};
use crate::step::{Cx, Resources};

pub(super) fn resources(cx: &Cx<'_>, pair: &Pair) -> Resources {
    vec![
        Box::new(keys(cx)),
        Box::new(Provided {
            path: joined(cx, "provided").host,
            chain: pair.chain.clone(),
            key: pair.key.clone(),
            image: cx.site.proxy.image.to_string(),
            user: cx.site.app.user.to_string(),
        }),
    ]
}
