//! `provision trust`: shows the host keys of all servers at once, and pins them after a yes.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use super::{Error, prepare};
use crate::engine;
use crate::site::{Host, Site, pin_host_key};
use crate::ssh::{self, Dialer, HostKey, Keys, Nobody};

/// Collects, shows, asks, writes.
pub(super) fn trust(file: &Path, yes: bool) -> Result<u8, Error> {
    let (site, _) = prepare::load(file)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let shown = runtime.block_on(collect(&site));
    let mut new: Vec<(&Host, String)> = Vec::new();
    let mut changed = Vec::new();
    let mut failed = None;
    for (host, keys) in site.hosts.values().zip(shown) {
        let keys = match keys {
            Ok(keys) => keys,
            Err(e) => {
                anstream::println!("{:<8} {:<40} {e}", host.name, host.address.to_string());
                failed = Some(e);
                continue;
            }
        };
        // The first is the one a connection will be made with.
        let Some(HostKey {
            algorithm,
            fingerprint,
            ..
        }) = keys.into_iter().next()
        else {
            continue;
        };
        let state = match &host.host_key {
            Some(pinned) if *pinned == fingerprint => "pinned already".to_owned(),
            Some(pinned) => {
                changed.push(format!(
                    "{} shows {fingerprint}, pinned is {pinned}",
                    host.name
                ));
                format!("CHANGED: pinned is {pinned}")
            }
            None => {
                new.push((host, fingerprint.clone()));
                "new".to_owned()
            }
        };
        anstream::println!(
            "{:<8} {:<16} {:<12} {fingerprint}  {state}",
            host.name,
            host.address.to_string(),
            algorithm
        );
    }
    if !changed.is_empty() {
        return Err(Error::HostKey(format!(
            "{}\nA server that was set up anew shows a new key; so does somebody in between. \
             Compare with the fingerprint in your provider's console, then remove the line \
             host_key from {} and run `provision trust` again. Nothing was written.",
            changed.join("\n"),
            file.display()
        )));
    }
    if let Some(error) = failed {
        return Err(Error::Ssh {
            error: Box::new(error),
        });
    }
    if new.is_empty() {
        anstream::println!("nothing to pin");
        return Ok(0);
    }
    if !yes {
        if !std::io::stdin().is_terminal() {
            return Err(Error::NoTerminal);
        }
        anstream::print!("compare them with your provider's console; pin them? [y/N] ");
        let _flushed = std::io::stdout().flush();
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        if read.is_err() || !matches!(answer.trim(), "y" | "Y" | "yes") {
            anstream::println!("nothing was written");
            return Ok(0);
        }
    }
    let mut text = std::fs::read_to_string(file).map_err(|cause| Error::Write {
        path: file.to_owned(),
        cause,
    })?;
    for (host, fingerprint) in new {
        text = pin_host_key(&text, host.name.as_str(), &fingerprint);
    }
    write(file, &text)?;
    anstream::println!("{} is written", file.display());
    Ok(0)
}

async fn collect(site: &Site) -> Vec<Result<Vec<HostKey>, ssh::Error>> {
    let dialer = &Dialer::new(Keys::from_env(), Arc::new(Nobody), None);
    let each = site.hosts.values().map(|host| async move {
        let target = engine::target(site, host, site.ssh.user.as_str());
        dialer.host_keys(&target).await
    });
    futures_util::future::join_all(each).await
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
