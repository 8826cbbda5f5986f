//! Directories on the proxy that nginx serves by itself.

use super::Cx;
use crate::resource::file::Directory;
use crate::step::Resources;

/// Where nginx finds the directory of this number.
pub(super) fn inside(at: usize) -> String {
    format!("/srv/locations/{at}")
}

/// The directories. They are the operator's: what is there stays as it is.
pub(super) fn resources(cx: &Cx<'_>) -> Resources {
    let mut all: Resources = Vec::new();
    for (at, location) in cx.site.proxy.locations.iter().enumerate() {
        let before = &cx.site.proxy.locations[..at];
        if !before.iter().any(|it| it.directory == location.directory) {
            all.push(Box::new(Directory::any(location.directory.as_str())));
        }
    }
    all
}
