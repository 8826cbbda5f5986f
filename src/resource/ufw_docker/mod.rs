//! The rules that put the ports Docker publishes behind ufw.
//!
//! Docker rewrites a packet's destination before ufw's INPUT rules see it; DOCKER-USER is the
//! chain Docker leaves to its operator. The block sends what goes to one of Docker's own
//! subnets through ufw's route rules first and drops what they didn't let in. It stands in
//! `/etc/ufw/after.rules` between the marks that the ufw-docker project uses, so that its
//! block, or the older one of the tutorials, is replaced in place.
//!
//! | file | what it is about |
//! |---|---|
//! | `text` | the rules for a list of subnets, and the block they make |
//! | `subnets` | which subnets are Docker's |
//! | `locate` | where blocks stand in a rules file, ours and others' |
//! | `edit` | the file with our block, and the file as it was before |
//! | `block` | a resource: the block in a rules file |
//! | `live` | a resource: the same rules in the kernel |
//! | `unblock`, `unlive` | their removal |

mod block;
mod edit;
mod live;
mod locate;
mod subnets;
#[cfg(test)]
mod tests;
mod text;
mod unblock;
mod unlive;

pub use block::Block;
pub use live::Live;
pub use unblock::{Forgotten, Unblock};
pub use unlive::Unlive;

use super::fact::Family;
use super::{Fact, Reveal};

impl Family {
    const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The rules file that ufw loads last but for the user's own rules.
    fn file(self) -> &'static str {
        match self {
            Self::V4 => "/etc/ufw/after.rules",
            Self::V6 => "/etc/ufw/after6.rules",
        }
    }

    /// Where it is kept what our block replaced there. A file is the host's, not a site's.
    fn kept(self) -> &'static str {
        match self {
            Self::V4 => "/var/lib/provision/ufw/after.rules.replaced",
            Self::V6 => "/var/lib/provision/ufw/after6.rules.replaced",
        }
    }

    /// What the names of its chains and tools have more than those of IPv4.
    fn six(self) -> &'static str {
        match self {
            Self::V4 => "",
            Self::V6 => "6",
        }
    }
}

fn content_of(path: &str) -> Fact {
    Fact::File {
        path: path.to_owned(),
        content: Reveal::Always,
    }
}
