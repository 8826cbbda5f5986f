//! A name's addresses as DNS tells them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::time::timeout;

/// Why a name has no addresses for us.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The name does not exist (NXDOMAIN): there is no record of any kind.
    #[error("{name} does not exist in DNS; add an A record for it")]
    NoSuchName {
        /// The name.
        name: String,
    },
    /// The name exists, without an A or AAAA record.
    #[error("{name} has no address in DNS; add an A record for it")]
    NoAddress {
        /// The name.
        name: String,
    },
    /// The resolver gave no answer: nothing is known of the name.
    #[error("the DNS resolver gave no answer about {name}; try again, or name another resolver")]
    TimedOut {
        /// The name.
        name: String,
    },
    /// The resolver answered with an error, or not in DNS.
    #[error("the DNS resolver failed on {name}")]
    Failed {
        /// The name.
        name: String,
        /// What it said.
        #[source]
        source: Box<NetError>,
    },
    /// This is no name that DNS could hold.
    #[error("{name:?} is not a DNS name")]
    Malformed {
        /// What was asked for.
        name: String,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// This machine's resolver configuration can't be used.
    #[error("this machine's resolver configuration can't be used; name a resolver instead")]
    System {
        /// What is wrong.
        #[source]
        source: Box<NetError>,
    },
}

/// All IPv4 and IPv6 addresses of a name, sorted, from `resolver` or from the ones this
/// machine is set up with. No hosts file and no search domain is consulted, since the world
/// doesn't have them. Within `limit` each question is asked twice; 6 s is a patient one.
///
/// # Errors
/// If either question, A or AAAA, remains without a clear answer, or both have none.
pub async fn lookup(
    name: &str,
    resolver: Option<SocketAddr>,
    limit: Duration,
) -> Result<Vec<IpAddr>, LookupError> {
    let mut asked = Name::from_ascii(name).map_err(|source| LookupError::Malformed {
        name: name.to_owned(),
        source: source.into(),
    })?;
    asked.set_fqdn(true);
    let resolver = connect(resolver, limit).map_err(|source| LookupError::System {
        source: Box::new(source),
    })?;
    let both = async {
        tokio::join!(
            ask(&resolver, &asked, RecordType::A),
            ask(&resolver, &asked, RecordType::AAAA),
        )
    };
    // The resolver's own limits are per question, server and transport, and add up.
    let (v4, v6) = timeout(limit, both)
        .await
        .map_err(|_| LookupError::TimedOut {
            name: name.to_owned(),
        })?;
    let explain = |error| explain(name, error);
    let (v4, v6) = (v4.map_err(explain)?, v6.map_err(explain)?);
    match (v4, v6) {
        (Found::NoSuchName, Found::NoSuchName) => Err(LookupError::NoSuchName {
            name: name.to_owned(),
        }),
        (v4, v6) => {
            let mut all = [v4.addresses(), v6.addresses()].concat();
            all.sort_unstable();
            all.dedup();
            if all.is_empty() {
                return Err(LookupError::NoAddress {
                    name: name.to_owned(),
                });
            }
            Ok(all)
        }
    }
}

/// Whom a name's CAA records let issue a certificate for it, by the domain names that they are
/// known by; `None` if there is no such record, so that everybody may. The records of the nearest
/// name count that has some, going up (RFC 8659, section 3). All together takes `limit` at most.
///
/// # Errors
/// If a question remains without a clear answer.
pub async fn issuers(
    name: &str,
    resolver: Option<SocketAddr>,
    limit: Duration,
) -> Result<Option<Vec<String>>, LookupError> {
    let mut asked = Name::from_ascii(name).map_err(|source| LookupError::Malformed {
        name: name.to_owned(),
        source: source.into(),
    })?;
    asked.set_fqdn(true);
    let resolver = connect(resolver, limit).map_err(|source| LookupError::System {
        source: Box::new(source),
    })?;
    let climb = async {
        while !asked.is_root() {
            let found = permitted(&resolver, &asked).await?;
            if found.is_some() {
                return Ok(found);
            }
            asked = asked.base_name();
        }
        Ok(None)
    };
    match timeout(limit, climb).await {
        Ok(found) => found
            .map(Option::flatten)
            .map_err(|error| explain(name, error)),
        Err(_) => Err(LookupError::TimedOut {
            name: name.to_owned(),
        }),
    }
}

/// What the CAA records of just this name say; the inner `None`: nothing about plain names.
async fn permitted(
    resolver: &TokioResolver,
    name: &Name,
) -> Result<Option<Option<Vec<String>>>, NetError> {
    let answer = match resolver.lookup(name.clone(), RecordType::CAA).await {
        Ok(answer) => answer,
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            return match none.response_code {
                ResponseCode::NXDomain | ResponseCode::NoError => Ok(None),
                code => Err(NetError::Dns(DnsError::ResponseCode(code))),
            };
        }
        Err(error) => return Err(error),
    };
    let records = answer.answers().iter();
    let mut records = records.filter_map(|record| match &record.data {
        RData::CAA(caa) => Some(caa),
        _ => None,
    });
    let Some(first) = records.next() else {
        return Ok(None);
    };
    let issue = std::iter::once(first)
        .chain(records)
        .filter(|caa| caa.tag.eq_ignore_ascii_case("issue"));
    let issuers: Vec<String> = issue
        .map(|caa| {
            let value = String::from_utf8_lossy(&caa.value).to_lowercase();
            // Parameters follow a semicolon; nothing before it means nobody.
            value
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned()
        })
        .collect();
    Ok(Some((!issuers.is_empty()).then_some(issuers)))
}

/// A clear answer to one question.
enum Found {
    Addresses(Vec<IpAddr>),
    NoSuchName,
}

impl Found {
    fn addresses(self) -> Vec<IpAddr> {
        match self {
            Self::Addresses(all) => all,
            Self::NoSuchName => Vec::new(),
        }
    }
}

fn connect(resolver: Option<SocketAddr>, limit: Duration) -> Result<TokioResolver, NetError> {
    let mut builder = match resolver {
        None => TokioResolver::builder_tokio()?,
        Some(address) => {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            for connection in &mut server.connections {
                connection.port = address.port();
            }
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = 0;
    options.timeout = limit / 2;
    options.attempts = 1;
    builder.build()
}

async fn ask(resolver: &TokioResolver, name: &Name, kind: RecordType) -> Result<Found, NetError> {
    match resolver.lookup(name.clone(), kind).await {
        Ok(answer) => Ok(Found::Addresses(
            answer
                .answers()
                .iter()
                .filter_map(|record| match &record.data {
                    RData::A(address) => Some(IpAddr::V4(address.0)),
                    RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                    _ => None,
                })
                .collect(),
        )),
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => match none.response_code {
            ResponseCode::NXDomain => Ok(Found::NoSuchName),
            ResponseCode::NoError => Ok(Found::Addresses(Vec::new())),
            code => Err(NetError::Dns(DnsError::ResponseCode(code))),
        },
        Err(error) => Err(error),
    }
}

fn explain(name: &str, error: NetError) -> LookupError {
    let name = name.to_owned();
    match error {
        NetError::Timeout => LookupError::TimedOut { name },
        NetError::Io(io) if io.kind() == std::io::ErrorKind::TimedOut => {
            LookupError::TimedOut { name }
        }
        other => LookupError::Failed {
            name,
            source: Box::new(other),
        },
    }
}
