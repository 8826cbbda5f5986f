//! A certificate that signs itself, made on the proxy.

use crate::resource::file::Directory;
use crate::site::SelfSigned;
use crate::step::{Cx, Resources};

pub(super) fn resources(cx: &Cx<'_>, _own: &SelfSigned) -> Resources {
    vec![Box::new(Directory::new(super::directory(cx), 0o700))]
}
