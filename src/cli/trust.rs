//! `provision trust`: shows the host keys of all servers at once, and pins them after a yes.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use super::ask::{Operator, Way};
use super::stage::INTERRUPTED;
use super::{Error, SshArgs, prepare, prompt};
use crate::engine::Routes;
use crate::site::{Host, Site, pin_host_key};
use crate::ssh::HostKey;

/// Collects, shows, asks, writes.
pub(super) fn trust(file: &Path, yes: bool, ssh: &SshArgs) -> Result<u8, Error> {
    let (site, _) = prepare::load(file)?;
    let site = Arc::new(site);
    let routes = prepare::routes(&site, ssh);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let before = prompt::Settings::now();
    let shown = runtime.block_on(async {
        tokio::select! {
            shown = collect(&site, &routes) => Some(shown),
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    let Some(shown) = shown else {
        // A question may be on the terminal.
        before.restore();
        runtime.shutdown_background();
        anstream::eprintln!();
        return Ok(INTERRUPTED);
    };
    let shown = shown?;
    prepare::warn(&routes);
    let mut sheet = Sheet::default();
    for (host, keys) in site.hosts.values().zip(shown) {
        sheet.add(host, keys);
    }
    for row in &sheet.rows {
        anstream::println!("{row}");
    }
    if !sheet.changed.is_empty() {
        return Err(Error::HostKey(format!(
            "{}\nA server that was set up anew shows a new key; so does another server behind the \
             same address, and so does somebody in between. Compare with the fingerprint in your \
             provider's console, then remove the line host_key from {} and run `provision trust` \
             again. Nothing was written.",
            sheet.changed.join("\n"),
            file.display()
        )));
    }
    if sheet.new.is_empty() {
        return match sheet.failed {
            Some(error) => Err(error),
            None => {
                anstream::println!("nothing to pin");
                Ok(0)
            }
        };
    }
    if !yes {
        if !std::io::stdin().is_terminal() {
            return Err(Error::NoTerminal);
        }
        let question = "compare them with your provider's console; pin them?";
        let answer = runtime.block_on(prompt::confirmed(question));
        runtime.shutdown_background();
        if !matches!(answer, Ok(true)) {
            anstream::println!("nothing was written");
            return Ok(answer.map_or(INTERRUPTED, |_| 0));
        }
    }
    let mut text = std::fs::read_to_string(file).map_err(|cause| Error::Write {
        path: file.to_owned(),
        cause,
    })?;
    for (host, fingerprint) in &sheet.new {
        text = pin_host_key(&text, host, fingerprint);
    }
    write(file, &text)?;
    anstream::println!("{} is written", file.display());
    // A host that couldn't be asked doesn't keep the others from being pinned.
    sheet.failed.map_or(Ok(0), Err)
}

/// What the hosts show, beside what is pinned.
#[derive(Default)]
struct Sheet {
    rows: Vec<String>,
    /// Hosts without a pin, with the fingerprint to pin.
    new: Vec<(String, String)>,
    changed: Vec<String>,
    /// The first that couldn't be asked.
    failed: Option<Error>,
}

impl Sheet {
    fn add(&mut self, host: &Host, keys: Result<Vec<HostKey>, Error>) {
        let (name, address) = (host.name.as_str(), host.address.to_string());
        let keys = match keys {
            Ok(keys) => keys,
            Err(e) => {
                self.rows.push(format!("{name:<8} {address:<16} {e}"));
                self.failed.get_or_insert(e);
                return;
            }
        };
        let pinned = host.host_key.as_deref();
        let held = keys
            .iter()
            .find(|key| Some(key.fingerprint.as_str()) == pinned);
        // Without a pin, the first is the one a connection will be made with.
        let Some(key) = held.or(keys.first()) else {
            return;
        };
        let fingerprint = &key.fingerprint;
        let state = match pinned {
            Some(_) if held.is_some() => "pinned already".to_owned(),
            Some(pinned) => {
                self.changed
                    .push(format!("{name} shows {fingerprint}, pinned is {pinned}"));
                format!("CHANGED: pinned is {pinned}")
            }
            None => {
                self.new.push((name.to_owned(), fingerprint.clone()));
                "new".to_owned()
            }
        };
        self.rows.push(format!(
            "{name:<8} {address:<16} {:<12} {fingerprint}  {state}",
            key.algorithm
        ));
    }
}

/// All hosts at once.
async fn collect(site: &Site, routes: &Routes) -> Result<Vec<Result<Vec<HostKey>, Error>>, Error> {
    let way = match prompt::somebody() {
        true => Way::AtOnce,
        false => Way::Nobody,
    };
    let dialer = &Operator::new(site, way, None).dialer(None);
    let user = site.ssh.user.as_str();
    let targets = site.hosts.values().map(|host| routes.target(host, user));
    let targets = futures_util::future::try_join_all(targets).await?;
    let each = targets.iter().map(|target| async move {
        dialer.host_keys(target).await.map_err(|error| Error::Ssh {
            error: Box::new(error),
        })
    });
    Ok(futures_util::future::join_all(each).await)
}

/// Replaces the file as a whole, so that a full disk or a power cut can't leave half of it.
fn write(file: &Path, text: &str) -> Result<(), Error> {
    let failed = |cause| Error::Write {
        path: file.to_owned(),
        cause,
    };
    let new = file.with_extension("toml.new");
    let permissions = std::fs::metadata(file).map_err(failed)?.permissions();
    std::fs::write(&new, text).map_err(failed)?;
    std::fs::set_permissions(&new, permissions).map_err(failed)?;
    std::fs::rename(&new, file).map_err(failed)
}
