//! Bastions and what lies behind them, with OpenSSH's own sshd for both.

use std::net::Ipv4Addr;
use std::pin::pin;
use std::time::{Duration, Instant};

use provision::ssh::{Address, Exec, Fault, Input, Stage, Target, Via};
use tokio::time::{sleep, timeout};

use crate::relay::{Relay, Treat};
use crate::sshd::{Sshd, dialer, told};

const MIB: usize = 1024 * 1024;
/// More than anything here takes; a hang is a failure, not a wait.
const HANG: Duration = Duration::from_secs(300);

/// A bastion and a server.
fn both() -> Option<(Sshd, Sshd)> {
    Some((Sshd::start("")?, Sshd::start("MaxStartups 50")?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_targets_behind_a_bastion_share_one_login_on_it() {
    let Some((bastion, server)) = both() else {
        return;
    };
    let (dialer, mut notes) = dialer();
    let jump = bastion.target("jump1");
    let connect = |name: &'static str| {
        let (dialer, target) = (dialer.clone(), server.behind(name, &jump));
        async move {
            let session = dialer.connect(&target).await.unwrap();
            let done = session.exec(Exec::new(format!("echo {name}"))).await;
            assert_eq!(session.local_address(), None);
            String::from_utf8(done.unwrap().stdout).unwrap()
        }
    };
    let (a, b, c, d) = tokio::join!(connect("a"), connect("b"), connect("c"), connect("d"));
    assert_eq!([a, b, c, d], ["a\n", "b\n", "c\n", "d\n"]);
    assert_eq!(connect("e").await, "e\n");
    assert_eq!((bastion.logins(), server.logins()), (1, 5));
    let told = told(&mut notes);
    assert!(
        told.iter().any(|note| note.starts_with("jump1: logged in")),
        "{told:?}"
    );
    dialer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bastions_form_chains_and_names_are_looked_up_by_the_last() {
    let Some((first, second)) = both() else {
        return;
    };
    let (dialer, _notes) = dialer();
    let one = first.target("one");
    let two = second.behind("two", &one);
    let mut end = first.behind("end", &two);
    end.address = Address::Name("localhost".into());
    let session = dialer.connect(&end).await.unwrap();
    let done = session
        .exec(Exec::new("echo $SSH_CONNECTION"))
        .await
        .unwrap();
    assert!(
        done.stdout
            .ends_with(format!("127.0.0.1 {}\n", first.port).as_bytes())
    );
    assert_eq!((first.logins(), second.logins()), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_nobody_listens_to_holds_up_no_other_behind_the_bastion() {
    let Some((bastion, server)) = both() else {
        return;
    };
    let (dialer, _notes) = dialer();
    let jump = bastion.target("jump1");
    let slow = dialer.connect(&server.behind("slow", &jump)).await.unwrap();
    let fast = dialer.connect(&server.behind("fast", &jump)).await.unwrap();
    let mut flood = pin!(slow.exec(Exec {
        most: 40 * MIB,
        ..Exec::new("yes a line of output | head -c 33554432")
    }));
    // It begins, and then nobody takes what it writes.
    tokio::select! {
        done = &mut flood => panic!("it ended: {done:?}"),
        () = sleep(Duration::from_millis(300)) => {}
    }
    sleep(Duration::from_millis(700)).await;
    for _ in 0..5 {
        let echo = timeout(HANG, fast.exec(Exec::new("echo on")));
        assert_eq!(echo.await.expect("it waits").unwrap().stdout, b"on\n");
    }
    let late = dialer.connect(&server.behind("late", &jump)).await.unwrap();
    assert!(late.exec(Exec::new("true")).await.unwrap().status.success());
    let done = timeout(HANG, flood).await.unwrap().unwrap();
    assert_eq!(done.stdout.len(), 32 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn much_goes_both_ways_through_a_bastion() {
    let Some((bastion, server)) = both() else {
        return;
    };
    let (dialer, _notes) = dialer();
    let target = server.behind("app1", &bastion.target("jump1"));
    let session = dialer.connect(&target).await.unwrap();
    let bytes: Vec<u8> = (0..32 * MIB).map(|at| (at / 7) as u8).collect();
    let cat = |bytes: &[u8]| {
        session.exec(Exec {
            input: Input::Bytes(bytes.to_vec()),
            most: 32 * MIB,
            ..Exec::new("cat")
        })
    };
    let (one, two) = timeout(HANG, async { tokio::join!(cat(&bytes), cat(&bytes)) })
        .await
        .expect("it hangs");
    assert!(one.unwrap().stdout == bytes && two.unwrap().stdout == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bastion_that_was_lost_is_opened_anew() {
    let Some((bastion, server)) = both() else {
        return;
    };
    let relay = Relay::to(bastion.port, |_| Treat::Pass).await;
    let (dialer, _notes) = dialer();
    let jump = Target {
        port: relay.port,
        ..bastion.target("jump1")
    };
    let target = server.behind("app1", &jump);
    let session = dialer.connect(&target).await.unwrap();
    let sleeping = async {
        let began = Instant::now();
        (session.exec(Exec::new("sleep 30")).await, began.elapsed())
    };
    let cut = async {
        sleep(Duration::from_millis(300)).await;
        relay.cut();
    };
    let ((lost, after), ()) = tokio::join!(sleeping, cut);
    assert!(lost.unwrap_err().is_lost());
    // A silent one is lost after twelve to fifteen.
    assert!(after < Duration::from_secs(8), "{after:?}");
    assert!(session.is_closed());
    let again = dialer.connect(&target).await.unwrap();
    assert!(again.exec(Exec::new("true")).await.is_ok());
    assert_eq!(bastion.logins(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_serves_as_bastion_once_it_is_adopted() {
    let Some((bastion, server)) = both() else {
        return;
    };
    let (dialer, _notes) = dialer();
    let jump = bastion.target("proxy1");
    let proxy = dialer.connect(&jump).await.unwrap();
    dialer.adopt(proxy.target(), &proxy).await;
    let session = dialer.connect(&server.behind("app1", &jump)).await.unwrap();
    // Its owner is done with it; what goes through it isn't.
    proxy.close().await;
    assert!(session.exec(Exec::new("true")).await.is_ok());
    assert_eq!(bastion.logins(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_bastion_wont_or_cant_do_is_told_with_its_name() {
    let Some((bastion, server)) = both() else {
        return;
    };
    let Some(strict) = Sshd::start("AllowTcpForwarding no") else {
        return;
    };
    let (dialer, _notes) = dialer();
    let forbidden = server.behind("app1", &strict.target("jump1"));
    let error = dialer.connect(&forbidden).await.err().unwrap();
    assert!(
        matches!(
            error.fault(),
            Fault::ForwardRefused {
                forbidden: true,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.to_string().contains("through bastion jump1"),
        "{error}"
    );
    assert!(
        error.next().contains("AllowTcpForwarding"),
        "{}",
        error.next()
    );

    let nothing = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut closed = server.behind("app1", &bastion.target("jump2"));
    closed.port = nothing.local_addr().unwrap().port();
    drop(nothing);
    let error = dialer.connect(&closed).await.err().unwrap();
    assert_eq!(error.stage(), Stage::Connect);
    assert!(error.to_string().contains("Connection refused"), "{error}");
    assert!(error.next().contains("from there"), "{}", error.next());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bastions_own_failure_names_it_and_its_stage() {
    let Some((bastion, server)) = both() else {
        return;
    };
    let (dialer, _notes) = dialer();
    let mut jump = bastion.target("jump1");
    jump.trust = server.target("x").trust;
    let target = server.behind("app1", &jump);
    let both = || async { tokio::join!(dialer.connect(&target), dialer.connect(&target)) };
    for error in <[_; 2]>::from(both().await).map(|outcome| outcome.err().unwrap()) {
        let text = error.to_string();
        assert!(
            text.contains("app1") && text.contains("through bastion jump1"),
            "{text}"
        );
        assert!(text.contains("check the host key of jump1"), "{text}");
        assert!(!error.is_auth());
    }
    // The wrong key of the bastion is seen once for both: beside the look whether sshd is up,
    // one connection for each kind of key that the pin may be of.
    let seen = bastion.log().matches("Connection from").count();
    assert!((2..=4).contains(&seen), "{}", bastion.log());
    jump = bastion.target("jump1");
    jump.identity.key = server.target("x").identity.key;
    let refused = dialer
        .connect(&server.behind("app1", &jump))
        .await
        .err()
        .unwrap();
    assert!(refused.to_string().contains("log in to jump1"), "{refused}");
    assert!(
        !refused.is_auth(),
        "another user on app1 would fare no better"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_through_a_command_can_be_a_jump_too() {
    let Some(server) = Sshd::start("") else {
        return;
    };
    let (dialer, _notes) = dialer();
    let mut target = server.target("app1");
    target.via = Via::Command(format!(
        "bash -c 'exec 3<>/dev/tcp/127.0.0.1/{}; cat <&3 & exec cat >&3'",
        server.port
    ));
    let behind = server.behind("app2", &target);
    let session = dialer.connect(&behind).await.unwrap();
    assert!(session.exec(Exec::new("true")).await.is_ok());
}
