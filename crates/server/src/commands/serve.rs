//! `agent-server serve`: the server itself.

use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tracing::info;
use tracing::warn;

use crate::app::App;
use crate::code::Builder;
use crate::commands::Failure;
use crate::commands::logging;
use crate::config::Config;
use crate::config::Environment;
use crate::config::Mode;
use crate::db::FileLock;
use crate::db::migrate::check_head;
use crate::http::listen;
use crate::http::observe;
use crate::router;
use crate::workers;

pub const HELP: &str = "\
The database must be migrated (`agent-server migrate up`), and the keys be there
(`agent-server setup-auth`). SIGTERM and Ctrl-C stop the server in order; a second
one at once.

Examples:
  agent-server serve
  PORT=8080 DATABASE_URL=postgresql://user:password@host/agents agent-server serve";

/// How often what was measured is summed up, so that it does not grow while nobody asks for it.
const SUM_UP_EVERY: Duration = Duration::from_secs(5);

/// Starts the server by the settings, and serves until a signal says to stop.
pub async fn run(env: &Environment, server: Builder) -> Result<(), Failure> {
    let config = Config::load(|name| env.get(name))?;
    logging::start(&config.log);
    if config.has_unused_jwt_secret {
        info!("MASTRA_JWT_SECRET is set and not used: nothing here is signed with a shared secret");
    }
    if config.mode == Mode::Production && config.models.default.starts_with("demo/") {
        warn!(
            "agents that name no model get `{}`, which only repeats what it is told: set AGENT_SERVER_DEFAULT_MODEL",
            config.models.default
        );
    }
    server.start(config).await?.serve().await
}

impl App {
    /// Serves until a signal says to stop. The database must be migrated, and no other server have it.
    pub async fn serve(self) -> Result<(), Failure> {
        serve(self, || {}).await
    }
}

/// Serves `app` until a signal says to stop. It refuses a database that is not migrated, or that
/// another server has.
pub async fn serve(app: App, when_listening: impl FnOnce()) -> Result<(), Failure> {
    let _lock = FileLock::for_server(&app.config.database)?;
    check_head(&app.db).await?;
    let listener = bind(&app.config.host, app.config.port).await?;
    let metrics = match app.config.metrics_address {
        Some(address) => Some(bind(&address.ip().to_string(), address.port()).await?),
        None => None,
    };
    measure(&app);
    workers::start(&app).await?;
    let routes = router::router(&app)?;
    info!("listening on http://{}, known as {}", listener.local_addr()?, app.config.issuer);
    when_listening();
    let door = listen::listen(listener, routes, &app.tasks);
    let side_door = async {
        match metrics {
            Some(listener) => listen::listen(listener, router::metrics(&app), &app.tasks).await,
            None => pending().await,
        }
    };
    let stop = stop_signal()?;
    tokio::select! {
        () = door => {}
        () = side_door => {}
        () = stop => {}
    }
    shut_down(&app).await
}

async fn bind(host: &str, port: u16) -> Result<TcpListener, Failure> {
    TcpListener::bind((host, port)).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {port} of {host} is in use; set PORT to another").into()
        }
        io::ErrorKind::PermissionDenied => {
            format!("port {port} needs a permission that this process lacks; set PORT to another")
                .into()
        }
        _ => Failure::from(format!("cannot listen on {host}, port {port}: {error}")),
    })
}

/// Collects measurements as long as the server runs.
fn measure(app: &App) {
    let Some(recorder) = observe::recorder() else { return };
    let stopping = app.tasks.stopping().clone();
    app.tasks.spawn(async move {
        let mut beat = tokio::time::interval(SUM_UP_EVERY);
        while stopping.run_until_cancelled(beat.tick()).await.is_some() {
            recorder.run_upkeep();
        }
    });
}

/// Ends with the first signal that asks the server to stop.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Takes nothing new, waits for what has begun, and closes the database. A second signal cuts it short.
async fn shut_down(app: &App) -> Result<(), Failure> {
    let grace = app.config.limits.shutdown_grace;
    info!("stopping, within {} s", grace.as_secs());
    let in_order = async {
        workers::stop(app).await;
        app.db.close().await;
    };
    tokio::select! {
        () = in_order => info!("stopped"),
        () = stop_signal()? => warn!("stopped at once"),
    }
    Ok(())
}
