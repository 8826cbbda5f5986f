//! What a playbook may say, and how each mistake in it is shown.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::path::Path;

use provision::playbook::{self, Entry, Error, Own, Playbook, Rollout};
use provision::site::Role;

const STEPS: [&str; 15] = [
    "preflight",
    "bootstrap",
    "docker",
    "firewall",
    "postgres",
    "redis",
    "image",
    "app",
    "proxy",
    "certificate",
    "renewal",
    "boot",
    "backup",
    "clean",
    "verify",
];

fn own(text: &str) -> Result<Playbook, Error> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("own.toml"), text).unwrap();
    playbook::load("own.toml", dir.path(), &STEPS)
}

/// "LINE:COLUMN what → instead".
fn mistake(text: &str) -> String {
    match own(text) {
        Err(Error::Input(error)) => {
            let mistake = error.mistake().unwrap();
            let file = Path::new(&mistake.file);
            let name = file.file_name().unwrap().to_str().unwrap();
            format!(
                "{}:{} {} → {}",
                mistake.line, mistake.column, mistake.what, mistake.instead
            )
            .replace(&mistake.file, name)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_shipped_playbook_closes_the_firewall_before_the_app_starts() {
    let shipped = playbook::load("django-scaled", Path::new("/nowhere"), &STEPS).unwrap();
    let order: Vec<&str> = shipped
        .steps
        .iter()
        .map(|entry| entry.step.as_str())
        .collect();
    assert_eq!(order, STEPS);
    let app = &shipped.steps[7];
    assert_eq!(app.on, [Role::App]);
    assert_eq!(app.after, ["image", "postgres", "redis"]);
    assert_eq!(app.rollout, Rollout::OneByOne);
    let verify = &shipped.steps[14];
    assert!(verify.on.is_empty());
    assert_eq!(verify.after, ["app", "renewal", "boot"]);
    assert!(!shipped.description.is_empty());
}

#[test]
fn a_step_says_where_it_runs_and_what_it_waits_for_by_a_word_or_a_list() {
    let playbook = own(
        "[[step]]\nuse = \"docker\"\n\n[[step]]\nuse = \"app\"\non = [\"app\", \"proxy\"]\nafter = \"docker\"\n",
    )
    .unwrap();
    assert_eq!(playbook.name, "own.toml");
    assert_eq!(
        playbook.steps,
        [
            Entry {
                step: "docker".into(),
                own: None,
                on: vec![],
                optional: false,
                after: vec![],
                rollout: Rollout::Together,
                line: 2,
            },
            Entry {
                step: "app".into(),
                own: None,
                on: vec![Role::App, Role::Proxy],
                optional: false,
                after: vec!["docker".into()],
                rollout: Rollout::Together,
                line: 5,
            },
        ]
    );
}

#[test]
fn each_mistake_is_one_message_with_its_place_and_its_remedy() {
    let after_docker = |more: &str| format!("[[step]]\nuse = \"docker\"\n[[step]]\n{more}\n");
    let mistakes = [
        String::new(),
        "step = []".to_owned(),
        "[[steps]]\nuse = \"docker\"".to_owned(),
        "[[step]]\non = \"app\"".to_owned(),
        "[[step]]\nuse = \"dokcer\"".to_owned(),
        "[[step]]\nuse = \"database\"".to_owned(),
        "[[step]]\nuse = 5".to_owned(),
        after_docker("use = \"docker\""),
        after_docker("use = \"app\"\nport = 8000"),
        after_docker("use = \"app\"\non = \"prxy\""),
        after_docker("use = \"app\"\non = \"database\""),
        after_docker("use = \"app\"\non = []"),
        after_docker("use = \"app\"\non = [\"app\", \"all\"]"),
        after_docker("use = \"app\"\non = [\"app\", \"app\"]"),
        after_docker("use = \"app\"\non = 5"),
        after_docker("use = \"app\"\nafter = \"dokcer\""),
        after_docker("use = \"app\"\nafter = [\"image\"]"),
        after_docker("use = \"app\"\nafter = [\"app\"]"),
        after_docker("use = \"app\"\nafter = [\"proxy\"]\n[[step]]\nuse = \"proxy\""),
        after_docker("use = \"app\"\nrollout = \"serial\""),
    ]
    .map(|text| mistake(&text))
    .join("\n");
    insta::assert_snapshot!(mistakes, @r#"
        1:1 own.toml has no table [[step]] → add
        [[step]]
        use = "preflight"
        1:1 this playbook has no steps → add one:
        [[step]]
        use = "preflight"
        1:3 there is no key `steps` at the top of own.toml → did you mean `step`?
        1:1 [[step]] lacks the key `use` → add `use = "preflight"`
        2:7 there is no step "dokcer" → did you mean `docker`?
        2:7 there is no step "database" → write `preflight`, `bootstrap`, `docker`, `firewall`, `postgres`, `redis`, `image`, `app`, `proxy`, `certificate`, `renewal`, `boot`, `backup`, `clean`, `verify`, `packages`, `files`, `command` or `service`
        2:7 `use` must be a string in quotes, not a number → write "5"
        4:7 the step "docker" is already on line 2 → leave one of them out
        5:1 [[step]] has no key `port` → write `use`, `name`, `on`, `after`, `rollout`, `optional` or `with`
        5:6 "prxy" is not a role → did you mean `proxy`?
        5:6 "database" is not a role → write `app`, `proxy`, `db`, `cache` or `all`
        5:6 the step "app" runs nowhere → write `app`, `proxy`, `db`, `cache` or `all` at `on`
        5:14 "all" is every host already → write on = "all" alone
        5:14 the role "app" is named twice → leave one of them out
        5:6 `on` must be a string or a list of strings, not a number → write a string or a list of strings
        5:9 "app" can't wait for "dokcer", which isn't in this playbook → did you mean `docker`?
        5:10 "app" can't wait for "image", which isn't in this playbook → add the step "image" before "app", or leave it out here
        5:10 "app" can't wait for itself → leave it out
        5:10 "app" can't wait for "proxy", which comes later → write the step "proxy" before "app"
        5:11 "serial" is not a rollout → write `together` or `one-by-one`
        "#);
}

#[test]
fn waiting_for_a_later_step_shows_both_places() {
    let text = "[[step]]\nuse = \"app\"\nafter = [\"image\"]\n[[step]]\nuse = \"image\"\n";
    let Err(Error::Input(error)) = own(text) else {
        panic!("a step may not wait for a later one");
    };
    let name = &error.mistake().unwrap().file;
    insta::assert_snapshot!(error.to_string().replace(name, "own.toml"), @r#"
        error: "app" can't wait for "image", which comes later
         --> own.toml:3:10
          |
        3 | after = ["image"]
          |          ^^^^^^^
        4 | [[step]]
        5 | use = "image"
          |       ------- it is here
          |
        help: write the step "image" before "app"
        "#);
}

#[test]
fn an_unknown_playbook_names_those_there_are() {
    let said = |name| {
        let error = playbook::load(name, Path::new("/nowhere"), &STEPS).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        said("django-scale"),
        "there is no playbook \"django-scale\"; did you mean django-scaled? shipped: \
         django-scaled, django-single, django-uwsgi; a path of your own contains a `/` or ends in .toml"
    );
    assert_eq!(
        said("rails"),
        "there is no playbook \"rails\"; shipped: django-scaled, django-single, django-uwsgi; a path of your own contains a \
         `/` or ends in .toml"
    );
    assert_eq!(
        said("own/none.toml"),
        "can't read /nowhere/own/none.toml: No such file or directory (os error 2); write the \
         path relative to site.toml"
    );
}

#[test]
fn an_operators_own_steps_take_their_options_here() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("motd"), "this is {{ host.name }}\n").unwrap();
    let text = r#"
[[step]]
use = "packages"
with = { install = ["htop", "g++"] }
[[step]]
use = "files"
name = "welcome"
on = "app"
with = { files = [{ template = "motd", to = "/etc/motd", mode = "0640" }] }
[[step]]
use = "command"
after = ["welcome"]
with = { run = ["timedatectl", "set-ntp", "true"] }
[[step]]
use = "service"
with = { unit = "fail2ban.service" }
"#;
    std::fs::write(dir.path().join("own.toml"), text).unwrap();
    let playbook = playbook::load("own.toml", dir.path(), &STEPS).unwrap();
    let own: Vec<_> = playbook
        .steps
        .iter()
        .map(|entry| entry.own.clone().unwrap())
        .collect();
    assert_eq!(own[0], Own::Packages(vec!["htop".into(), "g++".into()]));
    let Own::Files(files) = &own[1] else {
        panic!("{:?}", own[1])
    };
    assert_eq!(
        (files[0].path.as_str(), files[0].mode),
        ("/etc/motd", 0o640)
    );
    assert_eq!(files[0].text, "this is {{ host.name }}\n");
    assert_eq!(playbook.steps[1].step, "welcome");
    assert_eq!(
        own[2],
        Own::Command(vec!["timedatectl".into(), "set-ntp".into(), "true".into()])
    );
    assert_eq!(own[3], Own::Service("fail2ban.service".into()));
}

#[test]
fn a_mistake_in_an_own_step_is_shown_where_it_stands() {
    for (text, expected) in [
        (
            "[[step]]\nuse = \"packages\"\n",
            "2:7 the step \"packages\" doesn't say what → write with = { install = [\"htop\"] }",
        ),
        (
            "[[step]]\nuse = \"packages\"\nwith = { instal = [\"htop\"] }\n",
            "3:10 [[step.with]] has no key `instal` → did you mean `install`?",
        ),
        (
            "[[step]]\nuse = \"packages\"\nwith = { run = [\"true\"] }\n",
            "3:16 this is an option of the step \"command\", not of \"packages\" → leave it out, or change `use`",
        ),
        (
            "[[step]]\nuse = \"packages\"\nwith = { install = [\"-y\"] }\n",
            "3:21 \"-y\" is not the name of a package → lower-case letters, digits, + - and .",
        ),
        (
            "[[step]]\nuse = \"files\"\nwith = { files = [{ template = \"none\", to = \"etc\" }] }\n",
            "3:45 \"etc\" is not an absolute path → a path such as \"/app/static\", without spaces",
        ),
        (
            "[[step]]\nuse = \"docker\"\nwith = { run = [\"true\"] }\n",
            "3:8 the step \"docker\" takes its options from site.toml → leave `with` out here",
        ),
        (
            "[[step]]\nuse = \"command\"\nname = \"docker\"\nwith = { run = [\"true\"] }\n",
            "3:8 \"docker\" is the name of a step that is built in → give it another name",
        ),
    ] {
        assert_eq!(mistake(text), expected);
    }
}
