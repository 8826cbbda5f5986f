//! ufw's settings: `KEY=value` a line in ufw.conf and /etc/default/ufw.
//!
//! Two programs read them, each in its own way: ufw(8) takes values in any case, and the script
//! that loads the rules (`ufw-init-functions`) is a shell's and compares words. A setting that
//! only one of them understands doesn't hold.

/// What becomes of incoming connections that no rule names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Nobody is told.
    Dropped,
    /// Whoever asks is told.
    Rejected,
    /// They are let in; or the setting is none that ufw can load rules under.
    LetIn,
}

/// The settings that decide whether rules hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// ufw is on.
    pub on: bool,
    /// It has rules for IPv6. Without, it accepts IPv6 on loopback alone.
    pub ipv6: bool,
    /// It flushes the kernel's own chains whenever it loads its rules.
    pub manages_builtins: bool,
    /// Its default policy for what comes in.
    pub incoming: Incoming,
    ipv6_as_written: Option<String>,
}

impl Settings {
    /// Reads them from the texts of ufw.conf and /etc/default/ufw.
    pub fn of(conf: &str, defaults: &str) -> Self {
        let ipv6 = setting(defaults, "IPV6");
        Self {
            on: is_on(conf),
            ipv6: is_yes(ipv6),
            manages_builtins: setting(defaults, "MANAGE_BUILTINS") == Some("yes"),
            incoming: match setting(defaults, "DEFAULT_INPUT_POLICY") {
                Some("DROP") => Incoming::Dropped,
                Some("REJECT") => Incoming::Rejected,
                _ => Incoming::LetIn,
            },
            ipv6_as_written: ipv6.map(str::to_owned),
        }
    }

    /// The setting of IPv6 as it is written: "IPV6=no".
    pub fn ipv6_told(&self) -> String {
        match &self.ipv6_as_written {
            Some(value) => format!("IPV6={value}"),
            None => "no IPV6=yes".to_owned(),
        }
    }
}

/// Whether ufw.conf says that ufw is on.
pub(in crate::resource) fn is_on(conf: &str) -> bool {
    is_yes(setting(conf, "ENABLED"))
}

/// The two spellings that the script which loads the rules knows.
fn is_yes(value: Option<&str>) -> bool {
    matches!(value, Some("yes" | "YES"))
}

/// A setting of a shell-like file; the last one counts.
fn setting<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.trim().split_once('='))
        .filter(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim().trim_matches(['"', '\'']))
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_setting_counts_without_its_quotes() {
        assert_eq!(setting("A=\"x\"\nA='y'\n# A=z\n", "A"), Some("y"));
        assert_eq!(setting("AB=x\n", "A"), None);
    }

    #[test]
    fn ufw_is_on_in_the_spellings_that_load_its_rules() {
        for (value, on) in [("yes", true), ("YES", true), ("Yes", false), ("no", false)] {
            assert_eq!(is_on(&format!("ENABLED={value}\n")), on, "{value}");
        }
        assert!(!is_on(""));
    }

    #[test]
    fn ipv6_is_held_only_where_the_setting_says_so() {
        for (defaults, held, told) in [
            ("IPV6=yes\n", true, "IPV6=yes"),
            ("IPV6=\"YES\"\n", true, "IPV6=YES"),
            ("IPV6=no\n", false, "IPV6=no"),
            ("IPV6=NO\n", false, "IPV6=NO"),
            ("IPV6=\n", false, "IPV6="),
            ("", false, "no IPV6=yes"),
        ] {
            let settings = Settings::of("", defaults);
            assert_eq!((settings.ipv6, settings.ipv6_told().as_str()), (held, told));
        }
    }

    #[test]
    fn what_ufw_can_load_no_rules_under_lets_in() {
        for (value, incoming) in [
            ("\"DROP\"", Incoming::Dropped),
            ("REJECT", Incoming::Rejected),
            ("ACCEPT", Incoming::LetIn),
            ("drop", Incoming::LetIn),
            ("", Incoming::LetIn),
        ] {
            let settings = Settings::of("", &format!("DEFAULT_INPUT_POLICY={value}\n"));
            assert_eq!(settings.incoming, incoming, "{value}");
        }
        assert_eq!(Settings::of("", "").incoming, Incoming::LetIn);
    }
}
