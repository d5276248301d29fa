//! Tools that always give the same.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::future::ready;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::config;
use crate::http::Invalid;
use crate::tools::Does;
use crate::tools::Maker;
use crate::tools::Tool;
use crate::tools::ToolContent;
use crate::tools::ToolContext;
use crate::tools::ToolFailure;
use crate::tools::ToolKind;

/// The kind `static`.
#[derive(Debug)]
pub struct Static;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The result of every call.
    #[schema(required)]
    result: Value,
}

impl Maker for Static {
    fn kind(&self) -> ToolKind {
        ToolKind::Static
    }

    fn make(&self, content: &ToolContent) -> Result<Does, Vec<Invalid>> {
        let Config { result } = config(content)?;
        Ok(Does::Call(Arc::new(Fixed(result))))
    }
}

struct Fixed(Value);

impl Tool for Fixed {
    fn call<'a>(
        &'a self,
        _: &'a ToolContext,
        _: Value,
    ) -> BoxFuture<'a, Result<Value, ToolFailure>> {
        ready(Ok(self.0.clone())).boxed()
    }
}
