//! Which scopes open which operations: the `S` of a [`Caller<S>`](super::caller::Caller).

/// The scopes that open an operation, any of which will do.
pub trait ScopeSet: Send + Sync + 'static {
    /// The one to ask for stands first. Empty: it is open to all who are known.
    const ANY_OF: &'static [&'static str];
}

macro_rules! scope_sets {
    ($($(#[$meaning:meta])* $name:ident = $($scope:literal)|+;)+) => {
        $(
            $(#[$meaning])*
            #[derive(Debug, Clone, Copy)]
            pub enum $name {}

            impl ScopeSet for $name {
                const ANY_OF: &'static [&'static str] = &[$($scope),+];
            }
        )+

        #[cfg(test)]
        const ALL: &[(&str, &[&str])] = &[$((stringify!($name), $name::ANY_OF)),+];
    };
}

/// To know who one is: for whoever is known.
#[derive(Debug, Clone, Copy)]
pub enum Anybody {}

impl ScopeSet for Anybody {
    const ANY_OF: &'static [&'static str] = &[];
}

scope_sets! {
    /// To see that agents are there.
    AgentRead = "agent.read" | "agent.execute";
    /// To see how agents are made.
    AgentDefinitionRead = "agent.write" | "admin.read";
    /// To make and change agents.
    AgentWrite = "agent.write";
    /// To have agents work.
    AgentExecute = "agent.execute";
    /// To see that tools are there.
    ToolRead = "tool.read" | "tool.execute";
    /// To see how tools are made.
    ToolDefinitionRead = "tool.write" | "admin.read";
    /// To make and change tools.
    ToolWrite = "tool.write";
    /// To call tools.
    ToolExecute = "tool.execute";
    /// To see that workflows are there.
    WorkflowRead = "workflow.read" | "workflow.execute";
    /// To see how workflows are made.
    WorkflowDefinitionRead = "workflow.write" | "admin.read";
    /// To make and change workflows.
    WorkflowWrite = "workflow.write";
    /// To execute workflows.
    WorkflowExecute = "workflow.execute";
    /// To see databases and their documents: also for whoever may change them.
    RagRead = "rag.read" | "rag.write";
    /// To make and change databases and documents.
    RagWrite = "rag.write";
    /// To search them.
    RagSearch = "rag.search";
    /// To see that secrets are there.
    SecretRead = "secret.read" | "secret.write";
    /// To keep, rotate and delete them.
    SecretWrite = "secret.write";
    /// To see runs: also for whoever could have begun one.
    RunRead = "run.read" | "agent.execute" | "workflow.execute" | "tool.execute";
    /// To cancel runs: also for whoever could have begun one.
    RunWrite = "run.write" | "agent.execute" | "workflow.execute" | "tool.execute";
    /// To begin runs where others have been: as for the kind that they are of.
    RunFork = "agent.execute" | "workflow.execute";
    /// To see what people are asked to decide.
    ApprovalRead = "approval.read" | "approval.decide";
    /// To see who administered what.
    AuditRead = "audit.read";
    /// To decide it.
    ApprovalDecide = "approval.decide";
    /// To see threads and what was said in them.
    ThreadRead = "thread.read";
    /// To make, change and delete threads, and to add to them.
    ThreadWrite = "thread.write";
    /// To see what the server is set to do.
    AdminRead = "admin.read";
    /// To set it.
    AdminWrite = "admin.write";
    /// To see who may ask for tokens.
    ClientRead = "client.read";
    /// To say who may ask for tokens.
    ClientWrite = "client.write";
    /// To see who may sign in, and where he is.
    UserRead = "user.read" | "user.write";
    /// To say who may sign in, and with what.
    UserWrite = "user.write";
    /// To see which keys sign.
    KeyRead = "key.read";
    /// To make signing keys, and to take them back.
    KeyWrite = "key.write";
}

#[cfg(test)]
mod tests {
    use auth::scope::Scope;

    use super::*;

    #[test]
    fn every_scope_is_one_of_ours() {
        for (set, scopes) in ALL {
            for scope in *scopes {
                let known = Scope::known().any(|known| known.as_str() == *scope);
                assert!(known, "{set} names {scope}");
            }
        }
    }
}
