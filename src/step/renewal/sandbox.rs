//! What the units of renewal and backup may do (systemd.exec(5)). Each value is one word; lists are said in
//! several lines.

/// A setting of a unit.
pub(in crate::step) type Setting = (&'static str, String);

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

/// The renewal's: it writes to these directories, and what speaks to the world are containers,
/// which it reaches by Docker's socket.
pub(in crate::step) fn renewal(writes: Vec<String>) -> Vec<Setting> {
    let mut all = settings(&[ALL, OURS, &[("PrivateNetwork", "yes")]]);
    all.extend(writes.into_iter().map(|path| ("ReadWritePaths", path)));
    all
}

/// A backup's: as the renewal's, and it reads what the app's user has written.
pub(in crate::step) fn backup(writes: Vec<String>) -> Vec<Setting> {
    let mut all = renewal(writes);
    all.retain(|(name, _)| *name != "CapabilityBoundingSet");
    all.push(("CapabilityBoundingSet", "CAP_DAC_READ_SEARCH".to_owned()));
    all
}

/// A webhook's.
pub(in crate::step) fn webhook() -> Vec<Setting> {
    settings(&[ALL, OURS, NETWORK])
}

/// A command's.
pub(in crate::step) fn command() -> Vec<Setting> {
    settings(&[ALL, NETWORK, COMMAND])
}
