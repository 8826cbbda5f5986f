//! A certificate that signs itself, made on the proxy.

use super::key;
use crate::resource::certificate;
use crate::resource::packages::Packages;
use crate::site::SelfSigned;
use crate::step::material::{joined, keys};
use crate::step::{Cx, Resources};

/// The certificate as it has to be; its script renews it too.
pub(in crate::step) fn wanted(cx: &Cx<'_>, own: &SelfSigned) -> certificate::SelfSigned {
    certificate::SelfSigned {
        path: joined(cx, "self-signed").host,
        names: cx.site.domains.iter().map(ToString::to_string).collect(),
        key: key(own.key),
        days: own.days,
        user: cx.site.app.user.to_string(),
        now: cx.now,
    }
}

pub(super) fn resources(cx: &Cx<'_>, own: &SelfSigned) -> Resources {
    vec![
        Box::new(Packages::new(["openssl"])),
        Box::new(keys(cx)),
        Box::new(wanted(cx, own)),
    ]
}
