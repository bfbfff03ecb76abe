//! The GraphQL layer: types, guards and resolvers, each one domain call and one conversion.

mod accounts;
mod administration;
mod audit;
mod context;
mod credentials;
mod devices;
mod documents;
mod error;
mod guard;
mod limits;
mod paging;
mod scalars;
mod sessions;
mod subscriptions;

use async_graphql::{
    MergedObject, Request, Response, SchemaBuilder, ServerError, ValidationMode, Value,
};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

pub use context::{Call, Caller, CookieWrite, CookieWrites, Cookies, Services};
pub use documents::{Document, Documents};
pub use error::{Code, subscriptions_only};
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
type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription)
}

/// What runs operations: one schema that validates each document as a whole, and one for documents that it found valid.
pub struct Engine {
    strict: Schema,
    trusting: Schema,
}

impl Engine {
    /// Serves the schema by `services`.
    pub fn new(services: &Services, settings: &GraphqlSettings) -> Self {
        let schema = |mode| {
            let builder = builder()
                .data(services.clone())
                .limit_depth(MAX_DEPTH)
                .limit_complexity(MAX_COMPLEXITY)
                .validation_mode(mode);
            if settings.introspection {
                builder.finish()
            } else {
                builder
                    .disable_introspection()
                    .disable_suggestions()
                    .finish()
            }
        };
        Self {
            strict: schema(ValidationMode::Strict),
            trusting: schema(ValidationMode::Fast),
        }
    }

    /// Runs a query or a mutation, whose document was admitted.
    pub async fn execute(&self, document: &Document, request: Request) -> Response {
        let schema = if document.is_valid() {
            &self.trusting
        } else {
            &self.strict
        };
        let response = schema.execute(request).await;
        if !matches!(response.data, Value::Null) {
            document.has_run();
        }
        coded(response)
    }

    /// Runs a subscription, whose document was admitted.
    pub fn subscribe(&self, request: Request) -> BoxStream<'static, Response> {
        self.strict.execute_stream(request).map(coded).boxed()
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

/// Gives the errors of the GraphQL library itself a code of ours. No extension of the library does, as it walks every field another
/// way where there is one, which takes twice as long.
fn coded(mut response: Response) -> Response {
    let refuses_document = response
        .errors
        .first()
        .is_some_and(|error| error.path.is_empty());
    if refuses_document {
        response.errors.truncate(MAX_ERRORS);
    }
    for error in &mut response.errors {
        set_code(error, code(error));
    }
    response
}

/// What an error of the library means. What has a path is an argument or variable that does not fit its type.
fn code(error: &ServerError) -> Code {
    match error.message.as_str() {
        _ if !error.path.is_empty() => Code::ValidationFailed,
        "Query is too complex." | "Query is nested too deep." => Code::TooComplex,
        deep if deep.starts_with("The recursion depth of the query") => Code::ParseFailed,
        _ => Code::ValidationFailed,
    }
}

/// The error, with this code if it has none.
pub fn with_code(mut error: ServerError, code: Code) -> ServerError {
    set_code(&mut error, code);
    error
}

fn set_code(error: &mut ServerError, code: Code) {
    let extensions = error.extensions.get_or_insert_default();
    if extensions.get("code").is_none() {
        extensions.set("code", code.as_str());
    }
}
