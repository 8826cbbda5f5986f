//! Options by keyword, as they were set, and what kind of value each takes.

use std::collections::BTreeMap;

use super::hop::{hops, number};
use super::line::{Line, seconds};

/// What kind of value an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One word.
    Text,
    /// `yes`, `no`, `true`, `false`.
    Flag,
    /// One word of a set.
    OneOf(&'static [&'static str]),
    /// A time (sshd_config(5), TIME FORMATS), or `none`.
    Time,
    /// A number.
    Count,
    /// 1 to 65535.
    Port,
    /// Words; the first line that has the option counts.
    Words,
    /// A word; all lines count.
    Each,
    /// Everything up to the end of the line.
    Command,
    /// ProxyJump.
    Jump,
    /// Known to ssh, and of no concern here.
    Other,
}

const STRICT: &[&str] = &["yes", "true", "no", "false", "ask", "off", "accept-new"];
const PUBKEY: &[&str] = &["yes", "true", "no", "false", "unbound", "host-bound"];
const DNS: &[&str] = &["yes", "true", "no", "false", "ask"];
const CANONICALIZE: &[&str] = &["yes", "true", "no", "false", "always"];

/// The options that are used here or warned of. Those that are other names of one come right
/// after it.
const USED: &[(&str, Kind)] = &[
    ("addressfamily", Kind::OneOf(&["any", "inet", "inet6"])),
    ("batchmode", Kind::Flag),
    ("bindaddress", Kind::Text),
    ("bindinterface", Kind::Text),
    ("canonicalizehostname", Kind::OneOf(CANONICALIZE)),
    ("certificatefile", Kind::Each),
    ("connecttimeout", Kind::Time),
    ("globalknownhostsfile", Kind::Words),
    ("hostkeyalgorithms", Kind::Text),
    ("hostkeyalias", Kind::Text),
    ("hostname", Kind::Text),
    ("identitiesonly", Kind::Flag),
    ("identityagent", Kind::Text),
    ("identityfile", Kind::Each),
    ("ignoreunknown", Kind::Each),
    ("kbdinteractiveauthentication", Kind::Flag),
    ("knownhostscommand", Kind::Command),
    ("passwordauthentication", Kind::Flag),
    ("pkcs11provider", Kind::Text),
    ("port", Kind::Port),
    ("preferredauthentications", Kind::Text),
    ("proxycommand", Kind::Command),
    ("proxyjump", Kind::Jump),
    ("proxyusefdpass", Kind::Flag),
    ("pubkeyauthentication", Kind::OneOf(PUBKEY)),
    ("revokedhostkeys", Kind::Words),
    ("serveralivecountmax", Kind::Count),
    ("serveraliveinterval", Kind::Time),
    ("stricthostkeychecking", Kind::OneOf(STRICT)),
    ("tag", Kind::Text),
    ("user", Kind::Text),
    ("userknownhostsfile", Kind::Words),
    ("verifyhostkeydns", Kind::OneOf(DNS)),
];

/// Other names of options, most of them from old times.
const ALIASES: &[(&str, &str)] = &[
    (
        "challengeresponseauthentication",
        "kbdinteractiveauthentication",
    ),
    ("dsaauthentication", "pubkeyauthentication"),
    ("identityfile2", "identityfile"),
    ("skeyauthentication", "kbdinteractiveauthentication"),
    ("smartcarddevice", "pkcs11provider"),
    ("tisauthentication", "kbdinteractiveauthentication"),
];

/// What else some ssh knows, so that nobody is told of it.
const OTHER: &str = "addkeystoagent afstokenpassing canonicaldomains canonicalizefallbacklocal \
    canonicalizemaxdots canonicalizepermittedcnames casignaturealgorithms channeltimeout \
    checkhostip cipher ciphers clearallforwardings compression compressionlevel \
    connectionattempts controlmaster controlpath controlpersist dynamicforward \
    enableescapecommandline enablesshkeysign escapechar exitonforwardfailure fallbacktorsh \
    fingerprinthash forkafterauthentication forwardagent forwardx11 forwardx11timeout \
    forwardx11trusted gatewayports globalknownhostsfile2 gssapiauthentication \
    gssapiclientidentity gssapidelegatecredentials gssapikexalgorithms gssapikeyexchange \
    gssapirenewalforcesrekey gssapiserveridentity gssapitrustdns hashknownhosts \
    hostbasedacceptedalgorithms hostbasedauthentication hostbasedkeytypes ipqos \
    kbdinteractivedevices keepalive kerberosauthentication kerberostgtpassing kexalgorithms \
    localcommand localforward loglevel logverbose macs nohostauthenticationforlocalhost \
    numberofpasswordprompts obscurekeystroketiming permitlocalcommand permitremoteopen protocol \
    pubkeyacceptedalgorithms pubkeyacceptedkeytypes refuseconnection rekeylimit remotecommand \
    remoteforward requesttty requiredrsasize rhostsauthentication rhostsrsaauthentication \
    rsaauthentication securitykeyprovider sendenv sessiontype setenv stdinnull \
    streamlocalbindmask streamlocalbindunlink syslogfacility tcpkeepalive tunnel tunneldevice \
    updatehostkeys useprivilegedport userknownhostsfile2 useroaming usersh versionaddendum \
    visualhostkey warnweakcrypto xauthlocation";

/// The option's own name and its kind; `None` if ssh has no such option.
pub(super) fn option(keyword: &str) -> Option<(&'static str, Kind)> {
    let name = ALIASES
        .iter()
        .find(|(alias, _)| *alias == keyword)
        .map_or(keyword, |(_, name)| name);
    let used = USED.iter().find(|(used, _)| *used == name).copied();
    used.or_else(|| {
        let other = OTHER.split(' ').find(|other| *other == name)?;
        Some((other, Kind::Other))
    })
}

/// Options as they were set. Of most, the first value counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Values(BTreeMap<String, Vec<String>>);

impl Values {
    /// The value, or the first of several.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.all(name).first().map(String::as_str)
    }

    /// All values.
    pub(super) fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether a flag is on.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.first(name).map_or(default, |value| {
            !matches!(value.to_ascii_lowercase().as_str(), "no" | "false")
        })
    }

    /// Sets an option, unless it is set.
    pub(super) fn offer(&mut self, name: &str, values: Vec<String>) {
        self.0.entry(name.to_owned()).or_insert(values);
    }

    /// Adds a value, unless it is there.
    pub(super) fn add(&mut self, name: &str, value: String) {
        let values = self.0.entry(name.to_owned()).or_default();
        if !values.contains(&value) {
            values.push(value);
        }
    }

    /// Sets an option, whatever it was.
    pub(super) fn set(&mut self, name: &str, values: Vec<String>) {
        self.0.insert(name.to_owned(), values);
    }

    /// Takes in an option of a line. Its value is checked even where the line's block isn't
    /// `active`, as ssh does.
    ///
    /// # Errors
    /// What is wrong with the value.
    pub(super) fn take(
        &mut self,
        name: &'static str,
        kind: Kind,
        line: &Line<'_>,
        active: bool,
    ) -> Result<(), String> {
        let words = line
            .words()
            .ok_or_else(|| "a quote isn't closed".to_owned())?;
        let values = match kind {
            Kind::Other => return Ok(()),
            Kind::Command => vec![line.command().to_owned()],
            Kind::Jump => {
                let text = line.command();
                let text = text.split('#').next().unwrap_or_default().trim_end();
                if !text.eq_ignore_ascii_case("none") {
                    hops(text).map_err(|error| format!("ProxyJump: {error}"))?;
                    // The first of the two that is set makes the other ineffective.
                    if self.first("proxycommand").is_some() {
                        return Ok(());
                    }
                    if active && self.first("proxyjump").is_none() {
                        self.offer("proxycommand", vec!["none".to_owned()]);
                    }
                }
                vec![text.to_owned()]
            }
            Kind::Words => {
                let none = |word: &String| word.eq_ignore_ascii_case("none");
                if words.len() > 1 && words.iter().any(none) {
                    return Err(format!("`none` has to stand alone after {name}"));
                }
                if words.iter().any(String::is_empty) {
                    return Err(format!("an empty name after {name}"));
                }
                if words.is_empty() {
                    return Ok(());
                }
                words
            }
            _ => vec![single(name, kind, words)?],
        };
        match kind {
            _ if !active => {}
            // As with ssh, a later line may still set it.
            Kind::Time if values == ["none"] => {}
            Kind::Each => values.into_iter().for_each(|value| self.add(name, value)),
            _ => self.offer(name, values),
        }
        Ok(())
    }
}

/// The one word of most options.
fn single(name: &str, kind: Kind, mut words: Vec<String>) -> Result<String, String> {
    if words.len() > 1 {
        return Err(format!("too many words after {name}"));
    }
    let word = words.pop().filter(|word| !word.is_empty());
    let word = word.ok_or_else(|| format!("nothing after {name}"))?;
    let lower = word.to_ascii_lowercase();
    let good = match kind {
        Kind::Flag => ["yes", "no", "true", "false"].contains(&lower.as_str()),
        Kind::OneOf(set) => set.contains(&lower.as_str()),
        Kind::Time => word == "none" || seconds(&word).is_some(),
        Kind::Count => word.parse::<i32>().is_ok(),
        Kind::Port => number(&word).is_some(),
        _ if name == "identityagent" => agent(&word),
        _ => true,
    };
    if !good {
        return Err(format!("{name} can't be {word:?}"));
    }
    Ok(word)
}

/// Whether an IdentityAgent that begins with `$` names a variable.
fn agent(word: &str) -> bool {
    match word.strip_prefix('$') {
        Some(name) if !name.starts_with('{') => variable(name),
        _ => true,
    }
}

/// Whether a variable may be called so (POSIX, "Name").
fn variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_by_every_name_they_have() {
        assert_eq!(option("port"), Some(("port", Kind::Port)));
        assert_eq!(
            option("challengeresponseauthentication"),
            Some(("kbdinteractiveauthentication", Kind::Flag))
        );
        assert_eq!(option("ciphers"), Some(("ciphers", Kind::Other)));
        assert_eq!(option("usekeychain"), None);
        assert_eq!(option(""), None);
    }
}
