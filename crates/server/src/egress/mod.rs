//! The one client for requests that leave the server.
//!
//! It follows no redirect, takes no proxy from the environment, and works where there are no CA
//! files. Everything that goes out goes through a clone of it.

use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;
use rustls::ClientConfig;
use rustls::RootCertStore;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// Unused connections are kept so long.
const IDLE: Duration = Duration::from_mins(1);

/// Makes the client. Done once, at the start.
pub fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .tls_backend_preconfigured(tls())
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("agent-server/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// The roots of the system or, in an image that has none, those of Mozilla.
fn tls() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let mut tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    tls
}
