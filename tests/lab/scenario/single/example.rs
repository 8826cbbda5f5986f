//! An example site as the lab can run it.

use std::fs;
use std::path::{Path, PathBuf};

use provision::lab::{DOMAIN, MACHINES, Machine};
use toml::{Table, Value};

use crate::program::{provision, succeeds};
use crate::scenario::tls::switches::{Own, write};
use crate::site::{self, at, set};

/// An example, and where its servers are.
pub struct Example {
    /// Its file below examples/.
    pub file: &'static str,
    /// Its name.
    pub site: &'static str,
    /// Its hosts, and the lab's machines for them.
    pub machines: &'static [(&'static str, &'static Machine)],
    /// Whether it has Redis.
    pub redis: bool,
}

const PROXY: &[(&str, &Machine)] = &[("web", &MACHINES[2])];

pub const COMPOSE: Example = Example {
    file: "single-compose.toml",
    site: "board",
    machines: PROXY,
    redis: true,
};
pub const UWSGI: Example = Example {
    file: "single-uwsgi.toml",
    site: "album",
    machines: PROXY,
    redis: true,
};
pub const PROVIDED: Example = Example {
    file: "single-provided.toml",
    site: "bureau",
    machines: PROXY,
    redis: false,
};
pub const MINIMAL: Example = Example {
    file: "single-minimal.toml",
    site: "pins",
    machines: PROXY,
    redis: false,
};
pub const DATABASE_HOST: Example = Example {
    file: "database-host.toml",
    site: "survey",
    machines: &[
        ("app1", &MACHINES[0]),
        ("app2", &MACHINES[1]),
        ("data", &MACHINES[3]),
        ("proxy", &MACHINES[2]),
    ],
    redis: false,
};

impl Example {
    /// A machine that runs the app.
    pub fn app(&self) -> &'static Machine {
        self.machines[0].1
    }

    fn names(&self) -> Vec<&'static str> {
        let mut words = vec!["lab", "reset"];
        words.extend(self.machines.iter().map(|(_, machine)| machine.name));
        words
    }
}

/// An example's site in the lab. Its servers are bare again when it goes.
pub struct Deployed {
    pub example: &'static Example,
    dir: tempfile::TempDir,
    /// What curl needs to trust it.
    pub trust: Vec<String>,
}

impl Deployed {
    /// Bare servers, and the example's file with its secrets beside it.
    pub fn prepare(example: &'static Example) -> Self {
        succeeds(&example.names());
        let dir = tempfile::tempdir().unwrap();
        let path = examples().join(example.file);
        let mut table: Table = fs::read_to_string(path).unwrap().parse().unwrap();
        assert_eq!(table["name"].as_str(), Some(example.site));
        let trust = in_the_lab(&mut table, example, dir.path());
        let site = Self {
            example,
            dir,
            trust,
        };
        fs::write(site.file(), table.to_string()).unwrap();
        succeeds(&["secrets", site.file().to_str().unwrap()]);
        site
    }

    /// Its site.toml.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("site.toml")
    }

    /// A directory that goes with it.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Deployed {
    fn drop(&mut self) {
        // The next scenario wants servers of its own; what hinders that, it will say.
        let _ended = provision(&self.example.names());
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// Puts the lab in the place of the world: servers, names, the authority. What curl needs to trust
/// the site.
fn in_the_lab(table: &mut Table, example: &Example, dir: &Path) -> Vec<String> {
    let lab: Table = fs::read_to_string(site::file()).unwrap().parse().unwrap();
    set(table, &["ssh", "key"], lab["ssh"]["key"].clone());
    set(
        table,
        &["ssh", "known_hosts"],
        format!("{}/known_hosts", site::lab()),
    );
    assert_eq!(at(table, &["hosts"]).len(), example.machines.len());
    for (name, machine) in example.machines {
        let host = at(table, &["hosts", name]);
        host.insert("address".to_owned(), machine.address().to_string().into());
        host.insert("ipv6".to_owned(), machine.ipv6().to_string().into());
        if let Some(private) = host.get_mut("private") {
            *private = machine.private().to_string().into();
        }
    }
    let domains = table["domains"].as_array_mut().unwrap();
    for (domain, own) in domains
        .iter_mut()
        .zip([DOMAIN.to_owned(), format!("www.{DOMAIN}")])
    {
        *domain = own.into();
    }
    let app = at(table, &["app"]);
    let source = app["source"].as_table_mut().unwrap();
    from_here(&mut source["path"]);
    let fixtures = app.get_mut("fixtures").and_then(Value::as_array_mut);
    fixtures.into_iter().flatten().for_each(from_here);
    table.insert("dns".to_owned(), lab["dns"].clone());
    let mut docker = Table::new();
    docker.insert("source".to_owned(), "distro".into());
    table.insert("docker".to_owned(), docker.into());
    certificates(at(table, &["tls"]), lab["tls"].as_table().unwrap(), dir)
}

/// A path beside the example.
fn from_here(path: &mut Value) {
    let there = examples().join(path.as_str().unwrap());
    *path = there.to_str().unwrap().into();
}

fn certificates(tls: &mut Table, lab: &Table, dir: &Path) -> Vec<String> {
    let trusting = |path: &str| vec!["--cacert".to_owned(), path.to_owned()];
    match tls.get("mode").and_then(Value::as_str) {
        None => {
            for key in ["directory", "ca"] {
                tls.insert(key.to_owned(), lab[key].clone());
            }
            trusting(&site::ca())
        }
        Some("provided") => {
            let own = Own::new();
            write(dir, &own.pair(DOMAIN, 2028));
            let root = dir.join("root.pem");
            fs::write(&root, own.root).unwrap();
            for (key, file) in [
                ("certificate", "chain.pem"),
                ("key", "key.pem"),
                ("ca", "root.pem"),
            ] {
                tls.insert(key.to_owned(), file.into());
            }
            trusting(root.to_str().unwrap())
        }
        // Nobody vouches for it.
        Some("self-signed") => vec!["--insecure".to_owned()],
        Some(other) => panic!("{other:?} has no place in the lab yet"),
    }
}
