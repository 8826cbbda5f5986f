//! Which steps a host gets, what waits for what, and which part of a plan can be chosen.

use provision::plan::{Error, Plan, Selection};

use crate::{SCALED, plan_of, whole};

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// "host: step step", a host a line.
fn steps(plan: &Plan) -> String {
    let lines: Vec<String> = plan
        .hosts
        .iter()
        .map(|host| {
            let steps: Vec<&str> = host.steps.iter().map(|step| step.name.as_str()).collect();
            format!("{}: {}", host.host.name, steps.join(" "))
        })
        .collect();
    lines.join("\n")
}

/// What a step on a host waits for: "step@host …".
fn after(plan: &Plan, host: &str, step: &str) -> String {
    let host = plan.hosts.iter().find(|h| h.host.name.as_str() == host);
    let step = host.unwrap().steps.iter().find(|s| s.name == step);
    let after: Vec<String> = step
        .unwrap()
        .after
        .iter()
        .map(|(host, step)| format!("{step}@{host}"))
        .collect();
    after.join(" ")
}

#[test]
fn every_resource_of_the_main_playbook_in_its_order() {
    let plan = whole(SCALED);
    let mut text = String::new();
    for host in &plan.hosts {
        text.push_str(&format!("{}\n", host.host.name));
        for step in &host.steps {
            text.push_str(&format!("  {}\n", step.name));
            for resource in &step.resources {
                let guarded = if resource.guarded() { " (guarded)" } else { "" };
                text.push_str(&format!("    {}{guarded}\n", resource.id()));
            }
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_same_site_gives_the_same_plan() {
    assert_eq!(
        format!("{:?}", whole(SCALED)),
        format!("{:?}", whole(SCALED))
    );
}

#[test]
fn an_id_stands_for_one_thing_on_a_host_and_step() {
    for host in &whole(SCALED).hosts {
        for step in &host.steps {
            let mut ids: Vec<String> = step.resources.iter().map(|r| r.id()).collect();
            ids.sort();
            let all = ids.len();
            ids.dedup();
            assert_eq!(ids.len(), all, "{} on {}", step.name, host.host.name);
        }
    }
}

#[test]
fn nothing_is_in_sync_where_nothing_was_read() {
    let seen = provision::resource::Observed::default();
    let plan = whole(SCALED);
    let mut count = 0;
    for host in &plan.hosts {
        for resource in host.steps.iter().flat_map(|step| &step.resources) {
            assert!(resource.compare(&seen).is_err(), "{}", resource.id());
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
}

#[test]
fn a_step_waits_for_what_it_names_on_every_host_that_has_it() {
    let plan = whole(SCALED);
    assert_eq!(after(&plan, "app1", "preflight"), "");
    assert_eq!(
        after(&plan, "app1", "bootstrap"),
        "preflight@app1 preflight@app2 preflight@proxy"
    );
    assert_eq!(after(&plan, "proxy", "proxy"), "app@app1 app@app2");
    assert_eq!(
        after(&plan, "app2", "verify"),
        "app@app1 boot@app1 app@app2 boot@app2 boot@proxy renewal@proxy"
    );
}

#[test]
fn one_by_one_each_host_waits_for_the_one_before() {
    let plan = whole(SCALED);
    assert_eq!(after(&plan, "app1", "app"), "image@app1 image@app2");
    assert_eq!(
        after(&plan, "app2", "app"),
        "app@app1 image@app1 image@app2"
    );
}

#[test]
fn a_chosen_host_waits_for_no_host_that_was_not_chosen() {
    let selection = Selection {
        hosts: words(&["app2"]),
        ..Selection::default()
    };
    let plan = plan_of(SCALED, &selection).unwrap();
    assert_eq!(
        steps(&plan),
        "app2: preflight bootstrap docker firewall image app boot clean",
        "the proof needs every host"
    );
    assert!(plan.checks.is_empty());
    assert_eq!(after(&plan, "app2", "app"), "image@app2");
    assert_eq!(after(&plan, "app2", "bootstrap"), "preflight@app2");
}

#[test]
fn steps_are_chosen_left_out_and_begun_in_the_middle() {
    let only = Selection {
        only: words(&["proxy", "firewall"]),
        ..Selection::default()
    };
    let plan = plan_of(SCALED, &only).unwrap();
    assert_eq!(
        steps(&plan),
        "app1: firewall\napp2: firewall\nproxy: firewall proxy",
        "in the playbook's order, whatever the command line's"
    );
    assert_eq!(
        after(&plan, "proxy", "proxy"),
        "",
        "a step that is not part of the plan is not waited for"
    );
    assert!(plan.checks.is_empty() && plan.lookups.is_empty());
    let from = Selection {
        from: Some("certificate".to_owned()),
        skip: words(&["verify"]),
        ..Selection::default()
    };
    let plan = plan_of(SCALED, &from).unwrap();
    assert_eq!(
        steps(&plan),
        "app1: boot clean\napp2: boot clean\nproxy: certificate renewal boot clean"
    );
}

#[test]
fn a_removal_is_of_steps_that_can_be_taken_back() {
    let remove = |only: &str| Selection {
        only: words(&[only]),
        remove: true,
        ..Selection::default()
    };
    let plan = plan_of(SCALED, &remove("firewall")).unwrap();
    assert_eq!(
        steps(&plan),
        "app1: firewall\napp2: firewall\nproxy: firewall"
    );
    let resources = plan.hosts[0].steps[0].resources.iter();
    let told: Vec<(String, bool)> = resources.map(|r| (r.id(), r.guarded())).collect();
    let told: Vec<(&str, bool)> = told.iter().map(|(id, on)| (id.as_str(), *on)).collect();
    assert_eq!(
        told,
        [
            ("guards of earlier runs", false),
            ("block \"UFW AND DOCKER\" in /etc/ufw/after.rules", true),
            ("block \"UFW AND DOCKER\" in /etc/ufw/after6.rules", true),
            ("live rules for Docker's ports", true),
            ("ufw route rules of provision polls", true),
            // Only when all the rest has been proven.
            ("what was kept for the removal", false),
        ]
    );
    for step in ["docker", "app", "verify"] {
        assert_eq!(
            plan_of(SCALED, &remove(step)).unwrap_err().to_string(),
            format!(
                "step {step} can't be taken back; firewall can: \
                 `provision step firewall --remove`"
            )
        );
    }
}

#[test]
fn the_domains_are_looked_up_before_anything_is_changed() {
    let plan = whole(SCALED);
    let lookups: Vec<String> = plan
        .lookups
        .iter()
        .map(|l| format!("{} {:?} {}", l.domain, l.addresses, l.host))
        .collect();
    assert_eq!(
        lookups,
        [
            "polls.example.com [198.51.100.10] proxy",
            "www.polls.example.com [198.51.100.10] proxy"
        ]
    );
    assert!(!plan.checks.is_empty());
    let unchecked = whole(&format!("{SCALED}[dns]\ncheck = false\n"));
    assert!(unchecked.lookups.is_empty());
}

#[test]
fn a_choice_that_does_not_exist_is_an_error_that_names_what_does() {
    let error = |selection| match plan_of(SCALED, &selection) {
        Ok(plan) => panic!("{}", steps(&plan)),
        Err(error) => error.to_string(),
    };
    let host = Selection {
        hosts: words(&["app3"]),
        ..Selection::default()
    };
    assert_eq!(
        error(host),
        "there is no host \"app3\" in site.toml; it has app1, app2, proxy"
    );
    let known = "preflight, bootstrap, docker, firewall, postgres, redis, image, app, proxy, certificate, renewal, boot, backup, clean, \
                 verify";
    let wrong = "fierwall";
    for selection in [
        Selection {
            only: words(&[wrong]),
            ..Selection::default()
        },
        Selection {
            skip: words(&[wrong]),
            ..Selection::default()
        },
        Selection {
            from: Some(wrong.to_owned()),
            ..Selection::default()
        },
    ] {
        let expected = format!(
            "step \"fierwall\" is not part of this playbook; did you mean firewall? it has {known}"
        );
        assert_eq!(error(selection), expected);
    }
}

#[test]
fn a_role_without_a_host_is_an_error() {
    let text = SCALED.replace("role = \"proxy\"", "role = \"app\"");
    match plan_of(&text, &Selection::default()) {
        Err(Error::NoHost { step, role }) => {
            assert_eq!((step.as_str(), role.as_str()), ("proxy", "proxy"));
        }
        other => panic!("{other:?}"),
    }
    let apps = Selection {
        only: words(&["docker"]),
        ..Selection::default()
    };
    assert!(plan_of(&text, &apps).is_ok(), "no step of it needs a proxy");
}

#[test]
fn a_step_that_is_left_out_by_itself_is_an_error_once_it_is_asked_for() {
    assert!(!steps(&whole(SCALED)).contains("postgres"));
    let asked = Selection {
        only: words(&["postgres"]),
        ..Selection::default()
    };
    let error = plan_of(SCALED, &asked).unwrap_err().to_string();
    assert_eq!(
        error,
        "step postgres runs on role \"db\", and no host in site.toml has it"
    );
}

#[test]
fn a_step_on_a_host_it_never_runs_on_is_an_error() {
    let elsewhere = Selection {
        only: words(&["proxy"]),
        hosts: words(&["app1"]),
        ..Selection::default()
    };
    let error = plan_of(SCALED, &elsewhere).unwrap_err().to_string();
    assert_eq!(
        error,
        "app1 has no part in proxy: give another --host, or leave it out"
    );
}
