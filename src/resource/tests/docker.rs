//! Images, containers, and commands that are run once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Seen, ops, state};
use crate::resource::compose::{LABEL, Service};
use crate::resource::fact::{Container, Docker, HostConfig, Image as SeenImage};
use crate::resource::image::Image;
use crate::resource::op::Context;
use crate::resource::task::Task;
use crate::resource::{Op, sha256};
use crate::shell::Cmd;

const UNREAD: &str = "unreadable: docker: was not read on this host";

fn image(tag: Option<&str>, digest: Option<&str>) -> Docker {
    Docker {
        images: vec![SeenImage {
            id: "sha256:1".to_owned(),
            created: 0,
            repo_tags: tag.map(|tag| vec![tag.to_owned()]),
            repo_digests: digest.map(|digest| vec![digest.to_owned()]),
        }],
        ..Docker::default()
    }
}

#[test]
fn an_image_is_known_by_its_tag_or_its_digest() {
    let pulled = Image::pulled("nginx:1.28");
    let pinned = Image::pulled("nginx@sha256:00ff");
    let seen = |docker| Seen::default().docker(Some(docker));
    assert_eq!(
        state(&pulled, &seen(image(Some("nginx:1.28"), None))),
        "in sync"
    );
    assert_eq!(
        state(&pulled, &seen(image(Some("nginx:1.27"), None))),
        "differs: not pulled"
    );
    assert_eq!(
        state(&pinned, &seen(image(None, Some("nginx@sha256:00ff")))),
        "in sync"
    );
    assert_eq!(
        state(&pinned, &seen(image(Some("nginx:1.28"), None))),
        "differs: not pulled"
    );
    assert_eq!(
        state(&pulled, &Seen::default().docker(None)),
        "unknown until docker"
    );
    assert_eq!(state(&pulled, &Seen::default()), UNREAD);
    assert_eq!(
        ops(&pulled, &Seen::default()),
        "pull nginx:1.28: docker pull nginx:1.28"
    );
}

#[test]
fn an_image_of_ours_is_built_from_its_context() {
    let built = Image::built("polls:0123", Context::Directory(PathBuf::from("polls")));
    let empty = Seen::default().docker(Some(Docker::default()));
    assert_eq!(state(&built, &empty), "differs: not built");
    assert_eq!(
        ops(&built, &empty),
        "build polls:0123: docker build --tag polls:0123 - <- Directory(\"polls\")"
    );
}

fn container(state: &str, status: &str, digest: Option<&str>) -> Seen {
    let labels = digest.map(|digest| (LABEL.to_owned(), digest.to_owned()));
    Seen::default().docker(Some(Docker {
        containers: vec![Container {
            names: vec!["/polls-app".to_owned()],
            state: state.to_owned(),
            status: status.to_owned(),
            image_id: "sha256:1".to_owned(),
            labels: labels.into_iter().collect::<BTreeMap<_, _>>(),
            ports: Vec::new(),
            host_config: HostConfig::default(),
        }],
        ..Docker::default()
    }))
}

fn service(container: &str) -> Service {
    Service {
        project: "polls".to_owned(),
        directory: "/srv/polls".to_owned(),
        service: "app".to_owned(),
        container: container.to_owned(),
        digest: "new".to_owned(),
    }
}

#[test]
fn a_container_runs_is_healthy_and_was_made_from_what_is_wanted() {
    let service = service("polls-app");
    let new = Some("new");
    for (seen, expected) in [
        (
            container("running", "Up 3 minutes (healthy)", new),
            "in sync",
        ),
        (
            container("running", "Up 3 minutes (unhealthy)", new),
            "differs: Up 3 minutes (unhealthy) → healthy",
        ),
        (
            container("running", "Up 1 second (health: starting)", new),
            "differs: Up 1 second (health: starting) → healthy",
        ),
        (
            container("exited", "Exited (137) 2 hours ago", new),
            "differs: Exited (137) 2 hours ago → running",
        ),
        (
            container("running", "Up 3 minutes (healthy)", Some("old")),
            "differs: made from old → new",
        ),
        (
            container("exited", "Exited (0)", None),
            "differs: made from none → new, Exited (0) → running",
        ),
        (
            Seen::default().docker(Some(Docker::default())),
            "differs: missing",
        ),
        (Seen::default().docker(None), "unknown until docker"),
        (Seen::default(), UNREAD),
    ] {
        assert_eq!(state(&service, &seen), expected);
    }
    assert_eq!(
        ops(&service, &Seen::default()),
        "start polls-app and wait until it is healthy: sh … polls /srv/polls app polls-app"
    );
}

#[test]
fn a_container_whose_name_merely_begins_alike_is_another() {
    let service = service("polls");
    let seen = container("running", "Up (healthy)", Some("new"));
    assert_eq!(state(&service, &seen), "differs: missing");
}

#[test]
fn a_task_is_due_until_its_receipt_tells_of_the_same_circumstances() {
    let receipt = "/var/lib/provision/polls/migrate";
    let task = |depends: &str| {
        let migrate = Op::run("migrate", Cmd::new("migrate"));
        Task::new("migrate", receipt, depends, vec![migrate])
    };
    let there = || Seen::default().docker(Some(Docker::default()));
    let fingerprint = format!("{}\n", sha256("revision 1"));
    let done = there().digest(receipt, &fingerprint, 0o600);
    assert_eq!(state(&task("revision 1"), &done), "in sync");
    assert_eq!(
        state(&task("revision 2"), &done),
        "differs: due again: what it depends on changed"
    );
    assert_eq!(
        state(&task("revision 1"), &there().absent(receipt)),
        "differs: never done"
    );
    assert_eq!(
        state(
            &task("revision 1"),
            &Seen::default().docker(None).absent(receipt)
        ),
        "unknown until docker"
    );
    assert_eq!(state(&task("revision 1"), &Seen::default()), UNREAD);
    assert_eq!(
        state(&task("revision 1"), &there()),
        format!("unreadable: file {receipt}: was not read on this host")
    );
    assert_eq!(
        ops(&task("revision 1"), &there()),
        format!(
            "migrate: migrate\nnote that migrate is done: put {receipt} root:root 0600 <- \
             {fingerprint:?}"
        ),
        "the receipt comes last, and holds no word of what it depends on"
    );
}
