//! The read-only scripts and the small ones, run for real by this machine's sh.

use std::fs;
use std::process::{Command, Output};

use crate::shell::{Cmd, Script, executable};

fn run(cmd: &Cmd, environment: &[(&str, &str)]) -> Output {
    Command::new("sh")
        .arg("-c")
        .arg(cmd.to_shell())
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_operating_system_is_told_in_four_fields() {
    let script = Script(include_str!("../sh/os.sh"));
    let printed = text(&run(&Cmd::script(script, Vec::<String>::new()), &[]));
    let fields: Vec<&str> = printed.trim_end().split('|').collect();
    assert_eq!(fields.len(), 4, "{printed}");
    assert!(fields.iter().all(|field| !field.is_empty()), "{printed}");
}

#[test]
fn the_ports_of_ssh_are_the_one_in_use_and_those_that_are_listened_on_from_outside() {
    let script = Script(include_str!("../sh/ssh-port.sh"));
    let cmd = Cmd::script(script, Vec::<String>::new());
    let told = |connection: &str, socket: &str, sshd: &str| {
        let systemctl = fake("systemctl", &format!("printf '{socket}'"));
        let sshd = fake("sshd", &format!("printf '{sshd}'"));
        let (systemctl, sshd) = (systemctl.path().display(), sshd.path().display());
        let path = format!("{systemctl}:{sshd}:/usr/bin:/bin");
        let environment = [("PROVISION_SSH_CONNECTION", connection), ("PATH", &path)];
        text(&run(&cmd, &environment)).trim_end().replace('\n', " ")
    };
    let four = "198.51.100.7 51000 198.51.100.11 22";
    let six = "2001:db8::7 51000 2001:db8::11 2222";
    assert_eq!(told(four, "", ""), "22", "a server that is no OpenSSH");
    let both = "port 22\\nlistenaddress 0.0.0.0:22\\nlistenaddress [::]:22\\n\
                listenaddress 198.51.100.11:2200\\n";
    assert_eq!(told(four, "", both), "22 22 2200");
    let inside = "listenaddress 127.0.0.1:22\\nlistenaddress [::1]:22\\n";
    assert_eq!(
        told(six, "", inside),
        "2222",
        "not what only the host reaches"
    );
    let socket = "Listen=[::]:22 (Stream)\\nListen=127.0.0.1:23 (Stream)\\n\
                  Listen=0.0.0.0:2222 (Stream)\\nListen=/run/ssh (Stream)\\n";
    let active = format!("{socket}ActiveState=active\\n");
    assert_eq!(told(six, &active, both), "2222 22 2222", "systemd listens");
    let inactive = format!("{socket}ActiveState=inactive\\n");
    assert_eq!(told(six, &inactive, both), "2222 22 2200", "sshd listens");
    assert_eq!(told("", "", both), "unknown 22 2200");
}

#[test]
fn a_user_that_is_missing_is_told_from_one_that_lacks_something() {
    // As in the probe of a host: without `set -e`.
    let probe = include_str!("../sh/user-probe.sh");
    let told = |name: &str| {
        let cmd = Cmd::new("sh").args(["-c", probe, "provision", name]);
        text(&run(&cmd, &[]))
    };
    assert_eq!(told("no-such-user-here"), "missing\n");
    assert_eq!(
        told("nobody"),
        "shell /usr/sbin/nologin\nhome /nonexistent\n"
    );
}

#[test]
fn a_users_keys_are_those_that_open_a_shell_and_loose_files_are_told() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let home = tempfile::tempdir().unwrap();
    let ssh = home.path().join(".ssh");
    fs::create_dir(&ssh).unwrap();
    let keys = ssh.join("authorized_keys");
    fs::write(
        &keys,
        "# ssh-ed25519 AAAAcomment\nssh-ed25519 AAAAplain me\n\
         no-pty,command=\"echo no\" ssh-rsa AAAAforced\nfrom=\"10.0.0.0/8\" \
         sk-ssh-ed25519@openssh.com AAAAfrom== x\necdsa-sha2-nistp256 AAAAlast",
    )
    .unwrap();
    let mode = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(home.path(), 0o755);
    mode(&ssh, 0o775);
    mode(&keys, 0o600);
    let uid = fs::metadata(home.path()).unwrap().uid();
    let at = home.path().display();
    let getent = fake("getent", &format!("echo 'x:x:{uid}:0::{at}:/bin/sh'"));
    let id = fake("id", "echo users sudo");
    let path = format!(
        "{}:{}:/usr/bin:/bin",
        getent.path().display(),
        id.path().display()
    );
    let probe = include_str!("../sh/user-probe.sh");
    let cmd = Cmd::new("sh").args(["-c", probe, "provision", "x"]);
    let told = text(&run(&cmd, &[("PATH", &path)]));
    let (start, rest) = told.split_once("loose 775 ").unwrap();
    assert_eq!(start, format!("shell /bin/sh\nhome {at}\ngroup sudo\n"));
    let (loose, keys) = rest.split_once('\n').unwrap();
    assert!(loose.ends_with(&format!(" {at}/.ssh")), "{loose}");
    assert_eq!(keys, "key AAAAplain\nkey AAAAfrom==\nkey AAAAlast");
}

#[test]
fn a_marker_goes_and_one_that_is_gone_is_no_error() {
    let script = Script(include_str!("../sh/clear.sh"));
    let dir = tempfile::tempdir().unwrap();
    let marker = dir.path().join("a marker");
    fs::write(&marker, "").unwrap();
    let cmd = Cmd::script(script, [marker.display().to_string()]);
    for _ in 0..2 {
        text(&run(&cmd, &[]));
        assert!(!marker.exists());
    }
}

#[test]
fn a_directory_that_changes_hands_takes_all_that_is_in_it_along_and_goes_last() {
    let script = Script(include_str!("../sh/own.sh"));
    let home = tempfile::tempdir().unwrap();
    let tls = home.path().join("tls");
    let told = home.path().join("told").display().to_string();
    let note = format!("echo \"${{0##*/}} $*\" >>'{told}'");
    let tools = ["chown", "chmod", "install"].map(|tool| fake(tool, &note));
    let mut path: Vec<String> = tools
        .iter()
        .map(|it| it.path().display().to_string())
        .collect();
    path.push("/usr/bin:/bin".to_owned());
    let path = path.join(":");
    let at = tls.display().to_string();
    let own = |owner: &str| {
        let _ = fs::remove_file(&told);
        text(&run(
            &Cmd::script(script, [&at, owner, "2750"]),
            &[("PATH", &path)],
        ));
        fs::read_to_string(&told).unwrap()
    };
    let made = format!("install -d -o root -g 7 -m 2750 -- {at}\n");
    assert_eq!(own("root:7"), made, "there is nothing yet");
    fs::create_dir(&tls).unwrap();
    fs::write(tls.join("a key"), "").unwrap();
    assert_eq!(
        own("root:7"),
        format!("chown --no-dereference -- root:7 {at}/a key\nchmod g+rX -- {at}/a key\n{made}")
    );
    let theirs = own("7:7");
    assert!(!theirs.contains("chmod"), "{theirs}");
}

/// A directory with a program in it that does what this script says.
fn fake(program: &str, script: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("#!/bin/sh\n{script}\n");
    executable::write(&dir.path().join(program), &text);
    dir
}

/// What service-up.sh makes of polls-app with this docker.
fn brought_up(docker: &str) -> Output {
    let script = Script(include_str!("../sh/service-up.sh"));
    let home = tempfile::tempdir().unwrap();
    let at = home.path().display().to_string();
    let cmd = Cmd::script(script, ["polls", &at, "app", "polls-app"]);
    let dir = fake("docker", docker);
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    run(&cmd, &[("PATH", &path)])
}

#[test]
fn a_service_that_does_not_come_up_fails_and_says_what_was_logged() {
    assert!(brought_up("exit 0").status.success());
    let failed = brought_up(
        "case $* in *' up '*) echo 'container polls is unhealthy'; exit 17;; \
         logs*) echo 'KeyError: DJANGO_SECRET_KEY';; esac",
    );
    assert_eq!(failed.status.code(), Some(17), "{failed:?}");
    let said = String::from_utf8_lossy(&failed.stdout);
    assert!(
        said.contains("is unhealthy") && said.contains("KeyError"),
        "{said}"
    );
}

#[test]
fn a_container_of_an_earlier_version_s_project_makes_room_and_one_of_ours_stays() {
    let said = |owner: &str| {
        let done = brought_up(&format!(
            "case $* in inspect*) echo {owner};; *) echo \"$*\";; esac"
        ));
        text(&done)
    };
    let up = "compose --project-name polls up --detach --wait --wait-timeout 180 --no-deps app\n";
    assert_eq!(said("polls"), up);
    let (removed, network) = ("rm --force polls-app\n", "network rm polls-app_default\n");
    assert_eq!(said("polls-app"), format!("{removed}{network}{up}"));
    assert_eq!(said("another"), format!("{removed}{up}"));
}

#[test]
fn guards_that_were_left_are_told_by_name_and_none_is_no_error() {
    let script = Script(include_str!("../sh/leftover-probe.sh"));
    let dir = tempfile::tempdir().unwrap();
    let guards = dir.path().join("guard");
    let cmd = Cmd::script(script, [guards.display().to_string()]);
    assert_eq!(text(&run(&cmd, &[])), "");
    fs::create_dir_all(guards.join("firewall/files")).unwrap();
    fs::create_dir(guards.join("bootstrap")).unwrap();
    fs::write(guards.join("no guard"), "").unwrap();
    assert_eq!(text(&run(&cmd, &[])), "bootstrap\nfirewall\n");
}

#[test]
fn a_guard_that_was_left_gives_the_old_state_back_once_and_only_if_it_was_armed() {
    let script = Script(include_str!("../sh/leftover.sh"));
    for (marks, restored) in [
        (&["armed"][..], true),
        // One that was broken off half way.
        (&["firing"], true),
        (&["rolled-back"], false),
        (&[], false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let guard = dir.path().join("guard/firewall");
        fs::create_dir_all(&guard).unwrap();
        for mark in marks {
            fs::write(guard.join(mark), "").unwrap();
        }
        let witness = dir.path().join("restored");
        fs::write(
            guard.join("restore"),
            "echo \"$3\" >\"$1/../../restored\"; mv \"$1\"/armed \"$1\"/firing \
             \"$1/rolled-back\" 2>/dev/null || rm -f \"$1/armed\" \"$1/firing\"\n",
        )
        .unwrap();
        let guards = dir.path().join("guard").display().to_string();
        // A systemctl that knows no such unit.
        let tools = fake("systemctl", "exit 4");
        let path = format!("{}:/usr/bin:/bin", tools.path().display());
        text(&run(&Cmd::script(script, [guards]), &[("PATH", &path)]));
        assert_eq!(witness.exists(), restored, "{marks:?}");
        assert!(!guard.exists(), "{marks:?}");
    }
}

#[test]
fn a_guard_that_can_t_give_the_old_state_back_stays_and_stops_the_run() {
    let script = Script(include_str!("../sh/leftover.sh"));
    let dir = tempfile::tempdir().unwrap();
    let guard = dir.path().join("guard/firewall");
    fs::create_dir_all(&guard).unwrap();
    fs::write(guard.join("armed"), "").unwrap();
    fs::write(guard.join("restore"), "exit 1\n").unwrap();
    let tools = fake("systemctl", "exit 4");
    let path = format!("{}:/usr/bin:/bin", tools.path().display());
    let guards = dir.path().join("guard").display().to_string();
    let done = run(&Cmd::script(script, [guards]), &[("PATH", &path)]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(said.contains("could not be put back"), "{said}");
    assert!(guard.join("armed").exists());
}

/// What user.sh makes of a user's keys and those of root, with these arguments and stdin.
fn keys_after(own: &str, roots: &str, how: &str, listed: &str) -> Result<String, String> {
    use std::io::Write as _;
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    for (user, keys) in [("deploy", own), ("root", roots)] {
        fs::create_dir_all(dir.path().join(user).join(".ssh")).unwrap();
        fs::write(dir.path().join(user).join(".ssh/authorized_keys"), keys).unwrap();
    }
    // Tools that know our users; what makes directories and changes owners is not under test.
    let tools = [
        fake("getent", &format!("echo \"$2:x:0:0::{at}/$2:/bin/sh\"")),
        fake("id", "echo users"),
        fake("usermod", "exit 0"),
        fake("install", "exit 0"),
        fake("chown", "exit 0"),
    ];
    let mut path: Vec<String> = Vec::new();
    path.extend(tools.iter().map(|tool| tool.path().display().to_string()));
    path.push("/usr/bin:/bin".to_owned());
    let script = Script(include_str!("../sh/user.sh"));
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(Cmd::script(script, ["deploy", "root", "sudo", how]).to_shell())
        .env("PATH", path.join(":"))
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(listed.as_bytes()).unwrap();
    drop(stdin);
    let done = child.wait_with_output().unwrap();
    let keys = fs::read_to_string(dir.path().join("deploy/.ssh/authorized_keys")).unwrap();
    let names = fs::read_dir(dir.path().join("deploy/.ssh"))
        .unwrap()
        .count();
    assert_eq!(names, 1, "nothing else is left");
    if done.status.success() {
        return Ok(keys);
    }
    assert_eq!(keys, own, "what fails changes nothing");
    Err(String::from_utf8(done.stderr).unwrap())
}

#[test]
fn a_user_without_a_key_gets_those_that_let_root_in_or_else_the_operators() {
    let [a, b, c] = [
        "ssh-ed25519 AAAAa a\n",
        "ssh-rsa AAAAb b\n",
        "ssh-rsa AAAAc c\n",
    ];
    let no = "command=\"echo no\" ssh-rsa AAAAno\n";
    let keys = |own: &str, roots: &str| keys_after(own, roots, "else", c);
    assert_eq!(keys("", &format!("{no}{a}{b}")).unwrap(), format!("{a}{b}"));
    assert_eq!(keys(a, b).unwrap(), a, "its own will do");
    assert_eq!(keys(no, b).unwrap(), format!("{no}{b}"));
    assert_eq!(keys("", no).unwrap(), c);
    let none = keys_after("", no, "else", "").unwrap_err();
    assert!(none.contains("authorized_keys = ["), "{none}");
}

#[test]
fn listed_keys_are_added_and_none_is_taken_away() {
    let keys = |own: &str| keys_after(own, "", "all", "ssh-rsa AAAAa a\nssh-rsa AAAAb b c\n");
    let both = "ssh-rsa AAAAa a\nssh-rsa AAAAb b c\n";
    assert_eq!(keys("").unwrap(), both);
    assert_eq!(keys(both).unwrap(), both);
    // A last line without an end, and the same key under another name.
    assert_eq!(
        keys("ssh-rsa AAAAx x\nssh-rsa AAAAa mine").unwrap(),
        "ssh-rsa AAAAx x\nssh-rsa AAAAa mine\nssh-rsa AAAAb b c\n"
    );
    assert_eq!(
        keys("#ssh-rsa AAAAb\ncommand=\"x\" ssh-rsa AAAAa\n").unwrap(),
        format!("#ssh-rsa AAAAb\ncommand=\"x\" ssh-rsa AAAAa\n{both}")
    );
}
