//! No value of the environment is shown, whoever looks at a plan.

use provision::resource::{Action, Content, Observed};

use crate::{SCALED, files, whole};

/// What every secret value of the site holds.
const CANARY: &str = "c4n4ry";

#[test]
fn the_environment_is_in_the_environment_file_and_nowhere_else() {
    let plan = whole(SCALED);
    let mut holders = Vec::new();
    for host in &plan.hosts {
        for (path, text) in files(&plan, host.host.name.as_str(), true) {
            if text.contains(CANARY) {
                assert!(text.starts_with("secret: "), "{path}");
                holders.push(path);
            }
        }
    }
    holders.dedup();
    assert_eq!(holders, ["/srv/polls/app/app.env"]);
}

#[test]
fn no_plan_shows_a_secret() {
    assert!(!format!("{:?}", whole(SCALED)).contains(CANARY));
    assert!(!format!("{:#?}", crate::site(SCALED)).contains(CANARY));
}

#[test]
fn no_command_line_holds_a_secret_and_the_superusers_password_goes_over_stdin() {
    let plan = whole(SCALED);
    let seen = Observed::default();
    let mut passwords = 0;
    for host in &plan.hosts {
        for resource in host.steps.iter().flat_map(|step| &step.resources) {
            assert!(!resource.id().contains(CANARY));
            for op in resource.converge(&seen) {
                assert!(!format!("{op:?}").contains(CANARY), "{}", op.what);
                if let Action::Run { cmd, input, .. } = op.action {
                    assert!(!cmd.to_shell().contains(CANARY), "{}", op.what);
                    if let Content::Secret(input) = input {
                        assert_eq!(
                            input.reveal(),
                            "admin\nadmin@example.com\nc4n4ry-admin_password"
                        );
                        passwords += 1;
                    }
                }
            }
        }
    }
    assert_eq!(passwords, 1, "on the first app server alone");
}
