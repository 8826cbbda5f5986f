//! site.toml to [`Site`].

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use toml::Spanned;

use super::hidden::secret_places;
use super::raw::{EXAMPLES, RawSite, Text};
use super::read::{Lookup, Reader};
use super::secrets::Values;
use super::{
    Domain, Site, SiteName, Verify, app, data, hosts, jump, options, proxy, secrets, ssh, tls,
};
use super::{NoVault, Vault};
use crate::input::{Document, Error};

/// What to do where there is none.
const BEGIN: &str =
    "`provision init` writes a first one; another's path can be given as an argument";

/// Reads a site.toml, with everything it names: the key, the env file, the CA, the
/// operator's environment and the source directory.
///
/// # Errors
/// It can't be read, or the first mistake in it.
pub fn load(path: &Path, vault: &dyn Vault) -> Result<Site, Error> {
    let document = Document::open(path, BEGIN)?;
    resolve(document, path, &|name| std::env::var_os(name), Some(vault))
}

/// The same without the values of secrets: for what goes to containers that run, and needs to know
/// no more than where. Nothing may be planned with it.
///
/// # Errors
/// It can't be read, or the first mistake in it.
pub fn load_without_values(path: &Path) -> Result<Site, Error> {
    let document = Document::open(path, BEGIN)?;
    resolve(document, path, &|name| std::env::var_os(name), None)
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
    resolve(document, file, &env, Some(&NoVault))
}

fn resolve(
    mut document: Document,
    file: &Path,
    env: Lookup<'_>,
    vault: Option<&dyn Vault>,
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
    let name = reader.name(&raw.name, SiteName::new)?;
    let postgres = data::postgres(&reader, &raw, &name, &hosts, &values, &mut warnings)?;
    let redis = data::redis(&reader, &raw, &hosts, &values, &mut warnings)?;
    app::check_place(&reader, &raw.app, &app, &hosts)?;
    let docker = options::docker(&reader, &raw.docker)?;
    let from = jump::vantages(&reader, raw.verify.from.as_ref(), &hosts)?;
    hosts::check_pool(&reader, &raw.hosts, &hosts, &docker)?;
    let domains = domains(&reader, &raw.domains)?;
    let tls = tls::resolve(&reader, &raw.tls, &domains, &mut warnings)?;
    let beside = proxy::Beside {
        site: &name,
        static_url: raw.app.static_root.as_ref().map(|_| &app.static_url),
        media_url: raw.app.media_root.as_ref().map(|_| &app.media_url),
    };
    let proxy = proxy::resolve(&reader, &raw.proxy, &tls, &beside, &mut warnings)?;
    Ok(Site {
        playbook: raw
            .playbook
            .map_or_else(|| DEFAULT_PLAYBOOK.to_owned(), Spanned::into_inner),
        domains,
        ssh,
        hosts,
        backup: data::backup(&reader, &raw.backup, &name)?,
        name,
        app,
        clean: options::clean(&reader, &raw.clean)?,
        postgres,
        redis,
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
