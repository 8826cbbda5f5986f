//! TLS from the first certificate to every renewal, as strangers see it while they go on asking.
//!
//! | file | what it is about |
//! |---|---|
//! | `switches` | from each source of certificates to the next |
//! | `renewal` | the timer's work: renewed, after reboots, and when it fails |
//! | `pairs` | an operator's pair that can't be served |
//! | `trouble` | authorities and networks that don't do as they should |
//! | `foreign` | other names, and headers that are made up |
//! | `killed` | the program's end while a certificate comes |

pub mod foreign;
pub mod killed;
pub mod pairs;
pub mod renewal;
pub mod switches;
pub mod trouble;

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use provision::lab::DOMAIN;
use toml::{Table, Value};

use crate::authority::{Authority, bundle};
use crate::outside::PROXY;
use crate::program::{Ended, provision};
use crate::requests::{Over, Requests, Shown, shown};
use crate::servers::{console, converged};
use crate::site::{Variant, ca};

/// `[tls]` for certificates from this authority.
fn from_authority(site: &mut Table, dir: &Path, authority: &Authority) {
    let tls = site["tls"].as_table_mut().unwrap();
    tls.insert("directory".to_owned(), authority.directory().into());
    let bundle = bundle(dir, &[authority]);
    tls.insert("ca".to_owned(), bundle.to_str().unwrap().into());
}

/// The lab's site with certificates from this authority.
fn site_with(authority: &Authority) -> Variant {
    Variant::beside(|site, dir| from_authority(site, dir, authority))
}

/// `[tls]` of this mode, with these keys.
fn mode(site: &mut Table, mode: &str, keys: &[(&str, Value)]) {
    let mut tls = Table::new();
    tls.insert("mode".to_owned(), mode.into());
    for (key, value) in keys {
        tls.insert((*key).to_owned(), value.clone());
    }
    site.insert("tls".to_owned(), tls.into());
}

/// The certificate that somebody sees who wants the site.
fn served() -> Shown {
    let all = PROXY.map(|address| shown(address, Some(DOMAIN)).unwrap());
    assert_eq!(all[0], all[1], "by IPv4 and by IPv6");
    all[0].clone()
}

/// `provision plan`, with what it would change.
fn plan_of(site: &Variant) -> Ended {
    let file = site.file();
    let ended = provision(&["plan", file.to_str().unwrap(), "--json"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    ended
}

/// The ids of nginx's workers: they change with every reload.
fn workers() -> String {
    console("proxy", "pgrep -f '^nginx: worker process$' | sort")
}

/// The poller must see a loss to prove that there was none.
pub fn requests_see_a_loss() {
    converged();
    for over in [Over::Https, Over::Http] {
        let requests = Requests::start(over);
        sleep(Duration::from_secs(3));
        console(
            "proxy",
            "docker kill --signal KILL polls-proxy; sleep 2; docker start polls-proxy",
        );
        while crate::outside::page(PROXY[0]).status != 200 {
            sleep(Duration::from_millis(500));
        }
        sleep(Duration::from_secs(3));
        for (address, asked) in requests.end() {
            assert!(asked.good > 8, "{address}: {asked:#?}");
            assert!(asked.lost.len() > 3, "{address}: {asked:#?}");
            assert!(asked.gap > 1500, "{address}: {asked:#?}");
            let certificates = usize::from(over == Over::Https);
            assert_eq!(asked.shown.len(), certificates, "{address}: {asked:#?}");
        }
    }
    // The same without the stop, and with a reload.
    let before = workers();
    let requests = Requests::start(Over::Https);
    sleep(Duration::from_secs(2));
    console("proxy", "docker exec polls-proxy nginx -s reload");
    sleep(Duration::from_secs(4));
    assert_eq!(requests.none_lost("a reload"), [served()]);
    assert_ne!(before, workers(), "workers tell a reload");
    let trusted = crate::outside::curl(&[
        "--cacert",
        &ca(),
        "--resolve",
        &format!("{DOMAIN}:443:{}", PROXY[0]),
        &format!("https://{DOMAIN}/polls/"),
    ]);
    assert_eq!((trusted.exit, trusted.status), (0, 200), "{trusted:?}");
}
