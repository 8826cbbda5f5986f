//! The scripts that renew a certificate, reload nginx and tell of a failure, with a `docker` that
//! does what the test says.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use provision::resource::sha256;

use crate::executable;

const DAY: u64 = 24 * 3600;
const LIVE: &str = "live/a.example/fullchain.pem";

/// What stands for Docker: it notes what it is told, and does what files in its directory say.
const DOCKER: &str = r#"#!/bin/sh
cd -- "$FAKE" || exit
echo "$*" >>called
case $1 in
inspect) cat running ;;
run)
    [ ! -e hang ] || { : >hangs; exec sleep 100; }
    [ ! -e new.pem ] || cp new.pem live/a.example/fullchain.pem
    [ ! -e said ] || cat said
    [ ! -e certbot-fails ] || exit 1
    ;;
exec)
    case $* in
    *' -t') [ ! -e refused ] || { echo "nginx: [emerg] no \"x\" here"; echo "nginx: test failed"; exit 1; } ;;
    *reload) read -r _ pid <running && kill -s USR1 "$pid" ;;
    esac
    ;;
logs) echo "what nginx logged" ;;
esac
"#;

/// A proxy's directories, which go away.
struct Proxy {
    dir: tempfile::TempDir,
    nginx: Option<Child>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(nginx) = &mut self.nginx {
            let _gone = nginx.kill();
            let _gone = nginx.wait();
        }
    }
}

/// A certificate and its key, that began and will end so many days from now.
fn pem(since: u64, left: u64) -> String {
    let day = |days: u64| Duration::from_secs(days * DAY + 3590);
    let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.not_before = (SystemTime::now() - day(since)).into();
    params.not_after = (SystemTime::now() + day(left)).into();
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    format!("{}{}", key.serialize_pem(), cert.pem())
}

impl Proxy {
    /// One whose nginx isn't running, with a certificate as in [`pem`].
    fn new(since: u64, left: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let proxy = Self { dir, nginx: None };
        for name in ["bin", "live/a.example", "renewal", "state/polls"] {
            fs::create_dir_all(proxy.at(name)).unwrap();
        }
        proxy.write("bin/docker", DOCKER);
        proxy.write("reload.sh", include_str!("../../src/step/nginx-reload.sh"));
        proxy.write(
            "failed.sh",
            include_str!("../../src/step/renewal/failed.sh"),
        );
        proxy.write(
            "self-signed.sh",
            include_str!("../../src/resource/certificate/self-signed.sh"),
        );
        executable::write(&proxy.at("bin/docker"), DOCKER);
        let renew = include_str!("../../src/step/renewal/renew.sh");
        executable::write(&proxy.at("renew.sh"), renew);
        proxy.write("renewal/a.example.conf", "");
        proxy.write("running", "false 0\n");
        proxy.write(LIVE, &pem(since, left));
        proxy
    }

    /// A process with a worker, that has another one after a reload.
    fn start_nginx(&mut self, heeds: bool) {
        let heed = match heeds {
            true => "sleep 100 & new=$!; kill $old; old=$new",
            false => ":",
        };
        let text = format!("trap '{heed}' USR1; sleep 100 & old=$!; while :; do wait; done");
        let nginx = Command::new("sh").args(["-c", &text]).spawn();
        let nginx = self.nginx.insert(nginx.unwrap());
        let pid = nginx.id();
        let children = format!("/proc/{pid}/task/{pid}/children");
        eventually(|| fs::read_to_string(&children).is_ok_and(|all| !all.is_empty()));
        self.write("running", &format!("true {pid}\n"));
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_default()
    }

    fn digest(&self) -> String {
        format!("{}\n", sha256(fs::read(self.at(LIVE)).unwrap()))
    }

    fn served(&self) -> String {
        self.read("state/polls/served")
    }

    /// A value of the record.
    fn record(&self, key: &str) -> Option<String> {
        let record = self.read("state/polls/renewal");
        let mut values = record.lines().filter_map(|line| line.split_once('='));
        values
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.to_owned())
    }

    fn reloads(&self) -> usize {
        self.read("called").matches("-s reload").count()
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        let path = std::env::var("PATH").unwrap();
        command
            .arg(self.path(script))
            .env("FAKE", self.dir.path())
            .env("PATH", format!("{}:{path}", self.path("bin")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn renewal(&self, flags: &[&str], mode: &[&str]) -> Command {
        let mut command = self.command("renew.sh");
        command.args(flags).arg("polls");
        command.args(["state/polls", LIVE].map(|name| self.path(name)));
        command.arg("nginx-box").args(mode);
        command
    }

    fn certbot(&self, flags: &[&str]) -> Command {
        let mode = [
            "letsencrypt",
            "a.example",
            "certbot/certbot",
            "7:8",
            "/webroot",
        ];
        let mut command = self.renewal(flags, &mode);
        command.args(["https://ca.example/dir?a=%20", "-"]);
        command
    }
}

#[track_caller]
fn eventually(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "it never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[track_caller]
fn ended_well(done: &Output) {
    assert!(done.status.success(), "{done:?}");
}

/// It failed, and says why in its last line.
#[track_caller]
fn failed(done: &Output) -> String {
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let last = said.lines().last().unwrap_or_default();
    last.strip_prefix("failed: ")
        .unwrap_or_else(|| panic!("{said}"))
        .to_owned()
}

#[test]
fn a_certificate_that_is_not_due_stays_and_nginx_is_left_alone() {
    let mut proxy = Proxy::new(10, 80);
    proxy.start_nginx(true);
    proxy.write("state/polls/served", &proxy.digest());
    ended_well(&proxy.certbot(&[]).output().unwrap());
    assert_eq!(proxy.reloads(), 0);
    assert_eq!(proxy.record("did").as_deref(), Some("not-due"));
    assert_eq!(proxy.record("result").as_deref(), Some("ok"));
    assert_eq!(proxy.record("ok"), proxy.record("ended"));
    assert_eq!(proxy.record("message"), None);
    let called = proxy.read("called");
    assert!(
        called.contains("renew --non-interactive --no-random-sleep-on-renew"),
        "{called}"
    );
    assert!(!called.contains("--dry-run"), "{called}");
}

#[test]
fn a_renewed_certificate_is_loaded_once_and_noted() {
    let mut proxy = Proxy::new(70, 20);
    proxy.start_nginx(true);
    proxy.write("state/polls/served", &proxy.digest());
    proxy.write("new.pem", &pem(0, 90));
    ended_well(&proxy.certbot(&[]).output().unwrap());
    assert_eq!(proxy.served(), proxy.digest());
    assert_eq!(proxy.record("did").as_deref(), Some("renewed"));
    ended_well(&proxy.certbot(&[]).output().unwrap());
    assert_eq!(proxy.reloads(), 1);
    assert_eq!(proxy.record("did").as_deref(), Some("not-due"));
}

#[test]
fn a_reload_that_was_lost_is_made_up_for() {
    let mut proxy = Proxy::new(0, 90);
    proxy.start_nginx(true);
    proxy.write("state/polls/served", &format!("{}\n", sha256("old")));
    ended_well(&proxy.certbot(&[]).output().unwrap());
    assert_eq!((proxy.reloads(), proxy.served()), (1, proxy.digest()));
}

#[test]
fn a_failed_renewal_is_recorded_with_certbots_reason_and_the_last_good_end() {
    let proxy = Proxy::new(70, 20);
    proxy.write(
        "state/polls/renewal",
        "ended=1000\nresult=ok\ndid=renewed\nok=1000\n",
    );
    proxy.write("certbot-fails", "");
    proxy.write(
        "said",
        "Failed to renew certificate a.example with error: the \"CA\" is\u{1b}[0m away\n\
         1 renew failure(s), 0 parse failure(s)\nAsk for help or search for solutions at x.\n",
    );
    let why = failed(&proxy.certbot(&[]).output().unwrap());
    assert_eq!(why, "certbot: the \"CA\" is[0m away");
    assert_eq!(proxy.record("message").as_deref(), Some(&*why));
    assert_eq!(proxy.record("result").as_deref(), Some("failed"));
    assert_eq!(proxy.record("ok").as_deref(), Some("1000"));
    assert_ne!(proxy.record("ended").as_deref(), Some("1000"));
    assert_eq!(proxy.record("did"), None);
}

#[test]
fn nginx_that_refuses_is_a_failure_and_tried_again_next_time() {
    let mut proxy = Proxy::new(70, 20);
    proxy.start_nginx(true);
    proxy.write("new.pem", &pem(0, 90));
    proxy.write("refused", "");
    let why = failed(&proxy.certbot(&[]).output().unwrap());
    assert_eq!(why, "nginx: [emerg] no \"x\" here");
    assert_eq!((proxy.reloads(), proxy.served()), (0, String::new()));
    fs::remove_file(proxy.at("refused")).unwrap();
    ended_well(&proxy.certbot(&[]).output().unwrap());
    assert_eq!((proxy.reloads(), proxy.served()), (1, proxy.digest()));
}

#[test]
fn certbot_that_says_all_is_well_is_not_believed() {
    let proxy = Proxy::new(80, 10);
    let why = failed(&proxy.certbot(&[]).output().unwrap());
    assert!(why.contains("expires in 10 days"), "{why}");
    proxy.write(LIVE, &pem(80, 20));
    ended_well(&proxy.certbot(&[]).output().unwrap());
    fs::remove_file(proxy.at("renewal/a.example.conf")).unwrap();
    let why = failed(&proxy.certbot(&[]).output().unwrap());
    assert!(why.contains("run provision"), "{why}");
}

#[test]
fn a_provided_certificate_is_watched() {
    let proxy = Proxy::new(50, 40);
    let watch = || proxy.renewal(&[], &["provided"]).output().unwrap();
    ended_well(&watch());
    assert_eq!(proxy.record("did").as_deref(), Some("watched"));
    for (since, left, expected) in [
        (700, 29, "expires in 29 days"),
        (20, 9, "expires in 9 days"),
        (6, 0, "expires in 59 minutes"),
    ] {
        proxy.write(LIVE, &pem(since, left));
        let why = failed(&watch());
        assert!(why.contains(expected), "{why}");
    }
    proxy.write(LIVE, "nothing");
    assert!(failed(&watch()).contains("can't be read"));
    fs::remove_file(proxy.at(LIVE)).unwrap();
    assert!(failed(&watch()).contains("can't be read"));
}

#[test]
fn a_self_signed_certificate_is_made_anew_in_the_last_third_of_its_life() {
    let mut proxy = Proxy::new(50, 40);
    proxy.start_nginx(true);
    let mode = [
        "self-signed",
        "365",
        "ecdsa",
        "256",
        "a.example",
        "b.example",
    ];
    let before = proxy.digest();
    ended_well(&proxy.renewal(&[], &mode).output().unwrap());
    assert_eq!(proxy.digest(), before);
    assert_eq!(proxy.record("did").as_deref(), Some("not-due"));
    proxy.write(LIVE, &pem(70, 20));
    ended_well(&proxy.renewal(&[], &mode).output().unwrap());
    assert_eq!(proxy.record("did").as_deref(), Some("renewed"));
    assert_eq!(proxy.served(), proxy.digest());
    let said = Command::new("openssl")
        .args(["x509", "-noout", "-ext", "subjectAltName", "-checkend"])
        .arg((364 * DAY).to_string())
        .arg("-in")
        .arg(proxy.at(LIVE))
        .output()
        .unwrap();
    ended_well(&said);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("DNS:a.example, DNS:b.example"), "{said}");
}

#[test]
fn a_renewal_waits_for_what_a_run_is_doing_and_a_rehearsal_is_part_of_it() {
    let proxy = Proxy::new(10, 80);
    let turn = proxy.path("state/operation");
    proxy.write("state/operation", "pull an image\nop 1 1 1\n");
    let mut holder = Command::new("flock")
        .args([&turn, "sleep", "100"])
        .spawn()
        .unwrap();
    eventually(|| {
        let free = Command::new("flock").args(["-n", &turn, "true"]).status();
        !free.unwrap().success()
    });
    ended_well(&proxy.certbot(&["--rehearse"]).output().unwrap());
    assert_eq!(proxy.record("did"), None, "what is rehearsed isn't done");
    let rehearsed = "--dry-run --server https://ca.example/dir?a=%20";
    assert_eq!(proxy.read("called").matches(rehearsed).count(), 1);

    let mut renewal = proxy.certbot(&[]).spawn().unwrap();
    let mut said = BufReader::new(renewal.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(
        line.starts_with("waiting: pull an image is being done"),
        "{line}"
    );
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(renewal.try_wait().unwrap(), None);
    assert_eq!(proxy.record("did"), None);
    // flock(1) has a child that holds the lock too.
    let _gone = Command::new("pkill")
        .args(["-P", &holder.id().to_string()])
        .status();
    let _gone = holder.kill();
    holder.wait().unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    ended_well(&renewal.wait_with_output().unwrap());
    assert_eq!(proxy.record("did").as_deref(), Some("not-due"));
    assert!(
        proxy
            .read("state/operation")
            .starts_with("the renewal by polls-renew.timer\ntimer ")
    );
}

#[test]
fn an_end_by_force_is_recorded() {
    let proxy = Proxy::new(10, 80);
    proxy.write("hang", "");
    let mut command = proxy.certbot(&[]);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let renewal = command.spawn().unwrap();
    eventually(|| proxy.at("hangs").exists());
    let group = format!("-{}", renewal.id());
    ended_well(
        &Command::new("kill")
            .args(["-s", "TERM", "--", &group])
            .output()
            .unwrap(),
    );
    let why = failed(&renewal.wait_with_output().unwrap());
    assert!(why.contains("it was ended before it was done"), "{why}");
    assert_eq!(proxy.record("message"), Some(why.clone()));

    let ended = |result: &str| {
        let mut command = proxy.command("renew.sh");
        command.args(["--ended", "polls", &proxy.path("state/polls")]);
        ended_well(&command.env("SERVICE_RESULT", result).output().unwrap());
        proxy.record("message").unwrap()
    };
    assert_eq!(ended("exit-code"), why);
    assert_eq!(ended("timeout"), "it took too long and was ended");
    assert!(proxy.read("called").contains("rm --force polls-certbot"));
}

fn reload(proxy: &Proxy, file: &str) -> Output {
    let mut command = proxy.command("reload.sh");
    let served = proxy.path("state/polls/served");
    command.args(["nginx-box", file, &served]).output().unwrap()
}

#[test]
fn a_reload_ends_when_another_worker_serves() {
    let mut proxy = Proxy::new(10, 80);
    proxy.start_nginx(true);
    let file = proxy.path(LIVE);
    ended_well(&reload(&proxy, &file));
    assert_eq!((proxy.reloads(), proxy.served()), (1, proxy.digest()));
    // Nothing is known of a certificate that isn't there.
    ended_well(&reload(&proxy, "-"));
    assert_eq!(
        (proxy.reloads(), proxy.at("state/polls/served").exists()),
        (2, false)
    );
    let called = proxy.read("called");
    assert!(
        !called.contains("kill") && !called.contains("HUP"),
        "{called}"
    );
}

#[test]
fn nginx_that_goes_on_with_the_old_configuration_was_not_reloaded() {
    let mut proxy = Proxy::new(10, 80);
    proxy.start_nginx(false);
    proxy.write("state/polls/served", "old\n");
    let done = reload(&proxy, &proxy.path(LIVE));
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(said.contains("what nginx logged"), "{said}");
    assert_eq!(proxy.served(), "old\n");
}

#[test]
fn a_container_that_is_not_running_needs_no_reload() {
    let proxy = Proxy::new(10, 80);
    let done = reload(&proxy, &proxy.path(LIVE));
    ended_well(&done);
    assert_eq!((proxy.reloads(), proxy.served()), (0, String::new()));
    assert!(String::from_utf8_lossy(&done.stdout).contains("not running"));
}

/// What tells of a failure, with a message that would fall apart if it weren't quoted.
fn tell(proxy: &Proxy, how: &[&str]) -> Output {
    let message = "message=certbot: \"no\" \\ $(way) 100%s\n";
    proxy.write("state/polls/renewal", &format!("result=failed\n{message}"));
    let mut command = proxy.command("failed.sh");
    command.args(["polls", "proxy", "a.example", &proxy.path("state/polls")]);
    command.arg(proxy.path(LIVE)).args(how);
    command.output().unwrap()
}

#[test]
fn a_command_is_told_of_a_failure_on_stdin_and_in_its_environment() {
    let proxy = Proxy::new(10, 80);
    let text = "cat; echo \"$PROVISION_SITE $PROVISION_CERTIFICATE $PROVISION_MESSAGE <$1>\"";
    let done = tell(&proxy, &["command", "/bin/sh", "-c", text, "sh", "it's"]);
    ended_well(&done);
    let message = "certbot: \"no\" \\ $(way) 100%s";
    assert_eq!(
        String::from_utf8_lossy(&done.stdout),
        format!("{message}\npolls a.example {message} <it's>\n")
    );
    let done = tell(&proxy, &["command", "/bin/false"]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
}

/// A server that answers one request with this, and what it was asked.
fn answering(status: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://{}/hook/[s3cret]?a=b",
        listener.local_addr().unwrap()
    );
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut buffer = [0; 4096];
        while !asked.ends_with(b"}\n") {
            let count = stream.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "{}", String::from_utf8_lossy(&asked));
            asked.extend_from_slice(&buffer[..count]);
        }
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
        String::from_utf8(asked).unwrap()
    });
    (url, asked)
}

#[test]
fn a_webhook_gets_json_and_its_url_stands_in_no_command_line() {
    let proxy = Proxy::new(10, 80);
    let (url, asked) = answering("204 No Content");
    proxy.write("alert.conf", &format!("globoff\nurl = \"{url}\"\n"));
    let done = tell(&proxy, &["webhook", &proxy.path("alert.conf")]);
    ended_well(&done);
    let asked = asked.join().unwrap();
    assert!(
        asked.starts_with("POST /hook/[s3cret]?a=b HTTP/1.1\r\n"),
        "{asked}"
    );
    let (_, body) = asked.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["site"], "polls");
    assert_eq!(body["host"], "proxy");
    assert_eq!(body["certificate"], "a.example");
    assert_eq!(body["message"], "certbot: \"no\" \\ $(way) 100%s");
    let expires = body["expires"].as_str().unwrap();
    assert!(expires.len() == 20 && expires.ends_with('Z'), "{expires}");
    for said in [&done.stdout, &done.stderr] {
        assert!(
            !String::from_utf8_lossy(said).contains("s3cret"),
            "{done:?}"
        );
    }
}

#[test]
fn a_webhook_that_leads_elsewhere_was_not_told() {
    let proxy = Proxy::new(10, 80);
    let (url, asked) = answering("302 Found");
    proxy.write("alert.conf", &format!("globoff\nurl = \"{url}\"\n"));
    let done = tell(&proxy, &["webhook", &proxy.path("alert.conf")]);
    asked.join().unwrap();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(
        String::from_utf8_lossy(&done.stderr).contains("302"),
        "{done:?}"
    );
}
