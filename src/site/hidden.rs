//! What no picture of a mistake in site.toml may show.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The values of `[app.env]` are secrets, and so may be what stands in place of the source of
/// a password: no picture of a mistake shows them.
pub(super) fn secret_places(text: &str) -> Vec<Range<usize>> {
    let (root, faults) = DeTable::parse_recoverable(text);
    if let Some(fault) = faults.first() {
        // Of what follows a fault the parser can't be sure.
        let at = fault.span().map_or(0, |span| span.start);
        return secret_line(text, at).into_iter().collect();
    }
    let table = |key: &str| root.get_ref().get(key).map(Spanned::get_ref);
    let env = table("app").and_then(|app| app.get("env"));
    let mut places: Vec<Range<usize>> = match env.map(Spanned::get_ref) {
        Some(DeValue::Table(values)) => values.values().map(Spanned::span).collect(),
        Some(_) => env.map(Spanned::span).into_iter().collect(),
        None => Vec::new(),
    };
    // What stands in place of a source.
    if let Some(secrets) = table("secrets").and_then(DeValue::as_table) {
        let from = secrets.get("from").map(Spanned::get_ref);
        let from = from.and_then(DeValue::as_table);
        places.extend(
            from.into_iter()
                .flat_map(DeTable::values)
                .map(Spanned::span),
        );
        places.extend(secrets.get("passphrase").map(Spanned::span));
    }
    let hosts = table("hosts").and_then(DeValue::as_table);
    let hosts = hosts.into_iter().flat_map(DeTable::values);
    for table in table("ssh").into_iter().chain(hosts.map(Spanned::get_ref)) {
        for key in ["password", "sudo_password"] {
            match table.get(key).map(|value| (value.get_ref(), value.span())) {
                Some((DeValue::Table(values), _)) => {
                    places.extend(values.values().map(Spanned::span));
                }
                Some((_, span)) => places.push(span),
                None => {}
            }
        }
    }
    // Its place is easily taken for that of the URL itself.
    let alert = table("tls").and_then(|tls| tls.get("on_failure"));
    if let Some(DeValue::Table(values)) = alert.map(Spanned::get_ref) {
        places.extend(values.get("webhook_env").map(Spanned::span));
    }
    places
}

/// What may be secret on the line of a place, in a text that isn't TOML: all after the
/// first `=`, or all of a line that has none (it may be a part of a value), if the table
/// or the key says `env` or `password`.
fn secret_line(text: &str, at: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let at = at.min(bytes.len());
    let start = bytes[..at]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let length = bytes[start..].iter().position(|byte| *byte == b'\n');
    let line = &text[start..length.map_or(text.len(), |length| start + length)];
    let key_of = |line: &str| {
        let key = line.split('=').next().unwrap_or_default();
        key.contains("env") || key.contains("password")
    };
    // Lines back to the table's header: `env` may be the table, or a key before this line
    // whose braces are still open.
    let above = text[..start].lines().rev();
    let mut suspect = key_of(line);
    for line in above {
        suspect |= key_of(line);
        if line.trim_start().starts_with('[') {
            break;
        }
    }
    let key_end = line.find('=');
    let is_header = line.trim_start().starts_with('[') && key_end.is_none();
    (suspect && !is_header)
        .then(|| start + key_end.map_or(0, |equals| equals + 1)..start + line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_environment_and_passwords_are_hidden_in_every_form_of_table() {
        for text in [
            "[app.env]\nA = \"hunter2\"\n",
            "[app]\nenv = { B = \"x\", A = \"hunter2\" }\n",
            "app.env.A = \"hunter2\"\n",
            "[app]\nenv = \"hunter2\"\n",
            "[app.env]\nA = \"hunter2\n",
            "[app.env]\nA = 1\nA = \"hunter2\"\n",
            "[app]\nenv = { A = \"hunter2\"\n",
            "[app]\nenv = {\n  A = \"hunter2\n }\n",
            "[ssh]\npassword = \"hunter2\"\n",
            "[ssh]\nsudo_password = { env = \"hunter2\" }\n",
            "[ssh.password]\nenv = \"hunter2\"\n",
            "[hosts.a]\npassword = \"hunter2\"\n",
            "hosts.a = { port = 22, sudo_password = \"hunter2\" }\n",
            "[ssh]\npassword = \"hunter2\n",
            "[app.env]\nA = \"\"\"\nx \\q hunter2\"\"\"\n",
            "[tls]\non_failure = { webhook_env = \"hunter2\" }\n",
            "[tls.on_failure]\nwebhook_env = \"hunter2\n",
        ] {
            let at = text.find("hunter2").unwrap();
            let hidden = secret_places(text);
            assert!(
                hidden.iter().any(|span| span.contains(&at)),
                "{text:?}: {hidden:?}"
            );
            assert!(
                !hidden.iter().any(|span| span.contains(&0)),
                "{text:?}: {hidden:?}"
            );
        }
    }
}
