//! `docker`: the engine with Compose v2, logs that don't fill the disk, known subnets.

use serde_json::{Value, json};

use super::{Cx, Error, Resources, Step};
use crate::resource::merged_json::MergedJson;
use crate::resource::packages::Packages;
use crate::resource::pending::Pending;
use crate::resource::repository::{DOCKER, NVIDIA};
use crate::resource::requirement::Os;
use crate::resource::unit::Unit;
use crate::shell::{Cmd, Script};
use crate::site::{DockerSource, Role};

pub(super) const STEP: Step = Step {
    name: "docker",
    summary: "Docker Engine and Compose v2, log rotation, subnets from one known pool",
    reads: "packages, the repository, /etc/docker/daemon.json, the service",
    changes: "installs the engine, Compose and buildx from Docker's repository (or the \
              distribution's); adds keys that are missing from daemon.json; with `gpus` in [app], \
              NVIDIA's container toolkit and its runtime; enables the service",
    guarded: false,
    resources,
};

const VALIDATE: Script = Script(include_str!("daemon-json-check.sh"));

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let options = &cx.site.docker;
    let mut keys = json!({
        "default-address-pools": [{ "base": options.address_pool, "size": options.subnet_bits }],
        "live-restore": true,
        "log-driver": "json-file",
        "log-opts": {
            "max-size": options.log_max_size,
            "max-file": options.log_max_file.to_string(),
        },
    });
    if gpus(cx) {
        // What `nvidia-ctk runtime configure` would write, beside what others have written.
        keys["runtimes"] = json!({ "nvidia": { "path": "nvidia-container-runtime", "args": [] } });
    }
    let Value::Object(keys) = keys else {
        return Err(Error {
            step: "docker".to_owned(),
            what: "its keys are not an object".to_owned(),
        });
    };
    let marker = format!("{}/pending/docker", cx.site.state());
    let mut all: Resources = Vec::new();
    // The engine is told its subnets before it starts for the first time: the firewall's
    // rules are made for them.
    all.push(Box::new(MergedJson::new(
        "/etc/docker/daemon.json",
        keys,
        Cmd::script(VALIDATE, Vec::<String>::new()),
        "docker.service",
        &marker,
    )));
    match options.source {
        DockerSource::Docker => {
            all.push(Box::new(DOCKER));
            all.push(Box::new(Packages::new([
                "docker-ce",
                "docker-ce-cli",
                "containerd.io",
                "docker-buildx-plugin",
                "docker-compose-plugin",
            ])));
        }
        DockerSource::Distro => {
            all.push(Box::new(Packages::by_distribution(
                CANDIDATES,
                of_distribution,
            )));
        }
    }
    if gpus(cx) {
        all.push(Box::new(NVIDIA));
        all.push(Box::new(Packages::new(["nvidia-container-toolkit"])));
    }
    all.push(Box::new(Unit::new("docker.service", "docker")));
    all.push(Box::new(Pending::new(
        "restart docker",
        marker,
        Cmd::new("systemctl").args(["restart", "docker"]),
    )));
    Ok(all)
}

/// Whether containers of this host are given GPUs.
fn gpus(cx: &Cx<'_>) -> bool {
    cx.site.app.gpus.is_some() && cx.host.roles.contains(&Role::App)
}

const CANDIDATES: &[&str] = &[
    "docker.io",
    "docker-cli",
    "docker-compose",
    "docker-compose-v2",
    "docker-buildx",
];

/// The distribution's packages for the engine, its client, Compose v2 and buildx.
fn of_distribution(os: &Os) -> &'static [&'static str] {
    match (os.id.as_str(), os.version.as_str()) {
        ("ubuntu", _) => &["docker.io", "docker-compose-v2", "docker-buildx"],
        // Its Compose is version 1, which no longer counts.
        ("debian", "12") => &["docker.io"],
        _ => &["docker.io", "docker-cli", "docker-compose", "docker-buildx"],
    }
}
