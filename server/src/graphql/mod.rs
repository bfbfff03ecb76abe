//! The GraphQL layer: types, guards and resolvers, each one domain call and one conversion.

mod accounts;
mod administration;
mod audit;
mod context;
mod credentials;
mod devices;
mod error;
mod guard;
mod limits;
mod paging;
mod scalars;
mod sessions;
mod subscriptions;

use std::sync::Arc;

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextParseQuery, NextRequest, NextSubscribe,
    NextValidation,
};
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{
    MergedObject, Response, SchemaBuilder, ServerError, ServerResult, ValidationResult, Variables,
};

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

pub use context::{Caller, CookieWrite, CookieWrites, Cookies, InAddress, Services};
pub use error::{Code, subscriptions_only};
pub use limits::admit_document;
use limits::{MAX_COMPLEXITY, MAX_DEPTH};
use subscriptions::Subscription;

use crate::config::GraphqlSettings;

/// How many faults of one document are told: each has a line of text, and a document can have thousands.
const MAX_ERRORS: usize = 8;

/// What can be asked.
#[derive(MergedObject, Default)]
pub struct Query(
    accounts::AccountQuery,
    devices::SessionQuery,
    audit::AuditQuery,
);

/// What can be done.
#[derive(MergedObject, Default)]
pub struct Mutation(
    accounts::AccountMutation,
    sessions::SessionMutation,
    credentials::CredentialMutation,
    administration::AdministrationMutation,
);

/// The schema.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription)
}

/// The schema that the server executes.
pub fn schema(services: Services, settings: &GraphqlSettings) -> Schema {
    let builder = builder()
        .data(services)
        .limit_depth(MAX_DEPTH)
        .limit_complexity(MAX_COMPLEXITY)
        .extension(ErrorCodes);
    if settings.introspection {
        builder.finish()
    } else {
        builder
            .disable_introspection()
            .disable_suggestions()
            .finish()
    }
}

/// The schema in GraphQL's own language, as `schema.graphql` holds it.
pub fn sdl() -> String {
    let options = async_graphql::SDLExportOptions::new()
        .use_space_ident()
        .indent_width(2)
        .include_specified_by();
    let sdl = builder().finish().sdl_with_options(options);
    format!("{}\n", sdl.trim())
}

/// Gives the errors of the GraphQL library itself a code of ours.
struct ErrorCodes;

impl ExtensionFactory for ErrorCodes {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for ErrorCodes {
    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        next.run(ctx, query, variables)
            .await
            .map_err(|error| with_code(error, Code::ParseFailed))
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        next.run(ctx).await.map_err(|errors| {
            let code = |error: &ServerError| match error.message.as_str() {
                "Query is too complex." | "Query is nested too deep." => Code::TooComplex,
                _ => Code::ValidationFailed,
            };
            errors
                .into_iter()
                .take(MAX_ERRORS)
                .map(|error| {
                    let code = code(&error);
                    with_code(error, code)
                })
                .collect()
        })
    }

    /// What is left without a code by then is an argument or variable that does not fit its type.
    async fn request(&self, ctx: &ExtensionContext<'_>, next: NextRequest<'_>) -> Response {
        coded(next.run(ctx).await)
    }

    fn subscribe<'s>(
        &self,
        ctx: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        next.run(ctx, stream).map(coded).boxed()
    }
}

fn coded(mut response: Response) -> Response {
    let errors = std::mem::take(&mut response.errors);
    let coded = errors
        .into_iter()
        .map(|error| with_code(error, Code::ValidationFailed));
    response.errors = coded.collect();
    response
}

/// The error, with this code if it has none.
pub fn with_code(mut error: ServerError, code: Code) -> ServerError {
    let extensions = error.extensions.get_or_insert_default();
    if extensions.get("code").is_none() {
        extensions.set("code", code.as_str());
    }
    error
}
