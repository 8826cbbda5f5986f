//! site.toml to [`Site`].

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::raw::{EXAMPLES, RawSite, Text};
use super::read::{Lookup, Reader};
use super::secrets::Values;
use super::{Domain, Site, SiteName, Verify, app, hosts, jump, options, proxy, secrets, ssh, tls};
use super::{NoVault, Vault};
use crate::input::{Document, Error};

/// Reads a site.toml, with everything it names: the key, the env file, the CA, the
/// operator's environment and the source directory.
///
/// # Errors
/// It can't be read, or the first mistake in it.
pub fn load(path: &Path, vault: &dyn Vault) -> Result<Site, Error> {
    let document = Document::open(
        path,
        "`provision init` writes a first one; another's path can be given as an argument",
    )?;
    resolve(document, path, &|name| std::env::var_os(name), vault)
}

/// The same for a text that `file` is said to hold, with a given environment. Paths in the
/// text are relative to the directory of `file`.
///
/// # Errors
/// The first mistake in it.
pub fn parse(
    text: &str,
    file: &Path,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Site, Error> {
    let document = Document::new(file.display().to_string(), text);
    resolve(document, file, &env, &NoVault)
}

fn resolve(
    mut document: Document,
    file: &Path,
    env: Lookup<'_>,
    vault: &dyn Vault,
) -> Result<Site, Error> {
    let secrets = secret_places(document.text());
    document.hide(secrets);
    let raw: RawSite = document.read(EXAMPLES)?;
    let file = std::path::absolute(file).map_err(|source| Error::Unreadable {
        file: file.to_owned(),
        source,
        mend: "go to a directory that exists".to_owned(),
    })?;
    let reader = Reader::new(&document, file.parent().unwrap_or(Path::new("/")), env);
    let mut warnings = Vec::new();
    let mut ssh = ssh::resolve(&reader, &raw.ssh)?;
    let secrets = secrets::resolve(&reader, &raw.secrets, &file, ssh.key.clone())?;
    let values = Values::new(&reader, &secrets, vault, &raw)?;
    let app = app::resolve(&reader, &raw.app, &values, &mut warnings)?;
    let mut hosts = hosts::resolve(&reader, &raw.hosts)?;
    jump::check(&reader, &raw.ssh, &raw.hosts, &mut ssh, &mut hosts)?;
    hosts::check_ports(&reader, &raw.hosts, &hosts, &raw.app, &app)?;
    let docker = options::docker(&reader, &raw.docker)?;
    let from = jump::vantages(&reader, raw.verify.from.as_ref(), &hosts)?;
    hosts::check_pool(&reader, &raw.hosts, &hosts, &docker)?;
    let domains = domains(&reader, &raw.domains)?;
    let tls = tls::resolve(&reader, &raw.tls, &domains, &mut warnings)?;
    let name = reader.name(&raw.name, SiteName::new)?;
    let beside = proxy::Beside {
        site: &name,
        static_url: raw.app.static_root.as_ref().map(|_| &app.static_url),
    };
    let proxy = proxy::resolve(&reader, &raw.proxy, &tls, &beside, &mut warnings)?;
    Ok(Site {
        name,
        playbook: raw
            .playbook
            .map_or_else(|| DEFAULT_PLAYBOOK.to_owned(), Spanned::into_inner),
        domains,
        ssh,
        hosts,
        app,
        docker,
        firewall: options::firewall(&reader, &raw.firewall)?,
        proxy,
        tls,
        dns: options::dns(&reader, &raw.dns)?,
        verify: Verify { from },
        file,
        warnings,
    })
}

/// The playbook of a site that names none.
const DEFAULT_PLAYBOOK: &str = "django-scaled";

fn domains(reader: &Reader<'_>, raw: &Spanned<Vec<Text>>) -> Result<Vec<Domain>, Error> {
    if raw.get_ref().is_empty() {
        return Err(reader.wrong(
            raw.span(),
            "a site needs at least one domain",
            "write a name such as [\"polls.example.com\"]",
        ));
    }
    let mut seen = BTreeSet::new();
    let mut domains = Vec::new();
    for text in raw.get_ref() {
        let domain = reader.name(text, Domain::new)?;
        if !seen.insert(domain.clone()) {
            return Err(reader.wrong(
                text.span(),
                format!("{domain} is named twice"),
                "leave one of them out",
            ));
        }
        domains.push(domain);
    }
    Ok(domains)
}

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
