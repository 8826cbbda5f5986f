//! Writes a host key into site.toml, and leaves every other byte as it is.

/// `text` with `host_key` as the first line of `[hosts.NAME]`. A site.toml that describes the
/// host otherwise (an inline table) is given back unchanged.
pub fn pin_host_key(text: &str, name: &str, fingerprint: &str) -> String {
    let header = |line: &str| {
        let line = line.split('#').next().unwrap_or_default();
        let inner = line
            .trim()
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        inner.is_some_and(|inner| {
            let mut parts = inner
                .split('.')
                .map(|part| part.trim().trim_matches(['"', '\'']));
            parts.next() == Some("hosts") && parts.next() == Some(name) && parts.next().is_none()
        })
    };
    let mut out = String::with_capacity(text.len() + fingerprint.len() + 16);
    for line in text.split_inclusive('\n') {
        out.push_str(line);
        if header(line) {
            if !line.ends_with('\n') {
                out.push('\n');
            }
            out.push_str(&format!("host_key = \"{fingerprint}\"\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_under_its_host_and_nothing_else_moves() {
        let text = "# mine\n[hosts.app1]   # first\naddress = \"198.51.100.11\"\n\n[hosts.app2]\n";
        let pinned = pin_host_key(text, "app1", "SHA256:x");
        assert_eq!(
            pinned,
            "# mine\n[hosts.app1]   # first\nhost_key = \"SHA256:x\"\naddress = \"198.51.100.11\"\n\n[hosts.app2]\n"
        );
    }
}
