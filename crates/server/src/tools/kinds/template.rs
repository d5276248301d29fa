//! Tools that fill in a text.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::future::ready;
use minijinja::context;
use minijinja::value::Serde;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::config;
use crate::definitions::template;
use crate::http::Invalid;
use crate::tools::Does;
use crate::tools::Maker;
use crate::tools::Tool;
use crate::tools::ToolContent;
use crate::tools::ToolContext;
use crate::tools::ToolFailure;
use crate::tools::ToolKind;

/// The kind `template`.
#[derive(Debug)]
pub struct Template;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// A template over `input`; the text that it makes is the result.
    #[schema(max_length = 100_000)]
    template: String,
}

impl Maker for Template {
    fn kind(&self) -> ToolKind {
        ToolKind::Template
    }

    fn make(&self, content: &ToolContent) -> Result<Does, Vec<Invalid>> {
        let Config { template } = config(content)?;
        let roots = [("input", Some(&content.input_schema))];
        let template = template::Template::new(&template, &roots, "/config/template")?;
        Ok(Does::Call(Arc::new(Filled(template))))
    }
}

struct Filled(template::Template);

impl Tool for Filled {
    fn call<'a>(
        &'a self,
        _: &'a ToolContext,
        arguments: Value,
    ) -> BoxFuture<'a, Result<Value, ToolFailure>> {
        let text = self.0.fill(context! { input => Serde(&arguments) });
        ready(
            text.map(Value::from).map_err(|why| {
                ToolFailure::failed(format!("the template cannot be filled in: {why}"))
            }),
        )
        .boxed()
    }
}
