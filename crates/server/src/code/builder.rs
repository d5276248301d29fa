//! Puts the server together with what is defined in Rust.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use auth::seal::Sealer;
use auth::secret::MasterKey;
use llm::ChatModel;
use sandbox::Pool;

use super::Agent;
use super::Step;
use super::Tool;
use crate::agents::AgentKind;
use crate::agents::Agents;
use crate::agents::CodeAgents;
use crate::agents::models::Models;
use crate::app::App;
use crate::app::Clock;
use crate::app::Ids;
use crate::app::Parts;
use crate::app::StartError;
use crate::app::Tasks;
use crate::app::pool;
use crate::config::Config;
use crate::config::Identity;
use crate::config::Outgoing;
use crate::db::Db;
use crate::egress;
use crate::egress::Egress;
use crate::egress::Names;
use crate::http::Cursors;
use crate::http::Invalid;
use crate::http::health::Probe;
use crate::http::pointer_to;
use crate::mcp::Mcp;
use crate::mcp::upstreams::RemoteTools;
use crate::mcp::upstreams::Upstreams;
use crate::oauth::Assertions;
use crate::oauth::Clients;
use crate::oauth::Documents;
use crate::oauth::External;
use crate::oauth::Keys;
use crate::oauth::Onward;
use crate::oauth::People;
use crate::rag::Embedders;
use crate::rag::Rag;
use crate::rag::Stores;
use crate::runs::Budgets;
use crate::runs::Runs;
use crate::runs::Services;
use crate::runs::webhook::Webhooks;
use crate::secrets::Vault;
use crate::telemetry::Telemetry;
use crate::tools::CodeTools;
use crate::tools::Maker;
use crate::tools::Makers;
use crate::tools::Search;
use crate::tools::ToolRows;
use crate::tools::Tools;
use crate::tools::http::Http;
use crate::tools::javascript::Javascript;
use crate::workflows::CodeSteps;
use crate::workflows::Workflows;

/// A server in the making: [`App::builder`].
#[derive(Default)]
#[must_use]
pub struct Builder {
    tools: Vec<Tool>,
    steps: Vec<Step>,
    agents: Vec<Agent>,
    models: Vec<(String, Arc<dyn ChatModel>)>,
    worker_program: Option<PathBuf>,
    names: Names,
}

impl Builder {
    /// Adds a tool that agents may name.
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Adds a step that entries of workflows may name, as `{"type": "step", "step": name}`.
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds an agent.
    pub fn agent(mut self, agent: Agent) -> Self {
        self.agents.push(agent);
        self
    }

    /// Adds a provider of models: agents name its models `provider/…`, and the rest of that name is
    /// the `model` of each request.
    pub fn model(mut self, provider: impl Into<String>, model: impl ChatModel) -> Self {
        self.models.push((provider.into(), Arc::new(model)));
        self
    }

    /// The program that is started, with the argument `worker`, to run JavaScript of tools. Without it
    /// that is the program itself, which [`worker`](crate::app::worker) makes able to.
    pub fn worker_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.worker_program = Some(program.into());
        self
    }

    /// Who tells the addresses of the hosts that callers and definitions name; without it that is the
    /// machine. What is told is checked like what the machine tells.
    pub fn names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    /// Opens what the settings name, and checks all that was added: whatever is wrong with it is said
    /// at once. Nothing is under way yet: [`App::serve`] begins it.
    pub async fn start(self, config: Config) -> Result<App, StartError> {
        let db = Db::open(&config.database).await?;
        self.assemble(config, db, Clock::System, Ids::Random)
    }

    /// The same with a database, a clock and ids of one's own.
    pub fn assemble(
        mut self,
        config: Config,
        db: Db,
        clock: Clock,
        ids: Ids,
    ) -> Result<App, StartError> {
        let client = egress::client()?;
        let models = Models::new(&config.models, &client);
        let sandbox = pool(self.worker_program.take(), config.tool_workers);
        let (names, tasks) = (std::mem::take(&mut self.names), Tasks::default());
        let Checked { models, tools: code_tools, agents: code_agents, steps } =
            self.check(models).map_err(StartError::Code)?;
        let (key, seal) = sealer(&config.identity)?;
        let keys = Arc::new(Keys::new(&config, db.clone(), clock.clone(), seal.clone())?);
        let egress = Egress::with(config.outgoing.allow.clone(), names)?;
        let clients = Arc::new(clients(&config, &db, &egress));
        let secrets = Vault::new(db.clone(), clock.clone(), ids.clone(), seal, key.mac("secrets"));
        let (own, new, most) = (clock.clone(), ids.clone(), config.rag.clone());
        let embedders = Embedders::new(&config.models, &most, &client);
        let means = (sandbox.clone(), embedders.clone(), Stores::new(&db, &egress, &secrets));
        let rag = Rag::new(db.clone(), own, new, tasks.clone(), means, most);
        let onward = Onward::new(keys.clone(), clock.clone(), ids.clone());
        let upstreams = remote(&config, (&db, &clock, &ids), (&egress, &secrets), &onward, &tasks);
        let makers = makers(&sandbox, &tasks, (&egress, &secrets), onward, (&rag, &upstreams));
        let kind = ToolRows::new(makers, code_agents.known(), upstreams.programs());
        let tools = Tools::new(db.clone(), clock.clone(), ids.clone(), kind, code_tools.into());
        let kind = AgentKind { models: models.clone(), tools: tools.clone(), embedders };
        let agents = Agents::new(db.clone(), clock.clone(), ids.clone(), kind, code_agents.into());
        let workflows = Workflows::of(agents.clone(), steps);
        let services = Services {
            db: db.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            tasks: tasks.clone(),
            agents: agents.clone(),
            workflows: workflows.clone(),
            clients: Arc::clone(&clients),
            models,
            rag: rag.clone(),
            tools: tools.clone(),
            webhooks: webhooks(&config.outgoing, &egress, &secrets),
            telemetry: Telemetry::start(&config.telemetry, client)?,
            budgets: Budgets::new(db.clone()),
        };
        Ok(App::new(Parts {
            runs: Runs::new(services, &config.limits),
            people: People::new(db.clone(), &key).also_by(External::of(&config, &egress, &key)),
            mcp: Mcp::new(&db, &config.mcp, upstreams),
            config,
            db,
            clock,
            ids,
            tasks,
            cursors: Cursors::new(&key),
            probe: Probe::default(),
            keys,
            refusals: clients.refusals().clone(),
            clients,
            secrets,
            egress,
            rag,
            tools,
            workflows,
            agents,
            sandbox,
        }))
    }

    /// Adds what is defined in code to what there is already, or says all that is wrong with it.
    fn check(self, mut models: Models) -> Result<Checked, Vec<Invalid>> {
        let (mut tools, mut faults) = (CodeTools::built_in(), Vec::new());
        let mut note = |list: &str, name: &str, found: Vec<Invalid>| {
            let place = pointer_to(list, name);
            faults.extend(found.into_iter().map(|fault| fault.under(&place)));
        };
        for (name, model) in self.models {
            if let Err(fault) = models.add(name.clone(), model) {
                note("/models", &name, vec![fault]);
            }
        }
        for tool in self.tools {
            let name = tool.name().to_owned();
            let added = tool.check().and_then(|tool| tools.add(tool).map_err(|fault| vec![fault]));
            if let Err(found) = added {
                note("/tools", &name, found);
            }
        }
        let mut steps = CodeSteps::default();
        for step in self.steps {
            let name = step.name().to_owned();
            let added = step.check().and_then(|step| steps.add(step).map_err(|fault| vec![fault]));
            if let Err(found) = added {
                note("/steps", &name, found);
            }
        }
        let mut agents = CodeAgents::default();
        for agent in self.agents {
            let name = agent.name().to_owned();
            if let Err(found) = agents.add(agent.into_document(), &models, |it| tools.knows(it)) {
                note("/agents", &name, found);
            }
        }
        if faults.is_empty() { Ok(Checked { models, tools, agents, steps }) } else { Err(faults) }
    }
}

/// What is defined in code, and right.
struct Checked {
    models: Models,
    tools: CodeTools,
    agents: CodeAgents,
    steps: CodeSteps,
}

fn webhooks(outgoing: &Outgoing, egress: &Egress, secrets: &Vault) -> Webhooks {
    let signing_keys = outgoing.signing_keys.clone();
    Webhooks::new(egress.clone(), signing_keys, secrets.clone(), outgoing.webhook_time)
}

/// The clients, and what their proofs and documents are checked by.
fn clients(config: &Config, db: &Db, egress: &Egress) -> Clients {
    let identity = &config.identity;
    let checks = (
        Assertions::new(db.clone(), config.issuer.clone(), egress.clone()),
        Documents::new(egress.clone(), &identity.registration),
    );
    Clients::new(&identity.management, db.clone(), checks)
}

/// The servers of others.
fn remote(
    config: &Config,
    (db, clock, ids): (&Db, &Clock, &Ids),
    means: (&Egress, &Vault),
    onward: &Onward,
    tasks: &Tasks,
) -> Upstreams {
    Upstreams::new((db, clock, ids), means, onward, tasks, &config.mcp.programs)
}

/// The kinds of tools that rows may be of.
fn makers(
    sandbox: &Pool,
    tasks: &Tasks,
    (egress, vault): (&Egress, &Vault),
    onward: Onward,
    (rag, upstreams): (&Rag, &Upstreams),
) -> Makers {
    let http: Box<dyn Maker> = Box::new(Http::new(egress.clone(), vault.clone(), onward));
    let (egress, vault) = (egress.clone(), vault.clone());
    let javascript = Javascript::new(sandbox.clone(), tasks.clone(), egress, vault);
    let (search, remote) = (Search(rag.clone()), RemoteTools(upstreams.clone()));
    Makers::with([http, Box::new(javascript), Box::new(search), Box::new(remote)])
}

/// The key of the settings, and what seals with it and opens with the one before it, too.
pub fn sealer(identity: &Identity) -> Result<(MasterKey, Arc<Sealer>), StartError> {
    let key = MasterKey::parse(&identity.encryption_key)?;
    let previous = identity.encryption_key_previous.as_ref().map(MasterKey::parse).transpose()?;
    let previous: Vec<_> = previous.into_iter().collect();
    let sealer = Sealer::new(&key, &previous)?;
    Ok((key, Arc::new(sealer)))
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let models: Vec<_> = self.models.iter().map(|(name, _)| name).collect();
        f.debug_struct("Builder")
            .field("tools", &self.tools)
            .field("steps", &self.steps)
            .field("agents", &self.agents)
            .field("models", &models)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use expect_test::expect;
    use llm::Timeouts;
    use llm::demo::Scripted;
    use reqwest::Client;
    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::*;
    use crate::config;
    use crate::tools::ToolContext;
    use crate::tools::ToolFailure;

    #[derive(Deserialize, JsonSchema)]
    struct Nothing {}

    async fn nothing(_: ToolContext, _: Nothing) -> Result<(), ToolFailure> {
        Ok(())
    }

    async fn text(_: ToolContext, _: String) -> Result<(), ToolFailure> {
        Ok(())
    }

    #[test]
    fn everything_wrong_in_the_code_is_said_at_once() {
        let server = App::builder()
            .model("demo", Scripted)
            .model("my house", Scripted)
            .tool(Tool::read("current_time", "Tells the time.", nothing))
            .tool(Tool::read("one two", "", nothing).scope("X").timeout(Duration::ZERO))
            .tool(Tool::effect("text", "Takes a text.", text))
            .agent(Agent::new("support").tool("refnd").model("nowhere/model").scope("agent.run"))
            .agent(Agent::new("twice").instructions("Be brief."))
            .agent(Agent::new("Twice").instructions("Be brief."));

        expect![[r#"
            /models/demo/name not_unique: there is a provider of this name
            /models/my house/name bad_format: a name is a letter, then letters, digits, `_` and `-`
            /tools/current_time/name not_unique: there is a tool of this name
            /tools/one two/name bad_format: a name is a letter, then letters, digits, `_` and `-`
            /tools/one two/description too_short: must not be empty
            /tools/one two/timeout_ms out_of_range: must be at least 1
            /tools/one two/scopes/0 bad_scope: a scope is two or more words of a-z, 0-9, _ and - with dots between; the last one may be *
            /tools/text/input_schema/type bad_schema: arguments are an object: take a struct with named members
            /agents/support/instructions missing_member: is required
            /agents/support/model unknown_model: there is no provider `nowhere`; there are `demo`, `openai`
            /agents/support/scopes/0 bad_scope: agent has no such action; it has read, write, execute
            /agents/support/tools/0 unknown_tool: no tool is named `refnd`
            /agents/Twice/name not_unique: there is an agent of this name"#]].assert_eq(&faults(server));
    }

    #[test]
    fn a_provider_that_is_not_set_up_yet_keeps_nobody_from_starting() {
        let agent = Agent::new("support").instructions("Be brief.");
        let server = App::builder().agent(agent.model("openai/gpt-5").model("demo/scripted"));

        assert_eq!(faults(server), "");
    }

    fn faults(server: Builder) -> String {
        let providers = BTreeMap::from([("openai".to_owned(), config::Provider::openai())]);
        let settings = config::Models {
            default: "demo/scripted".to_owned(),
            aliases: BTreeMap::new(),
            prices: BTreeMap::new(),
            providers,
            timeouts: Timeouts::default(),
        };
        let models = Models::new(&settings, &Client::new());
        let found = server.check(models).err().unwrap_or_default();
        let lines = found.iter().map(|it| format!("{} {}: {}", it.pointer, it.code, it.detail));
        lines.collect::<Vec<_>>().join("\n")
    }
}
