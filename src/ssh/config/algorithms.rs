//! HostKeyAlgorithms of ssh_config(5): a list, or a change to OpenSSH's own.

use super::pattern::in_list;

/// OpenSSH's own list, in its order (9.2 to 10.x).
const OWN: [&str; 16] = [
    "ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "sk-ssh-ed25519-cert-v01@openssh.com",
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
];

/// What OpenSSH knows besides and doesn't offer by itself.
const OLD: [&str; 2] = ["ssh-rsa-cert-v01@openssh.com", "ssh-rsa"];

/// The list a value comes to: `+` adds at the end, `^` puts in front, `-` takes away.
pub(super) fn assemble(value: &str) -> Vec<String> {
    let known = || OWN.iter().chain(&OLD);
    // Each pattern in turn, so that the order is the operator's.
    let listed = |list: &str| -> Vec<String> {
        list.split(',')
            .filter(|pattern| !pattern.is_empty())
            .flat_map(|pattern| known().filter(move |name| in_list(pattern, name)))
            .map(|name| (*name).to_owned())
            .collect()
    };
    let own = || OWN.iter().map(|name| (*name).to_owned());
    let names: Vec<String> = if let Some(list) = value.strip_prefix('+') {
        own().chain(listed(list)).collect()
    } else if let Some(list) = value.strip_prefix('^') {
        listed(list).into_iter().chain(own()).collect()
    } else if let Some(list) = value.strip_prefix('-') {
        own().filter(|name| !in_list(list, name)).collect()
    } else {
        listed(value)
    };
    let mut once = Vec::with_capacity(names.len());
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_replaces_adds_to_or_takes_from_the_own_one() {
        assert_eq!(
            assemble("ssh-ed25519,rsa-sha2-512"),
            ["ssh-ed25519", "rsa-sha2-512"]
        );
        assert_eq!(assemble("+ssh-rsa").last().unwrap(), "ssh-rsa");
        assert_eq!(assemble("+ssh-rsa").len(), 17);
        assert_eq!(assemble("^rsa-sha2-512")[..2], ["rsa-sha2-512", OWN[0]]);
        assert_eq!(assemble("^rsa-sha2-512").len(), 16);
        assert_eq!(assemble("-*cert*,ecdsa*,sk-*,rsa*"), ["ssh-ed25519"]);
    }
}
