//! Writing secrets: all that is wrong is said at once, and then nothing is stored.

use secrecy::ExposeSecret;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tracing::info;

use crate::audit;
use crate::audit::Act;
use crate::audit::Actor;
use crate::db::Conn;
use crate::db::Json;
use crate::db::TenantId;
use crate::definitions::check_name;
use crate::definitions::store as definitions;
use crate::egress::HostPattern;
use crate::egress::Text;
use crate::http::Invalid;
use crate::secrets::Change;
use crate::secrets::MOST;
use crate::secrets::MOST_BYTES;
use crate::secrets::MOST_HOSTS;
use crate::secrets::NewSecret;
use crate::secrets::Secret;
use crate::secrets::SecretError;
use crate::secrets::User;
use crate::secrets::Vault;
use crate::secrets::check_value;
use crate::secrets::place;
use crate::secrets::place_row;
use crate::secrets::references;
use crate::secrets::store;
use crate::secrets::store::Position;
use crate::secrets::store::Row;
use crate::secrets::store::Written;

/// Whether a secret goes although definitions name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    No,
    Yes,
}

impl Vault {
    /// Keeps a new secret.
    pub async fn create(&self, by: Actor<'_>, new: NewSecret) -> Result<Secret, SecretError> {
        refuse(new.faults())?;
        let tenant = by.tenant;
        let value = new.value.expose_secret();
        let (id, hosts) = (self.ids().next(), serde_json::to_string(&new.hosts)?);
        let sealed = self.sealer().seal(value.as_bytes(), place(&place_row(tenant, id, &hosts)))?;
        let written = Written {
            description: &new.description,
            hosts: &hosts,
            value: &sealed,
            bytes: length(value),
            version: 1,
            at: self.clock().now(),
        };
        let made = self.db().write(async |tx| {
            definitions::lock_all(tx, tenant).await?;
            ensure_room(tx, tenant, 1, written.bytes).await?;
            store::insert(tx, tenant, id, &new.name, &written, by.subject).await?;
            let row = found(store::find(tx, tenant, &new.name).await?, &new.name)?;
            self.tell(tx, by, "secret.create", None, Some(&row)).await?;
            Ok::<_, SecretError>(row)
        });
        let row = made.await?;
        info!(secret = new.name, by = by.subject, "a secret was made");
        self.catch_up(tenant).await;
        Ok(self.show(tenant, &row, Vec::new()))
    }

    /// Changes a secret. A value that it has not had before is its next version.
    pub async fn update(
        &self,
        by: Actor<'_>,
        name: &str,
        change: Change,
    ) -> Result<Secret, SecretError> {
        refuse(change.faults())?;
        let tenant = by.tenant;
        let changed = self.db().write(async |tx| {
            definitions::lock_all(tx, tenant).await?;
            let row = found(store::find(tx, tenant, name).await?, name)?;
            self.write(tx, tenant, &row, &change).await?;
            let before = row;
            let row = found(store::find(tx, tenant, name).await?, name)?;
            let users = users(tx, tenant, name).await?;
            self.tell(tx, by, "secret.update", Some(&before), Some(&row)).await?;
            Ok::<_, SecretError>((row, users))
        });
        let (row, users) = changed.await?;
        info!(secret = row.name, version = row.version, by = by.subject, "a secret was changed");
        self.catch_up(tenant).await;
        Ok(self.show(tenant, &row, users))
    }

    /// Deletes a secret that nothing names, or any by force.
    pub async fn delete(&self, by: Actor<'_>, name: &str, force: Force) -> Result<(), SecretError> {
        let tenant = by.tenant;
        let deleted = self.db().write(async |tx| {
            definitions::lock_all(tx, tenant).await?;
            let row = found(store::find(tx, tenant, name).await?, name)?;
            let users = users(tx, tenant, name).await?;
            if force == Force::No && !users.is_empty() {
                return Err(SecretError::InUse(users));
            }
            store::delete(tx, tenant, row.id).await?;
            Ok(self.tell(tx, by, "secret.delete", Some(&row), None).await?)
        });
        deleted.await?;
        info!(secret = name, by = by.subject, "a secret was deleted");
        self.catch_up(tenant).await;
        Ok(())
    }

    pub async fn find(&self, tenant: &TenantId, name: &str) -> Result<Secret, SecretError> {
        let read = self.db().read(async |conn| {
            let row = found(store::find(conn, tenant, name).await?, name)?;
            Ok::<_, SecretError>((row, users(conn, tenant, name).await?))
        });
        let (row, users) = read.await?;
        Ok(self.show(tenant, &row, users))
    }

    /// The newest first, at most `limit` of those after `after`.
    pub async fn list(
        &self,
        tenant: &TenantId,
        after: Option<Position>,
        limit: i64,
    ) -> Result<Vec<Secret>, SecretError> {
        let read = self.db().read(async |conn| {
            let rows = store::list(conn, tenant, after, limit).await?;
            Ok::<_, SecretError>((rows, Definitions::read(conn, tenant).await?))
        });
        let (rows, definitions) = read.await?;
        let show = |row: &Row| self.show(tenant, row, definitions.users_of(&row.name));
        Ok(rows.iter().map(show).collect())
    }

    /// Tells the audit trail what a secret was and is, but for its value.
    async fn tell(
        &self,
        tx: &mut Conn<'_>,
        by: Actor<'_>,
        action: &str,
        before: Option<&Row>,
        after: Option<&Row>,
    ) -> Result<(), sqlx::Error> {
        let name = before.or(after).map_or("", |row| &row.name);
        let act = Act::between(action, name, before.map(told), after.map(told));
        audit::record(tx, by, act, self.clock().now()).await
    }

    async fn write(
        &self,
        tx: &mut Conn<'_>,
        tenant: &TenantId,
        row: &Row,
        change: &Change,
    ) -> Result<(), SecretError> {
        let known = self.open(tenant, row);
        let (value, version) = match (&change.value, &known) {
            (Some(new), Ok(old)) if new.expose_secret() == old.expose_secret() => {
                (old, row.version)
            }
            (Some(new), _) => (new, row.version + 1),
            (None, Ok(old)) => (old, row.version),
            (None, Err(fault)) => return Err(SecretError::Invalid(vec![fault.clone()])),
        };
        let hosts = change.hosts.as_ref().map(serde_json::to_string).transpose()?;
        let hosts = hosts.as_deref().unwrap_or(&row.hosts);
        let value = value.expose_secret();
        let sealed_for = place_row(tenant, row.id, hosts);
        let sealed = self.sealer().seal(value.as_bytes(), place(&sealed_for))?;
        let written = Written {
            description: change.description.as_deref().unwrap_or(&row.description),
            hosts,
            value: &sealed,
            bytes: length(value),
            version,
            at: self.clock().now(),
        };
        store::update(tx, tenant, row.id, &written).await?;
        ensure_room(tx, tenant, 0, 0).await
    }

    fn show(&self, tenant: &TenantId, row: &Row, used_by: Vec<User>) -> Secret {
        let hosts = serde_json::from_str(&row.hosts);
        Secret {
            id: row.id,
            name: row.name.clone(),
            description: row.description.clone(),
            hosts: hosts.unwrap_or_default(),
            version: row.version,
            used_by,
            last_used_at: row.last_used_at.clone().0.ok().flatten(),
            created_at: row.created_at.clone().into(),
            updated_at: row.updated_at.clone().into(),
            problems: self.open(tenant, row).err().into_iter().collect(),
        }
    }
}

fn told(row: &Row) -> Map<String, Value> {
    let hosts: Value = serde_json::from_str(&row.hosts).unwrap_or_default();
    let told = [
        ("description", json!(row.description)),
        ("hosts", hosts),
        ("version", json!(row.version)),
    ];
    told.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

impl NewSecret {
    /// All that keeps it from being kept.
    pub fn faults(&self) -> Vec<Invalid> {
        let value = check_value(self.value.expose_secret());
        let faults = [check_name(&self.name), value, check_hosts(&self.hosts)];
        faults.into_iter().filter_map(Result::err).collect()
    }
}

impl Change {
    /// All that keeps it from being made.
    pub fn faults(&self) -> Vec<Invalid> {
        let value = self.value.as_ref().map_or(Ok(()), |it| check_value(it.expose_secret()));
        let hosts = self.hosts.as_deref().map_or(Ok(()), check_hosts);
        [value, hosts].into_iter().filter_map(Result::err).collect()
    }
}

fn found(row: Option<Row>, name: &str) -> Result<Row, SecretError> {
    row.ok_or_else(|| SecretError::NotFound(name.chars().take(100).collect()))
}

fn refuse(faults: Vec<Invalid>) -> Result<(), SecretError> {
    if faults.is_empty() { Ok(()) } else { Err(SecretError::Invalid(faults)) }
}

fn check_hosts(hosts: &[HostPattern]) -> Result<(), Invalid> {
    match hosts.len() {
        0 => Err(Invalid::new("/hosts", "too_short", "a secret is for one host at least")),
        1..=MOST_HOSTS => Ok(()),
        _ => {
            Err(Invalid::new("/hosts", "too_long", format!("there are at most {MOST_HOSTS} hosts")))
        }
    }
}

/// Whether a tenant may have so many secrets and bytes more than it has.
async fn ensure_room(
    tx: &mut Conn<'_>,
    tenant: &TenantId,
    more: i64,
    more_bytes: i64,
) -> Result<(), SecretError> {
    let (count, bytes) = store::size(tx, tenant).await?;
    if count + more > i64::try_from(MOST).unwrap_or(i64::MAX) {
        let detail = format!("there are {MOST} secrets, and may be no more");
        return Err(SecretError::Invalid(vec![Invalid::new("", "too_many", detail)]));
    }
    if bytes + more_bytes > MOST_BYTES {
        let detail =
            format!("the values of all secrets have more than {MOST_BYTES} bytes together");
        return Err(SecretError::Invalid(vec![Invalid::new("/value", "too_many", detail)]));
    }
    Ok(())
}

fn length(value: &str) -> i64 {
    i64::try_from(value.len()).unwrap_or(i64::MAX)
}

/// The definitions that name a secret.
async fn users(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    name: &str,
) -> Result<Vec<User>, sqlx::Error> {
    Ok(Definitions::read(conn, tenant).await?.users_of(name))
}

/// The definitions that may name secrets.
struct Definitions {
    tools: Vec<(String, Json, Option<String>)>,
    databases: Vec<(String, Json)>,
    upstreams: Vec<(String, Json)>,
    workflows: Vec<(String, Json)>,
}

impl Definitions {
    async fn read(conn: &mut Conn<'_>, tenant: &TenantId) -> Result<Self, sqlx::Error> {
        let tools = store::list_tools(conn, tenant).await?;
        let upstreams = store::list_upstreams(conn, tenant).await?;
        let workflows = store::list_workflows(conn, tenant).await?;
        let databases = store::list_databases(conn, tenant).await?;
        Ok(Self { tools, databases, upstreams, workflows })
    }

    fn users_of(&self, name: &str) -> Vec<User> {
        let is_it = |other: &str| other.eq_ignore_ascii_case(name);
        let names_it = |config: &Json, code: Option<&str>| {
            let config = config.read().unwrap_or_default();
            references(&config).iter().any(|it| is_it(&it.name))
                || Text::scan(code.unwrap_or_default()).secrets().any(is_it)
        };
        let tools = self.tools.iter().filter(|(_, config, code)| names_it(config, code.as_deref()));
        let tools = tools.map(|(tool, ..)| User { kind: "tool", name: tool.clone() });
        let keeps_it = |config: &Json| {
            let config: serde_json::Value = config.read().unwrap_or_default();
            config["secret"].as_str().is_some_and(is_it)
        };
        let databases = self.databases.iter().filter(|(_, config)| keeps_it(config));
        let databases = databases.map(|(it, _)| User { kind: "rag_database", name: it.clone() });
        let upstreams = self.upstreams.iter().filter(|(_, auth)| keeps_it(auth));
        let upstreams = upstreams.map(|(it, _)| User { kind: "mcp_upstream", name: it.clone() });
        let signed_with_it = |triggers: &Json| {
            let triggers: serde_json::Value = triggers.read().unwrap_or_default();
            let named = |it: &serde_json::Value| {
                let members = ["secret", "previous_secret"].map(|member| it[member].as_str());
                members.into_iter().flatten().any(is_it)
            };
            triggers.as_array().is_some_and(|all| all.iter().any(named))
        };
        let workflows = self.workflows.iter().filter(|(_, triggers)| signed_with_it(triggers));
        let workflows = workflows.map(|(it, _)| User { kind: "workflow", name: it.clone() });
        tools.chain(databases).chain(upstreams).chain(workflows).collect()
    }
}
