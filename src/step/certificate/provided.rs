//! The operator's own certificate and key.

use super::joined;
use crate::resource::file::{Directory, File};
use crate::shell::Secret;
use crate::site::Pair;
use crate::step::{Cx, Resources};

pub(super) fn resources(cx: &Cx<'_>, pair: &Pair) -> Resources {
    let text = format!(
        "{}\n{}\n",
        pair.key.reveal().trim_end(),
        pair.chain.trim_end()
    );
    vec![
        Box::new(Directory::new(super::directory(cx), 0o700)),
        Box::new(File::secret(joined(cx, "provided").host, Secret::new(text))),
    ]
}
