//! Blocks in rules files as they occur: where they stand, what takes their place, and that the
//! file comes back as it was.

mod edit;
mod locate;

/// The rules file that Debian's ufw installs, in short.
const STOCK: &str = "\
# rules.input-after
*filter
:ufw-after-input - [0:0]
:ufw-after-output - [0:0]
:ufw-after-forward - [0:0]
-A ufw-after-input -p udp --dport 137 -j ufw-skip-to-policy-input
COMMIT
";

/// The tutorials' block, without its marks.
const TABLE: &str = "\
*filter
:ufw-user-forward - [0:0]
:DOCKER-USER - [0:0]
-A DOCKER-USER -j RETURN -s 10.0.0.0/8

-A DOCKER-USER -j ufw-user-forward
-A DOCKER-USER -j DROP -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -d 10.0.0.0/8
-A DOCKER-USER -j RETURN
COMMIT
";

/// Somebody's own rules, of another table.
const OWN: &str = "\
# mine
*nat
-A POSTROUTING -s 10.8.0.0/24 -o eth0 -j MASQUERADE
COMMIT
";

fn marked(table: &str) -> String {
    format!("# BEGIN UFW AND DOCKER\n{table}# END UFW AND DOCKER\n")
}
