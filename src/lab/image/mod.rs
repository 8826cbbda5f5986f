//! The images of the lab's registry mirror, made from Debian packages so that nothing has
//! to come from a public image registry. They stand in for the official images of the same
//! names: same commands, same users, same places for configuration and data, the versions
//! that Debian has.
//!
//! | file | what it is about |
//! |---|---|
//! | `recipe` | what each image is made of |
//! | `sh` | what is done to its tree, and entry points |

mod recipe;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::shell::quote;

use super::command::run;
use super::layout::{self, Layout, text};
use super::oci::{self, Config};
use super::state::Turn;
use super::topology::{GATEWAY, REGISTRY_PORT};
use super::{Error, tree};

use recipe::{ENTRYPOINT, RECIPES, Recipe, TESTING};

/// Images made at the same time. Much of the work waits for downloads and is one thread's.
const AT_ONCE: usize = 2;

/// After every image's packages.
const TRUST: &str = include_str!("sh/trust.sh");

/// What no container needs: documentation, and PostgreSQL's compiler of queries, which is
/// half of its image and which it does without when it isn't there.
const LEFT_OUT: [&str; 7] = [
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/lib/llvm-*",
    "/usr/lib/*/libLLVM*",
    "/usr/lib/postgresql/*/lib/bitcode/*",
    "/usr/lib/postgresql/*/lib/llvmjit*",
];

/// What this machine brings to its images.
struct Machine {
    /// Its extra certificate authorities.
    cas: String,
    /// Its apt settings.
    apt: String,
}

impl Recipe {
    fn key(&self, machine: &Machine) -> String {
        let config = self.config();
        tree::key(&[
            self.suite,
            self.repository,
            self.tag,
            self.variant,
            self.packages,
            &LEFT_OUT.join(" "),
            self.before.unwrap_or_default(),
            TRUST,
            self.after.unwrap_or_default(),
            self.entry.unwrap_or_default(),
            &machine.cas,
            &machine.apt,
            &format!("{config:?}"),
        ])
    }

    fn config(&self) -> Config {
        let mut env: Vec<String> = self.env.iter().map(|entry| (*entry).to_owned()).collect();
        if self.repository == "library/python" {
            // A package index that this machine is told to use serves builds too.
            if let Ok(index) = std::env::var("PIP_INDEX_URL") {
                env.push(format!("PIP_INDEX_URL={index}"));
            }
        }
        Config {
            env,
            entrypoint: self.entrypoint,
            cmd: self.cmd,
            ports: self.ports,
            volumes: self.volumes,
            workdir: self.workdir,
            stop_signal: self.stop_signal,
        }
    }

    fn make(&self, dir: &Path, machine: &Machine) -> Result<(), Error> {
        layout::remove(dir)?;
        layout::private_dir(dir)?;
        let tar = dir.join("tree.tar");
        let mut args: Vec<String> = [
            "--quiet",
            "--mode=root",
            "--format=tar",
            // Docker makes its own device files.
            "--skip=output/dev",
            // Directories for sockets, which an ordinary user couldn't make.
            "--skip=cleanup/run",
            "--dpkgopt=force-unsafe-io",
        ]
        .map(String::from)
        .to_vec();
        args.push(format!("--variant={}", self.variant));
        args.push(format!("--include={}", self.packages));
        if !machine.apt.is_empty() {
            let settings = dir.join("apt.conf");
            layout::write(&settings, 0o600, &machine.apt)?;
            args.push(format!("--aptopt={}", text(&settings)));
        }
        args.extend(LEFT_OUT.map(|path| format!("--dpkgopt=path-exclude={path}")));
        let hooks = [
            ("essential", "before", self.before),
            ("customize", "trust", Some(TRUST)),
            ("customize", "after", self.after),
        ];
        for (moment, name, script) in hooks {
            if let Some(script) = script {
                let path = dir.join(name);
                layout::write(&path, 0o700, script)?;
                args.push(format!("--{moment}-hook={}", text(&path)));
            }
        }
        if let Some(script) = self.entry {
            let path = dir.join(ENTRYPOINT);
            layout::write(&path, 0o755, script)?;
            args.push(format!(
                "--customize-hook=install -m 755 {} \"$1/usr/local/bin/{ENTRYPOINT}\"",
                quote(text(&path))
            ));
        }
        args.push(self.suite.to_owned());
        args.push(text(&tar).to_owned());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        run("mmdebstrap", &args)?;
        let arch = match run("dpkg", &["--print-architecture"])?.trim() {
            // Go's names, which images use, differ from Debian's for 32-bit machines only.
            "armhf" => "arm".to_owned(),
            "i386" => "386".to_owned(),
            arch => arch.to_owned(),
        };
        oci::write(&dir.join("image"), &tar, &self.config(), &arch)
    }

    fn push(&self, dir: &Path) -> Result<(), Error> {
        run(
            "skopeo",
            &[
                "copy",
                "--quiet",
                "--insecure-policy",
                "--dest-tls-verify=false",
                &format!("oci:{}:lab", text(&dir.join("image"))),
                &format!(
                    "docker://{GATEWAY}:{REGISTRY_PORT}/{}:{}",
                    self.repository, self.tag
                ),
            ],
        )
        .map(drop)
    }

    /// Makes and pushes the image unless the registry's storage holds it.
    fn publish(
        &self,
        layout: &Layout,
        machine: &Machine,
        say: &dyn Fn(String),
    ) -> Result<(), Error> {
        let file = self.file();
        let marker = layout.cache.join("registry-pushed").join(&file);
        let key = self.key(machine);
        let made = || fs::read_to_string(&marker).is_ok_and(|known| known == key);
        if made() {
            return Ok(());
        }
        let _turn = Turn::wait(&layout.cache.join(format!("lock-{file}")))?;
        if made() {
            return Ok(());
        }
        let name = self.name();
        say(format!("making the image {name} (once; a minute or two)"));
        let making = layout.cache.join("making-images").join(&file);
        let done = self
            .make(&making, machine)
            .and_then(|()| self.push(&making));
        layout::remove(&making)?;
        match done {
            Ok(()) => layout::write(&marker, 0o644, &key),
            Err(error) if self.suite == TESTING => {
                say(format!(
                    "left out the image {name}, tried again at the next `lab up`: {error}"
                ));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Makes and pushes the images that the registry's storage doesn't hold yet, two at a time.
/// The registry must be up.
pub(super) fn publish(layout: &Layout, say: &(dyn Fn(String) + Sync)) -> Result<(), Error> {
    layout::dir(&layout.cache.join("registry-pushed"))?;
    let machine = Machine {
        cas: tree::extra_cas(),
        apt: tree::apt_settings()?,
    };
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(recipe) = RECIPES.get(next.fetch_add(1, Ordering::Relaxed)) {
            recipe.publish(layout, &machine, say)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(super::process::joined)
    })
}

/// The images by the names that `docker pull` uses.
pub fn names() -> Vec<String> {
    RECIPES.iter().map(Recipe::name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(cas: &str) -> Machine {
        Machine {
            cas: cas.to_owned(),
            apt: String::new(),
        }
    }

    #[test]
    fn the_mirror_serves_the_images_of_the_playbooks_under_their_official_names() {
        assert_eq!(
            names(),
            [
                "nginx:1.28",
                "certbot/certbot:v5.1.0",
                "python:3.13-slim",
                "postgres:17",
                "redis:8",
                "postgres:15",
                "postgres:18",
            ]
        );
    }

    #[test]
    fn two_tags_of_one_repository_share_no_file_of_the_cache() {
        let mut files: Vec<String> = RECIPES.iter().map(Recipe::file).collect();
        files.sort();
        files.dedup();
        assert_eq!(files.len(), RECIPES.len());
    }

    #[test]
    fn an_images_key_changes_with_what_the_machine_brings_to_it() {
        let recipe = &RECIPES[2];
        assert_eq!(recipe.key(&machine("a")), recipe.key(&machine("a")));
        assert_ne!(recipe.key(&machine("a")), recipe.key(&machine("b")));
        let proxied = Machine {
            apt: "Acquire::http::Proxy \"http://192.0.2.1\";\n".to_owned(),
            ..machine("a")
        };
        assert_ne!(recipe.key(&machine("a")), recipe.key(&proxied));
    }

    #[test]
    fn each_postgresql_has_its_own_programs_and_its_data_in_its_volume() {
        let all: Vec<&Recipe> = RECIPES
            .iter()
            .filter(|recipe| recipe.repository == "library/postgres")
            .collect();
        assert_eq!(all.len(), 3);
        for recipe in all {
            let value = |name: &str| {
                let mut values = recipe.env.iter().filter_map(|entry| {
                    let (left, right) = entry.split_once('=')?;
                    (left == name).then_some(right)
                });
                values.next().unwrap()
            };
            assert_eq!(value("PG_MAJOR"), recipe.tag);
            assert_eq!(recipe.packages, format!("postgresql-{}", recipe.tag));
            let programs = format!("/usr/lib/postgresql/{}/bin", recipe.tag);
            assert!(value("PATH").split(':').any(|part| part == programs));
            let [volume] = recipe.volumes else {
                panic!("{}: {:?}", recipe.tag, recipe.volumes);
            };
            let below = Path::new(value("PGDATA")).starts_with(volume);
            assert!(below, "{}: {}", recipe.tag, value("PGDATA"));
        }
    }
}
