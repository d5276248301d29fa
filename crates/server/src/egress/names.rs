//! How a name becomes the addresses that are connected to: once, and only those that may be.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::Addrs;
use reqwest::dns::Name;
use reqwest::dns::Resolve;
use reqwest::dns::Resolving;

use super::allow::Allow;
use super::allow::Refusal;

/// Who knows the addresses of names.
#[derive(Clone, Default)]
pub enum Names {
    /// The resolver of the machine.
    #[default]
    System,
    /// A function that does; for tests.
    Told(Arc<Tell>),
}

/// Tells the addresses of a name.
pub type Tell = dyn Fn(&str) -> Vec<IpAddr> + Send + Sync;

/// Resolves for connections that may only lead to public addresses. The client connects to what
/// comes out and asks nobody a second time, so that a name cannot change its meaning in between.
#[derive(Debug)]
pub struct Guarded {
    pub names: Names,
    pub allow: Allow,
}

impl Names {
    async fn look_up(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::System => Ok(tokio::net::lookup_host((name, 0)).await?.collect()),
            Self::Told(tell) => Ok(tell(name).into_iter().map(|it| (it, 0).into()).collect()),
        }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, allow) = (self.names.clone(), self.allow.clone());
        Box::pin(async move {
            let found = names.look_up(name.as_str()).await?;
            // One address that is not public makes the whole name suspect.
            if found.iter().any(|it| !allow.is_reachable(it.ip())) {
                return Err(Refusal::NotPublic.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The same without a guard, for hosts that the operator named.
impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.clone();
        Box::pin(
            async move { Ok(Box::new(names.look_up(name.as_str()).await?.into_iter()) as Addrs) },
        )
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Told(_) => "Told",
        })
    }
}
