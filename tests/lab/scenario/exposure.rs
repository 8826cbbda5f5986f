//! Who reaches a port that Docker publishes, under each set of rules that people write for it
//! and under ours. ufw and iptables are real, and so is Docker.

use std::fmt;
use std::thread;

use provision::lab::DOMAIN;

use crate::program::{provision, succeeds};
use crate::servers::{console, converged, outside, run_with, try_console};
use crate::site::{self, Variant, set};

/// Where app1 is.
const PUBLIC: &str = "198.51.100.11";
const PRIVATE: &str = "10.20.0.11";
const SIX: &str = "[2001:db8::11]";
/// Where the proxy is, as app1 sees it.
const PROXY: &str = "198.51.100.13";

/// The private ranges of RFC 1918, which the tutorials trust.
const RFC1918: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

/// The app server.
const SERVER: &str = "app1";
/// The container that is published by hand.
const CONTAINER: &str = "by-hand";

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// HTTP's status.
    Status(u16),
    /// No answer at all, not even a refusal: the packets were dropped.
    Silence,
    /// curl's exit status and what it said.
    Other(i32, String),
}

use Seen::Silence as DROP;
const OK: Seen = Seen::Status(200);

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vantage {
    Proxy,
    Stranger,
    /// The other app server.
    Neighbour,
    /// The server itself, whose packets no rule for strangers meets: that the service runs.
    Itself,
}

/// All but the control.
const OTHERS: [Vantage; 3] = [Vantage::Proxy, Vantage::Stranger, Vantage::Neighbour];

impl Vantage {
    /// Asks for a page, as nginx on the proxy would.
    fn asks(self, url: &str) -> Seen {
        let name = format!("Host: {DOMAIN}");
        let mut curl = vec!["curl", "-sS", "--noproxy", "*", "-o", "/dev/null"];
        // Two SYNs go unanswered before that.
        curl.extend(["--connect-timeout", "2", "--max-time", "10"]);
        curl.extend(["-w", "%{http_code}", "-H", &name]);
        curl.extend(["-H", "X-Forwarded-Proto: https", url]);
        let ended = match self {
            Self::Proxy => try_console("proxy", &curl),
            Self::Neighbour => try_console("app2", &curl),
            Self::Itself => try_console(SERVER, &curl),
            Self::Stranger => outside(&curl),
        };
        match (ended.code, ended.stdout.parse()) {
            (Some(0), Ok(status)) => Seen::Status(status),
            // Of the two limits only the first ends with no connection (curl(1)).
            (Some(28), _) if ended.stderr.contains("onnect") => DROP,
            (code, _) => Seen::Other(code.unwrap_or(-1), ended.stderr),
        }
    }
}

/// What several ask at once, in their order.
fn ask(questions: &[(Vantage, String)]) -> Vec<Seen> {
    thread::scope(|scope| {
        let asked: Vec<_> = questions
            .iter()
            .map(|(vantage, url)| scope.spawn(|| vantage.asks(url)))
            .collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// Holds what is seen to what is expected, all at once, and the service to run all along.
fn assert_seen(what: &dyn fmt::Display, expected: &[(Vantage, String, Seen)]) {
    let questions: Vec<_> = expected
        .iter()
        .map(|(vantage, url, _)| (*vantage, url.clone()))
        .collect();
    let seen: Vec<_> = questions
        .iter()
        .zip(ask(&questions))
        .map(|((vantage, url), seen)| (*vantage, url.clone(), seen))
        .collect();
    assert_eq!(seen, expected, "{what}");
}

/// How a block in after.rules tells new connections from others.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// By the first packet's flags, after all trusted sources.
    Flags,
    /// By the state of the connection, after ufw's route rules.
    State,
}

use Form::{Flags, State};

/// A block for these networks, as an operator has it from a tutorial.
fn block(form: Form, nets: &[&str]) -> String {
    let each = |rule: &dyn Fn(&str) -> String| nets.iter().map(|net| rule(net)).collect::<String>();
    let trusted = each(&|net| format!("-A DOCKER-USER -s {net} -j RETURN\n"));
    let (chains, rules) = match form {
        Flags => {
            let closed = each(&|net| {
                format!(
                    "-A DOCKER-USER -d {net} -p tcp --syn -j DROP\n\
                     -A DOCKER-USER -d {net} -p udp --dport 0:32767 -j DROP\n"
                )
            });
            let answers = "-A DOCKER-USER -p udp --sport 53 --dport 1024:65535 -j RETURN\n";
            let routes = "-A DOCKER-USER -j ufw-user-forward\n";
            ("", format!("{trusted}{answers}{routes}{closed}"))
        }
        State => {
            let closed = each(&|net| {
                format!(
                    "-A DOCKER-USER -d {net} -m conntrack --ctstate NEW -j ufw-docker-logging-deny\n"
                )
            });
            let rules = format!(
                "-A DOCKER-USER -j ufw-user-forward\n\
                 -A DOCKER-USER -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN\n\
                 -A DOCKER-USER -m conntrack --ctstate INVALID -j DROP\n\
                 -A DOCKER-USER -i docker0 -o docker0 -j ACCEPT\n\
                 {trusted}{closed}\
                 -A ufw-docker-logging-deny -m limit --limit 3/minute --limit-burst 10 \
                 -j LOG --log-prefix \"[UFW DOCKER BLOCK] \"\n\
                 -A ufw-docker-logging-deny -j DROP\n"
            );
            (":ufw-docker-logging-deny - [0:0]\n", rules)
        }
    };
    format!(
        "# BEGIN UFW AND DOCKER\n*filter\n:ufw-user-forward - [0:0]\n:DOCKER-USER - [0:0]\n\
         {chains}{rules}-A DOCKER-USER -j RETURN\nCOMMIT\n# END UFW AND DOCKER\n"
    )
}

/// ufw as its package ships it, SSH let in, and on with this block and these commands.
fn rules_by_hand(block: &str, commands: &[&str]) {
    let mut script = String::from(
        "ufw --force disable >/dev/null\n\
         cp /usr/share/ufw/iptables/*.rules /etc/ufw/\n\
         for six in '' 6; do\n\
           ip${six}tables -F DOCKER-USER 2>/dev/null || :\n\
           ip${six}tables -F ufw${six}-docker-logging-deny 2>/dev/null || :\n\
           ip${six}tables -X ufw${six}-docker-logging-deny 2>/dev/null || :\n\
         done\n\
         ufw allow 22/tcp >/dev/null\n",
    );
    script.push_str(&format!(
        "cat >>/etc/ufw/after.rules <<'BLOCK'\n{block}BLOCK\n"
    ));
    for command in commands {
        script.push_str(&format!("{command} >/dev/null\n"));
    }
    script.push_str("ufw --force enable >/dev/null\nufw status | grep -qx 'Status: active'\n");
    console(SERVER, &script);
}

/// A container that answers on port 8000, published as 80, in place of the site's app. Ends with
/// the firewall and the app as they were.
struct ByHand;

impl ByHand {
    fn start() -> Self {
        let by_hand = Self;
        console(
            SERVER,
            &format!(
                "rm -rf /root/ufw; cp -a /etc/ufw /root/ufw; \
                 docker rm -f {CONTAINER} >/dev/null 2>&1 || :; docker stop polls-app >/dev/null; \
                 docker run -d --name {CONTAINER} -p 80:8000 python:3.13-slim \
                   python -m http.server 8000 --bind :: >/dev/null; \
                 for _ in $(seq 300); do \
                   curl -sf -o /dev/null http://{PUBLIC}/ && exit; sleep 0.2; done; exit 1"
            ),
        );
        by_hand
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        let script = format!(
            "docker rm -f {CONTAINER} >/dev/null; docker start polls-app >/dev/null; \
             ufw --force disable >/dev/null; cp -a /root/ufw/. /etc/ufw/; rm -rf /root/ufw; \
             systemctl restart ufw"
        );
        let ended = try_console(SERVER, &["sh", "-euc", &script]);
        if ended.code != Some(0) {
            eprintln!("{SERVER} is left with rules written by hand: {ended}");
        }
    }
}

/// A container's own address, which only the server has a way to.
fn own_address(container: &str) -> String {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let address = console(SERVER, &format!("docker inspect -f '{format}' {container}"));
    address.trim().to_owned()
}

/// Ways that the neighbour and the stranger have made themselves straight to a container.
/// Anybody on the same network can.
struct Straight(String);

impl Straight {
    fn to(container: &str) -> Self {
        let straight = Self(own_address(container));
        let address = &straight.0;
        console(
            "app2",
            &format!("ip route replace {address}/32 via {PRIVATE}"),
        );
        let way = outside(&["ip", "route", "replace", address, "via", PUBLIC]);
        assert_eq!(way.code, Some(0), "{way}");
        straight
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}:8000{path}", self.0)
    }
}

impl Drop for Straight {
    fn drop(&mut self) {
        let _ = try_console("app2", &["ip", "route", "del", &self.0]);
        let _ = outside(&["ip", "route", "del", &self.0]);
    }
}

/// Rules written by hand, and what they make of proxy, stranger and neighbour.
struct Row<'a> {
    what: &'a str,
    /// The blocks that it is the same with, and none where there is none.
    blocks: &'a [Option<(Form, &'a [&'a str])>],
    commands: &'a [&'a str],
    seen: [Seen; 3],
}

impl Row<'_> {
    fn holds(&self) {
        let Self { what, commands, .. } = self;
        for with in self.blocks {
            let text = with.map(|(form, nets)| block(form, nets));
            rules_by_hand(&text.unwrap_or_default(), commands);
            // The neighbour comes over the network that the provider gives to both.
            let urls = [PUBLIC, PUBLIC, PRIVATE].map(|address| format!("http://{address}/"));
            let mut expected: Vec<_> = OTHERS
                .into_iter()
                .zip(urls)
                .zip(self.seen.clone())
                .map(|((vantage, url), seen)| (vantage, url, seen))
                .collect();
            for address in [PUBLIC, PRIVATE] {
                expected.push((Vantage::Itself, format!("http://{address}/"), OK));
            }
            assert_seen(&format!("{what}, block {with:?}"), &expected);
        }
    }
}

/// Every set of rules that the field recommends or falls for, with what is seen from each side.
pub fn rules_of_the_field() {
    converged();
    let _by_hand = ByHand::start();
    let own = console(
        SERVER,
        "docker network inspect -f '{{range .IPAM.Config}}{{.Subnet}} {{end}}' \
         $(docker network ls -q)",
    );
    let own: Vec<&str> = own.split_whitespace().collect();
    assert!(!own.is_empty(), "Docker has networks");
    let old = Some((Flags, RFC1918.as_slice()));
    let new = Some((State, RFC1918.as_slice()));
    let from_proxy =
        |port: u16| format!("ufw route allow proto tcp from {PROXY} to any port {port}");
    let route = from_proxy(8000);
    let deny = "ufw route deny proto tcp from 10.0.0.0/8 to any port 8000";

    Row {
        what: "ufw is on",
        blocks: &[None],
        commands: &[],
        seen: [OK, OK, OK],
    }
    .holds();
    // Even straight to the container, where a rule of Docker's own is all there is. This is also
    // what the time-outs under our rules are to be compared with.
    let straight = Straight::to(CONTAINER);
    assert_seen(
        &"ufw is on, straight to the container",
        &[
            (Vantage::Neighbour, straight.url("/"), OK),
            (Vantage::Stranger, straight.url("/"), OK),
        ],
    );
    // The container has no IPv6: Docker's proxy program listens, and INPUT decides.
    let six = || format!("http://{SIX}/");
    let by_six = |seen: Seen| {
        let mut all: Vec<_> = OTHERS.map(|vantage| (vantage, six(), seen.clone())).into();
        all.push((Vantage::Itself, six(), OK));
        all
    };
    assert_seen(&"ufw is on, by IPv6", &by_six(DROP));
    Row {
        what: "ufw deny 80",
        blocks: &[None],
        commands: &["ufw deny 80"],
        seen: [OK, OK, OK],
    }
    .holds();
    rules_by_hand("", &["ufw allow 80/tcp"]);
    assert_seen(&"ufw allow 80, by IPv6", &by_six(OK));

    Row {
        what: "the block alone",
        blocks: &[old, new],
        commands: &[],
        seen: [DROP, DROP, OK],
    }
    .holds();
    Row {
        what: "ufw allow from the proxy to port 80",
        blocks: &[old, new],
        commands: &[&format!("ufw allow from {PROXY} to any port 80")],
        seen: [DROP, DROP, OK],
    }
    .holds();
    Row {
        what: "ufw route allow to the host's port",
        blocks: &[old, new],
        commands: &[&from_proxy(80)],
        seen: [DROP, DROP, OK],
    }
    .holds();
    Row {
        what: "ufw route allow to the container's port",
        blocks: &[old, new],
        commands: &[&route],
        seen: [OK, DROP, OK],
    }
    .holds();
    Row {
        what: "the new block and a deny for the private network",
        blocks: &[new],
        commands: &[&route, deny],
        seen: [OK, DROP, DROP],
    }
    .holds();
    Row {
        what: "the old block and the same deny",
        blocks: &[old],
        commands: &[&route, deny],
        seen: [OK, DROP, OK],
    }
    .holds();
    Row {
        what: "a block with Docker's own networks alone",
        blocks: &[Some((State, &own))],
        commands: &[&route],
        seen: [OK, DROP, DROP],
    }
    .holds();
}

/// What is seen of app1 by each of its addresses, and straight at the app's container.
fn assert_ours(what: &str, proxy: [(&str, Seen); 3]) {
    let mut expected = Vec::new();
    for (address, seen) in proxy {
        let url = format!("http://{address}/polls/");
        if seen == OK {
            expected.push((Vantage::Itself, url.clone(), OK));
        }
        expected.push((Vantage::Proxy, url.clone(), seen));
        expected.push((Vantage::Neighbour, url.clone(), DROP));
        // Nobody outside has a way to a private address.
        if address != PRIVATE {
            expected.push((Vantage::Stranger, url, DROP));
        }
    }
    let straight = Straight::to("polls-app");
    let url = straight.url("/polls/");
    expected.push((Vantage::Itself, url.clone(), OK));
    expected.push((Vantage::Neighbour, url.clone(), DROP));
    expected.push((Vantage::Stranger, url, DROP));
    assert_seen(&what, &expected);
}

/// Our rules let in the proxy alone, in place of what an operator had from a tutorial.
pub fn ours() {
    converged();
    rules_by_hand(&block(Flags, &RFC1918), &[]);
    let neighbour = (Vantage::Neighbour, format!("http://{PRIVATE}/polls/"), OK);
    assert_seen(&"the tutorial's block", &[neighbour]);

    let file = site::file();
    let step = [
        "step",
        "firewall",
        file.to_str().unwrap(),
        "--yes",
        "--json",
    ];
    let made = succeeds(&step);
    assert!(made.summary()["changed"].as_u64() > Some(0), "{made}");
    let again = succeeds(&step);
    assert_eq!(again.summary()["changed"], 0, "{again}");
    let blocks = "grep -c '^# BEGIN UFW AND DOCKER$' /etc/ufw/after.rules";
    assert_eq!(console(SERVER, blocks), "1\n", "in place of the old one");
    let open = [(PUBLIC, OK), (SIX, OK), (PRIVATE, DROP)];
    assert_ours("the firewall step", open.clone());

    // A whole run leaves it so, and so do those who load the rules anew.
    run_with(&file).proven();
    for by_hand in [
        "ufw reload",
        "systemctl restart docker",
        "ufw --force disable && ufw --force enable",
    ] {
        console(SERVER, &format!("{by_hand} >/dev/null"));
        app_is_back();
        assert_ours(by_hand, open.clone());
    }

    // On a private network the app listens there alone, and the proxy comes by its own address.
    let private = Variant::new(|site| {
        for (host, number) in crate::servers::HOSTS.iter().zip(11..) {
            let address = format!("10.20.0.{number}");
            set(site, &["hosts", host, "private"], address);
        }
    });
    run_with(&private.file()).proven();
    assert_ours(
        "on a private network",
        [(PUBLIC, DROP), (SIX, DROP), (PRIVATE, OK)],
    );
    let file = private.file();
    provision(&["verify", file.to_str().unwrap(), "--json"]).proven();
    converged();
}

/// Waits until the app answers on its server.
fn app_is_back() {
    let ask = format!(
        "curl -sf --max-time 2 -o /dev/null -H 'Host: {DOMAIN}' -H 'X-Forwarded-Proto: https' \
         http://{PUBLIC}/polls/"
    );
    console(
        SERVER,
        &format!("for _ in $(seq 600); do {ask} && exit; sleep 0.2; done; exit 1"),
    );
}
