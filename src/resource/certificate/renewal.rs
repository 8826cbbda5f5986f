//! certbot's renewal configuration of a certificate: by whom and how it was issued last.
//!
//! An INI file with sections in sections, which certbot writes anew at each issue: `key = value`
//! below `[renewalparams]`, and the webroot of each name below `[[webroot_map]]`.

/// What matters of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Renewal {
    /// The ACME directory.
    pub server: Option<String>,
    /// "webroot", "standalone", "nginx", …
    pub authenticator: Option<String>,
    /// Directories that challenges are put into.
    pub webroots: Vec<String>,
    /// The profile that is asked for.
    pub profile: Option<String>,
}

/// Reads it. What isn't there remains empty.
pub(super) fn renewal(text: &str) -> Renewal {
    let mut found = Renewal::default();
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).trim();
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        // certbot writes an empty value so.
        let known = || (!matches!(value, "" | "None" | "\"\"")).then(|| value.to_owned());
        match (section, key) {
            ("webroot_map", _) => found.webroots.push(value.to_owned()),
            ("renewalparams", "server") => found.server = known(),
            ("renewalparams", "authenticator") => found.authenticator = known(),
            ("renewalparams", "required_profile") => found.profile = known().or(found.profile),
            ("renewalparams", "preferred_profile") => found.profile = found.profile.or_else(known),
            // A list: "a, b" or "a,".
            ("renewalparams", "webroot_path") => {
                let all = value.split(',').map(str::trim);
                let all = all.filter(|path| !path.is_empty());
                found.webroots.extend(all.map(str::to_owned));
            }
            _ => {}
        }
    }
    found.webroots.sort();
    found.webroots.dedup();
    found
}
