//! What our units may do (systemd.exec(5)). Each value is one word; lists are said in
//! several lines.

/// A setting of a unit.
pub(super) type Setting = (&'static str, String);

/// For every unit: nothing that changes the system itself.
const ALL: &[(&str, &str)] = &[
    ("PrivateTmp", "yes"),
    ("PrivateDevices", "yes"),
    ("ProtectHome", "read-only"),
    ("ProtectClock", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("LockPersonality", "yes"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallErrorNumber", "EPERM"),
    ("SystemCallFilter", "@system-service"),
    ("RestrictAddressFamilies", "AF_UNIX"),
];

/// For our own scripts: no more than the files of root, read-only but for some directories.
const OURS: &[(&str, &str)] = &[
    ("ProtectSystem", "strict"),
    ("NoNewPrivileges", "yes"),
    ("CapabilityBoundingSet", ""),
    ("MemoryDenyWriteExecute", "yes"),
    ("UMask", "0077"),
];

/// For what speaks to others itself.
const NETWORK: &[(&str, &str)] = &[
    ("RestrictAddressFamilies", "AF_INET"),
    ("RestrictAddressFamilies", "AF_INET6"),
    // Name resolution asks for the interfaces.
    ("RestrictAddressFamilies", "AF_NETLINK"),
];

/// For a command of the operator's, which may be a mailer: it writes to /var and may run programs
/// that become another user.
const COMMAND: &[(&str, &str)] = &[
    ("ProtectSystem", "full"),
    ("CapabilityBoundingSet", "CAP_CHOWN"),
    ("CapabilityBoundingSet", "CAP_DAC_OVERRIDE"),
    ("CapabilityBoundingSet", "CAP_DAC_READ_SEARCH"),
    ("CapabilityBoundingSet", "CAP_FOWNER"),
    ("CapabilityBoundingSet", "CAP_KILL"),
    ("CapabilityBoundingSet", "CAP_SETGID"),
    ("CapabilityBoundingSet", "CAP_SETUID"),
];

fn settings(tables: &[&'static [(&'static str, &'static str)]]) -> Vec<Setting> {
    tables
        .iter()
        .flat_map(|table| table.iter())
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect()
}

/// The renewal's: it writes to these directories, may read what isn't root's if it `reads` that, and
/// what speaks to the world are containers, which it reaches by Docker's socket.
pub(super) fn renewal(writes: Vec<String>, reads: bool) -> Vec<Setting> {
    let mut all = settings(&[ALL, OURS, &[("PrivateNetwork", "yes")]]);
    if reads {
        let may = "CAP_DAC_READ_SEARCH".to_owned();
        all.push(("CapabilityBoundingSet", may));
    }
    all.extend(writes.into_iter().map(|path| ("ReadWritePaths", path)));
    all
}

/// That of a unit which brings containers up through Compose: it reads what lies below /srv, some of
/// which is a container's user's alone, and speaks to nobody but Docker.
pub(super) fn composing() -> Vec<Setting> {
    const OWN: &[(&str, &str)] = &[
        ("PrivateNetwork", "yes"),
        ("CapabilityBoundingSet", "CAP_DAC_READ_SEARCH"),
    ];
    settings(&[ALL, OURS, OWN])
}

/// A webhook's.
pub(super) fn webhook() -> Vec<Setting> {
    settings(&[ALL, OURS, NETWORK])
}

/// A command's.
pub(super) fn command() -> Vec<Setting> {
    settings(&[ALL, NETWORK, COMMAND])
}
