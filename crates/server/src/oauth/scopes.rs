pub struct AgentExecute;
pub struct RunRead;
pub struct RunWrite;
