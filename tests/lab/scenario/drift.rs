//! One thing is changed by hand: `plan` shows exactly that, `run` mends exactly that.

use crate::outside::{PROXY, page};
use crate::scenario::fresh;
use crate::servers::{assert_untouched, console, converged, fingerprints, plan, run};

/// Something changed by hand, and what the program makes of it.
struct Drift<'a> {
    host: &'a str,
    /// What is done on its console.
    by_hand: &'a str,
    /// What `plan` shows.
    shown: &'a [&'a str],
    /// What `run` changes: that, and what must follow.
    mended: &'a [&'a str],
}

impl Drift<'_> {
    fn holds(self) {
        converged();
        console(self.host, self.by_hand);
        let before = fingerprints();
        let planned = plan();
        assert_eq!(planned.differing(), self.shown, "{planned}");
        assert_eq!(planned.summary()["changed"], self.shown.len(), "{planned}");
        assert_untouched(&before, &fingerprints(), "plan");

        let mended = run().proven();
        assert_eq!(mended.changed(), self.mended, "{mended}");
        let after = plan();
        assert_eq!(after.differing(), [""; 0], "{after}");
        let page = page(PROXY[0]);
        assert_eq!((page.exit, page.status), (0, 200), "{page:?}");
        fresh::app_servers_answer_to_the_proxy_alone();
    }
}

pub fn flushed_chain() {
    Drift {
        host: "app1",
        by_hand: "iptables -F DOCKER-USER",
        shown: &["app1 firewall live rules for Docker's ports"],
        mended: &["app1 firewall live rules for Docker's ports"],
    }
    .holds();
}

pub fn edited_nginx() {
    Drift {
        host: "proxy",
        by_hand: "echo '# by hand' >>/srv/polls/proxy/conf.d/site.conf",
        shown: &["proxy proxy file /srv/polls/proxy/conf.d/site.conf"],
        mended: &[
            "proxy proxy file /srv/polls/proxy/conf.d/site.conf",
            "proxy proxy reload nginx",
        ],
    }
    .holds();
}

pub fn stopped_container() {
    Drift {
        host: "app2",
        by_hand: "docker stop polls-app",
        shown: &["app2 app container polls-app"],
        mended: &["app2 app container polls-app"],
    }
    .holds();
}

pub fn loosened_mode() {
    Drift {
        host: "app1",
        by_hand: "chmod 644 /srv/polls/app/app.env",
        shown: &["app1 app file /srv/polls/app/app.env"],
        mended: &["app1 app file /srv/polls/app/app.env"],
    }
    .holds();
}

pub fn deleted_route() {
    Drift {
        host: "app2",
        by_hand: "ufw route delete allow proto tcp from 198.51.100.13 to any port 8000",
        // In ufw's configuration and in the kernel; ufw puts both right at once.
        shown: &[
            "app2 firewall live rules for Docker's ports",
            "app2 firewall ufw route rules of provision polls",
        ],
        mended: &["app2 firewall ufw route rules of provision polls"],
    }
    .holds();
}
