//! The rules that stand in ufw's own files.
//!
//! `user.rules` holds a line `### tuple ### ACTION PROTO DPORT DST SPORT SRC DIRECTION
//! [comment=HEX]` for each rule (ufw's `backend_iptables.py`, `_write_rules`).

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Path, Rule};
use crate::resource::fact::Family;

/// The simple TCP allow rules of a user.rules file, with their comments.
pub(super) fn tuples(text: &str, family: Family) -> Vec<(Family, Rule, Option<String>)> {
    let any = if family == Family::V6 {
        "::/0"
    } else {
        "0.0.0.0/0"
    };
    text.lines()
        .filter_map(|line| line.strip_prefix("### tuple ### "))
        .filter_map(|tuple| {
            let fields: Vec<&str> = tuple.split(' ').collect();
            let [action, "tcp", port, to, "any", from, "in", rest @ ..] = fields.as_slice() else {
                return None;
            };
            let path = match *action {
                "allow" => Path::Input,
                "route:allow" => Path::Route,
                _ => return None,
            };
            if *to != any {
                return None;
            }
            let from = (*from != any).then(|| canonical(from));
            let comment = rest
                .iter()
                .find_map(|field| field.strip_prefix("comment="))
                .and_then(unhex);
            Some((
                family,
                Rule {
                    path,
                    port: port.parse().ok()?,
                    from,
                },
                comment,
            ))
        })
        .collect()
}

/// One spelling for one address or network.
fn canonical(source: &str) -> String {
    let address = source.parse::<IpAddr>().map(|it| it.to_string());
    let network = || source.parse::<IpNet>().map(|it| it.trunc().to_string());
    address
        .or_else(|_| network())
        .unwrap_or_else(|_| source.to_owned())
}

fn unhex(hex: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "\
*filter
### RULES ###

### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-input -p tcp --dport 22 -j ACCEPT

### tuple ### route:allow tcp 8000 0.0.0.0/0 any 198.51.100.13 in comment=70726f766973696f6e20706f6c6c73
-A ufw-user-forward -p tcp --dport 8000 -s 198.51.100.13 -j ACCEPT

### tuple ### deny tcp 80 0.0.0.0/0 any 0.0.0.0/0 in
";

    #[test]
    fn rules_are_read_from_ufws_own_file_with_their_comments() {
        let found = tuples(RULES, Family::V4);
        assert_eq!(found.len(), 2, "a deny rule lets nothing in");
        assert_eq!(
            found[0].1,
            Rule {
                path: Path::Input,
                port: 22,
                from: None
            }
        );
        let route = Rule {
            path: Path::Route,
            port: 8000,
            from: Some("198.51.100.13".into()),
        };
        assert_eq!(found[1].1, route);
        assert_eq!(found[1].2.as_deref(), Some("provision polls"));
    }
}
