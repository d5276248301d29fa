//! What a definition says of its triggers.

use engine::Missed;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

/// What begins runs of a workflow. `id` is the type if absent, then `type_2`, `type_3` and so on.
///
/// What says what would be so anyway is not kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = WorkflowTrigger)]
pub enum Trigger {
    /// A call of `/hooks/{path}`, by whoever may execute the workflow.
    Api {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        #[schema(max_length = 56, example = "api")]
        id: String,
        #[schema(max_length = 100, example = "analyze")]
        path: String,
        #[serde(default, skip_serializing_if = "is_usual")]
        method: HookMethod,
    },
    /// What another server tells `POST /hooks/{path}`; the body is the input.
    Webhook {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        #[schema(max_length = 56, example = "webhook")]
        id: String,
        #[schema(max_length = 100, example = "payments")]
        path: String,
        /// How it is known who sends it.
        #[serde(default, skip_serializing_if = "is_usual")]
        signature: Signature,
        /// The name of the secret that it is signed with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(max_length = 56)]
        secret: Option<String>,
        /// The name of another that is as good, while the sender changes from one to the other.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(max_length = 56)]
        previous_secret: Option<String>,
    },
    /// A schedule.
    Cron {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        #[schema(max_length = 56, example = "cron")]
        id: String,
        /// Five fields, or one of @hourly, @daily, @weekly, @monthly, @yearly.
        #[schema(max_length = 200, example = "0 9 * * 1-5")]
        cron: String,
        /// A time zone of the IANA database.
        #[serde(default = "utc", skip_serializing_if = "is_utc")]
        #[schema(max_length = 100, example = "Europe/Berlin")]
        timezone: String,
        /// The input of its runs; `{}` if absent.
        #[serde(default = "nothing", skip_serializing_if = "is_nothing")]
        #[schema(value_type = Value, required = false)]
        input: Value,
        /// What happens to occurrences that were missed.
        #[serde(default, skip_serializing_if = "is_usual")]
        missed: Missed,
    },
    /// An event that is brought to `/workflows/events`; its payload is the input.
    Event {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        #[schema(max_length = 56, example = "event")]
        id: String,
        #[schema(min_length = 1, max_length = 200, example = "payment.received")]
        name: String,
        /// Any, if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(max_length = 1000)]
        key: Option<String>,
    },
}

/// The method of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HookMethod {
    Get,
    #[default]
    Post,
    Put,
    Patch,
    Delete,
}

/// How a webhook is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// As Standard Webhooks say: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    #[default]
    Standard,
    /// As GitHub does it: `X-Hub-Signature-256`, `X-GitHub-Delivery`.
    Github,
    /// Not at all: it is open to everybody who knows its path.
    None,
}

impl Trigger {
    pub fn id(&self) -> &str {
        match self {
            Self::Api { id, .. }
            | Self::Webhook { id, .. }
            | Self::Cron { id, .. }
            | Self::Event { id, .. } => id,
        }
    }

    fn id_mut(&mut self) -> &mut String {
        match self {
            Self::Api { id, .. }
            | Self::Webhook { id, .. }
            | Self::Cron { id, .. }
            | Self::Event { id, .. } => id,
        }
    }

    /// Its type, by the name on the wire.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Api { .. } => "api",
            Self::Webhook { .. } => "webhook",
            Self::Cron { .. } => "cron",
            Self::Event { .. } => "event",
        }
    }

    /// The path below `/hooks/` and the method, if it has them.
    pub fn route(&self) -> Option<(&str, HookMethod)> {
        match self {
            Self::Api { path, method, .. } => Some((path, *method)),
            Self::Webhook { path, .. } => Some((path, HookMethod::Post)),
            Self::Cron { .. } | Self::Event { .. } => None,
        }
    }

    /// The name of the events that it is for.
    pub fn event(&self) -> Option<&str> {
        match self {
            Self::Event { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The secrets that it names, with the members that do.
    pub fn secrets(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let (secret, previous) = match self {
            Self::Webhook { secret, previous_secret, .. } => {
                (secret.as_deref(), previous_secret.as_deref())
            }
            _ => (None, None),
        };
        let named = [("secret", secret), ("previous_secret", previous)];
        named.into_iter().filter_map(|(member, name)| Some((member, name?)))
    }

    /// Whether its runs are those of whoever saved the workflow: nobody who may execute it asks for them.
    pub fn is_unattended(&self) -> bool {
        !matches!(self, Self::Api { .. })
    }
}

impl HookMethod {
    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// The same triggers, all of which have an id.
pub fn named(mut triggers: Vec<Trigger>) -> Vec<Trigger> {
    let mut taken: Vec<String> = triggers.iter().map(|it| it.id().to_owned()).collect();
    for trigger in triggers.iter_mut().filter(|it| it.id().is_empty()) {
        let kind = trigger.kind();
        let numbered = (2..).map(|number| format!("{kind}_{number}"));
        let mut free = std::iter::once(kind.to_owned()).chain(numbered);
        if let Some(id) = free.find(|id| !taken.contains(id)) {
            taken.push(id.clone());
            *trigger.id_mut() = id;
        }
    }
    triggers
}

fn utc() -> String {
    "UTC".to_owned()
}

fn is_utc(zone: &str) -> bool {
    zone == "UTC"
}

fn nothing() -> Value {
    Value::Object(Map::new())
}

fn is_nothing(input: &Value) -> bool {
    input.as_object().is_some_and(Map::is_empty)
}

fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn triggers_without_an_id_are_called_by_their_types() {
        let triggers = json!([
            {"type": "cron", "cron": "0 9 * * *"},
            {"type": "cron", "cron": "0 10 * * *", "id": "cron"},
            {"type": "cron", "cron": "0 11 * * *"},
            {"type": "event", "name": "paid"},
        ]);
        let triggers: Vec<Trigger> = serde_json::from_value(triggers).unwrap();

        let triggers = named(triggers);

        let ids: Vec<_> = triggers.iter().map(Trigger::id).collect();
        assert_eq!(ids, ["cron_2", "cron", "cron_3", "event"]);
        assert_eq!(named(triggers.clone()), triggers);
    }

    #[test]
    fn what_would_be_so_anyway_is_not_kept() {
        let given = json!({"type": "cron", "id": "a", "cron": "@daily", "timezone": "UTC", "input": {}, "missed": "skip"});
        let trigger: Trigger = serde_json::from_value(given).unwrap();

        let kept = json!({"type": "cron", "id": "a", "cron": "@daily"});
        assert_eq!(serde_json::to_value(&trigger).unwrap(), kept);
    }
}
