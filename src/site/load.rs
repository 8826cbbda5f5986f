//! site.toml to [`Site`].

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::raw::{EXAMPLES, RawSite, RawSsh, Text};
use super::read::{Lookup, Reader};
use super::{Domain, Site, SiteName, Ssh, UserName, app, hosts, options};
use crate::input::{Document, Error, Words};

/// Reads a site.toml, with everything it names: the key, the env file, the CA, the
/// operator's environment and the source directory.
///
/// # Errors
/// It can't be read, or the first mistake in it.
pub fn load(path: &Path) -> Result<Site, Error> {
    let document = Document::open(
        path,
        "`provision init` writes a first one; another's path can be given as an argument",
    )?;
    resolve(document, path, &|name| std::env::var_os(name))
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
    resolve(document, file, &env)
}

fn resolve(mut document: Document, file: &Path, env: Lookup<'_>) -> Result<Site, Error> {
    document.hide_values();
    let raw: RawSite = document.read(EXAMPLES)?;
    let file = std::path::absolute(file).map_err(|source| Error::Unreadable {
        file: file.to_owned(),
        source,
        mend: "go to a directory that exists".to_owned(),
    })?;
    let reader = Reader {
        document: &document,
        base: file.parent().unwrap_or(Path::new("/")),
        env,
    };
    let mut warnings = Vec::new();
    let app = app::resolve(&reader, &raw.app, &mut warnings)?;
    let hosts = hosts::resolve(&reader, &raw.hosts)?;
    hosts::check_ports(&reader, &raw.hosts, &hosts, &raw.app, &app)?;
    let docker = options::docker(&reader, &raw.docker)?;
    hosts::check_pool(&reader, &raw.hosts, &hosts, &docker)?;
    Ok(Site {
        name: reader.name(&raw.name, SiteName::new)?,
        playbook: raw
            .playbook
            .map_or_else(|| DEFAULT_PLAYBOOK.to_owned(), Spanned::into_inner),
        domains: domains(&reader, &raw.domains)?,
        ssh: ssh(&reader, &raw.ssh)?,
        hosts,
        app,
        docker,
        firewall: options::firewall(&reader, &raw.firewall)?,
        proxy: options::proxy(&reader, &raw.proxy)?,
        tls: options::tls(&reader, &raw.tls)?,
        dns: options::dns(&reader, &raw.dns)?,
        file: file.clone(),
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

fn ssh(reader: &Reader<'_>, raw: &RawSsh) -> Result<Ssh, Error> {
    let key = match &raw.key {
        Some(key) => Some(reader.file("the key", key)?.0),
        None => None,
    };
    let known_hosts: Vec<PathBuf> = match &raw.known_hosts {
        Some(files) => Words::list(files)
            .iter()
            .map(|file| reader.checked_path(file))
            .collect::<Result<_, _>>()?,
        None => ["~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"]
            .map(|file| reader.path(file))
            .into(),
    };
    Ok(Ssh {
        user: reader.name_or(raw.user.as_ref(), "deploy", UserName::new)?,
        bootstrap: reader.name_or(raw.bootstrap.as_ref(), "root", UserName::new)?,
        key,
        known_hosts,
        connect_timeout: reader.within(
            "connect_timeout",
            raw.connect_timeout.as_ref(),
            15,
            1..=600,
        )?,
    })
}

impl Document {
    /// The values of `[app.env]` are secrets: no picture shows them.
    fn hide_values(&mut self) {
        let (root, _) = DeTable::parse_recoverable(self.text());
        let env = root
            .get_ref()
            .get("app")
            .and_then(|app| app.get_ref().get("env"));
        let spans: Vec<_> = match env.map(Spanned::get_ref) {
            Some(DeValue::Table(values)) => values.values().map(Spanned::span).collect(),
            Some(_) => env.map(Spanned::span).into_iter().collect(),
            None => Vec::new(),
        };
        drop(root);
        self.hide(spans);
    }
}
