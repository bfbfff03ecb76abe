//! What a document may cost, told before anything walks it.
//!
//! The library parses a document of any depth, and walks all of it before it counts (OWASP GraphQL Cheat Sheet, "DoS
//! prevention"). So tokens and brackets are counted before it parses, and the parsed document is weighed once.

use std::collections::HashMap;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    Directive, ExecutableDocument, FragmentDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Pos, Positioned, ServerError};

use super::error::Code;
use super::with_code;
use crate::config::GraphqlSettings;

/// How deep a query may nest. graphql-js's own introspection query needs 15.
pub const MAX_DEPTH: usize = 16;
/// How many fields a query may ask for, list sizes multiplied in.
pub const MAX_COMPLEXITY: usize = 2000;
/// How many operations one document may define.
const MAX_OPERATIONS: usize = 16;
/// How many tokens a document may have. graphql-js's own introspection query has some 250.
const MAX_TOKENS: usize = 2000;
/// How many brackets of any kind may be open at once. The parser calls itself for each.
const MAX_BRACKETS: usize = 64;
/// How many fields and fragments an operation may select, fragments spread.
const MAX_SELECTIONS: usize = 500;
/// How many fields an operation may have at its root, each of which is a call of its own.
const MAX_ROOT_FIELDS: usize = 16;
/// How many fields of an operation may have a name of the client's own.
const MAX_ALIASES: usize = 32;
/// How many directives one thing may have.
const MAX_DIRECTIVES: usize = 4;
/// How many lists may be nested in a question about the schema. Types have fields that have types, so there is no end to them.
const MAX_INTROSPECTION: usize = 3;
const INTROSPECTION_LISTS: [&str; 4] = ["fields", "inputFields", "interfaces", "possibleTypes"];

/// Parses a document, unless it would cost too much to even validate it.
///
/// # Errors
/// `GRAPHQL_PARSE_FAILED`; `QUERY_TOO_COMPLEX`; `GRAPHQL_VALIDATION_FAILED` for a circle of fragments, which has no weight, and for
/// introspection where it is switched off.
pub fn read_document(
    text: &str,
    settings: &GraphqlSettings,
) -> Result<ExecutableDocument, ServerError> {
    check_text(text)?;
    let document = parse_query(text).map_err(|error| with_code(error.into(), Code::ParseFailed))?;
    check_document(&document, settings.introspection)?;
    Ok(document)
}

fn too_complex(message: &str, pos: Option<Pos>) -> ServerError {
    with_code(ServerError::new(message, pos), Code::TooComplex)
}

fn invalid(message: &str, pos: Pos) -> ServerError {
    with_code(ServerError::new(message, Some(pos)), Code::ValidationFailed)
}

/// Counts tokens and open brackets in the way that the library's grammar reads them; three dots count as three.
fn check_text(text: &str) -> Result<(), ServerError> {
    let (mut tokens, mut brackets) = (0, 0_usize);
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let length = match byte {
            b' ' | b'\t' | b',' | b'\r' | b'\n' => {
                rest = after;
                continue;
            }
            b'#' => {
                rest = &rest[until(rest, is_line_end)..];
                continue;
            }
            b'"' => string_length(rest),
            _ if is_name(byte) => until(rest, |byte| !is_name(byte)),
            b'{' | b'[' | b'(' => {
                brackets += 1;
                1
            }
            b'}' | b']' | b')' => {
                brackets = brackets.saturating_sub(1);
                1
            }
            _ => 1,
        };
        tokens += 1;
        if tokens > MAX_TOKENS {
            return Err(too_complex("The document has too many tokens.", None));
        }
        if brackets > MAX_BRACKETS {
            return Err(too_complex("The document is nested too deep.", None));
        }
        rest = &rest[length..];
    }
    Ok(())
}

fn until(bytes: &[u8], is_end: impl Fn(u8) -> bool) -> usize {
    let end = bytes.iter().position(|&byte| is_end(byte));
    end.unwrap_or(bytes.len())
}

const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of the string at the start. A block string without an end is an empty string to the parser, and more behind it.
fn string_length(bytes: &[u8]) -> usize {
    const BLOCK: &[u8] = br#"""""#;
    let is_block = bytes.starts_with(BLOCK);
    let start = if is_block { BLOCK.len() } else { 1 };
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' if !is_block => return at + 1,
            b'"' if bytes[at..].starts_with(BLOCK) => return at + BLOCK.len(),
            b'\\' if is_block && bytes[at + 1..].starts_with(BLOCK) => at += 1 + BLOCK.len(),
            b'\\' if !is_block => at += 2,
            _ if !is_block && is_line_end(byte) => break,
            _ => at += 1,
        }
    }
    if is_block { 2 } else { 1 }
}

fn check_document(document: &ExecutableDocument, introspection: bool) -> Result<(), ServerError> {
    if document.operations.iter().count() > MAX_OPERATIONS {
        return Err(too_complex("The document has too many operations.", None));
    }
    for fragment in document.fragments.values() {
        check_directives(&fragment.node.directives)?;
    }
    let mut scales = Scales {
        fragments: &document.fragments,
        weights: HashMap::new(),
        introspection,
    };
    for (_, operation) in document.operations.iter() {
        check_directives(&operation.node.directives)?;
        for variable in &operation.node.variable_definitions {
            check_directives(&variable.node.directives)?;
        }
        let weight = scales.weigh(&operation.node.selection_set.node)?;
        let limits = [
            (weight.selections, MAX_SELECTIONS, "selects too many fields"),
            (
                weight.fields,
                MAX_ROOT_FIELDS,
                "has too many fields at its root",
            ),
            (weight.aliases, MAX_ALIASES, "has too many aliases"),
        ];
        for (amount, limit, what) in limits {
            if amount > limit {
                return Err(too_complex(
                    &format!("The operation {what}."),
                    Some(operation.pos),
                ));
            }
        }
    }
    Ok(())
}

fn check_directives(directives: &[Positioned<Directive>]) -> Result<(), ServerError> {
    match directives.get(MAX_DIRECTIVES) {
        Some(excess) => Err(too_complex(
            "There are too many directives.",
            Some(excess.pos),
        )),
        None => Ok(()),
    }
}

/// What a selection set asks for, fragments spread.
#[derive(Clone, Copy, Default)]
struct Weight {
    /// Fields at its top.
    fields: usize,
    /// Fields and fragments in all.
    selections: usize,
    /// Fields in all that have another name in the answer.
    aliases: usize,
    /// How deep lists of introspection are nested.
    lists: usize,
}

struct Scales<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    /// Each fragment is weighed once; `None` while it is. Fragments that spread others twice double the weight with each step.
    weights: HashMap<&'a Name, Option<Weight>>,
    /// Whether the schema can be asked for.
    introspection: bool,
}

impl<'a> Scales<'a> {
    fn weigh(&mut self, selections: &'a SelectionSet) -> Result<Weight, ServerError> {
        let mut sum = Weight::default();
        for selection in &selections.items {
            let weight = self.weigh_selection(&selection.node)?;
            sum.fields = sum.fields.saturating_add(weight.fields);
            sum.selections = sum.selections.saturating_add(weight.selections);
            sum.aliases = sum.aliases.saturating_add(weight.aliases);
            sum.lists = sum.lists.max(weight.lists);
        }
        Ok(sum)
    }

    fn weigh_selection(&mut self, selection: &'a Selection) -> Result<Weight, ServerError> {
        check_directives(selection.directives())?;
        let mut weight = match selection {
            Selection::Field(field) => {
                let (name, pos) = (field.node.name.node.as_str(), field.pos);
                let mut weight = self.weigh(&field.node.selection_set.node)?;
                weight.fields = 1;
                weight.aliases = weight.aliases.saturating_add(field.node.alias.iter().len());
                weight.lists += usize::from(INTROSPECTION_LISTS.contains(&name));
                let is_introspection = matches!(name, "__schema" | "__type");
                if is_introspection && !self.introspection {
                    return Err(invalid("Introspection is switched off.", pos));
                }
                if is_introspection && weight.lists > MAX_INTROSPECTION {
                    return Err(too_complex(
                        "The introspection is nested too deep.",
                        Some(pos),
                    ));
                }
                weight
            }
            Selection::InlineFragment(fragment) => self.weigh(&fragment.node.selection_set.node)?,
            Selection::FragmentSpread(spread) => {
                self.weigh_fragment(&spread.node.fragment_name.node, spread.pos)?
            }
        };
        weight.selections = weight.selections.saturating_add(1);
        Ok(weight)
    }

    fn weigh_fragment(&mut self, name: &Name, pos: Pos) -> Result<Weight, ServerError> {
        // An unknown fragment weighs nothing: validation says that it is unknown.
        let Some((name, fragment)) = self.fragments.get_key_value(name) else {
            return Ok(Weight::default());
        };
        match self.weights.get(name) {
            Some(Some(weight)) => Ok(*weight),
            Some(None) => {
                let message = format!("Cannot spread fragment \"{name}\" within itself.");
                Err(invalid(&message, pos))
            }
            None => {
                self.weights.insert(name, None);
                let weight = self.weigh(&fragment.node.selection_set.node)?;
                self.weights.insert(name, Some(weight));
                Ok(weight)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn refusal(query: &str) -> Option<String> {
        let settings = GraphqlSettings {
            introspection: true,
            graphiql: false,
            time_limit: Duration::ZERO,
        };
        let refused = read_document(query, &settings).err()?;
        Some(refused.message)
    }

    fn assert_too_complex(query: &str, why: &str) {
        let message = refusal(query).unwrap_or_default();
        assert!(message.contains(why), "{message:?} for {query:.100}");
    }

    #[test]
    fn fragments_that_double_are_weighed_without_walking_them() {
        let steps: String = (0..60)
            .map(|n| format!("fragment F{n} on User {{ ...F{m} ...F{m} }} ", m = n + 1))
            .collect();
        let query = format!("{{ viewer {{ ...F0 }} }} {steps} fragment F60 on User {{ id }}");
        assert_too_complex(&query, "selects too many fields");
        let twice = "{ viewer { ...F ...F } } fragment F on User { id name }";
        assert_eq!(refusal(twice), None);
    }

    #[test]
    fn a_circle_of_fragments_is_no_valid_document() {
        let circle = "{ viewer { ...A } } fragment A on User { ...B } fragment B on User { ...A }";
        assert_too_complex(circle, "Cannot spread fragment \"A\" within itself.");
    }

    #[test]
    fn a_document_defines_up_to_sixteen_operations() {
        let document = |count: usize| {
            (0..count)
                .map(|n| format!("query Q{n} {{ viewer {{ id }} }} "))
                .collect::<String>()
        };
        assert_eq!(refusal(&document(16)), None);
        assert_too_complex(&document(17), "too many operations");
    }

    /// With so many of something.
    type Document<'a> = &'a dyn Fn(usize) -> String;

    #[test]
    fn each_limit_is_where_it_says() {
        let repeated = |count: usize, one: &str| one.repeat(count);
        let directives = |count| format!("{{ a {} }}", repeated(count, "@skip(if: false) "));
        let roots = |count| format!("{{ {} }}", repeated(count, "a "));
        let aliases = |count| format!("{{ a {{ {} }} }}", repeated(count, "b: c "));
        let selections = |count| format!("{{ a {{ {} }} }}", repeated(count - 1, "b "));
        let brackets = |count| {
            format!(
                "{{ a(b: {}{}) }}",
                repeated(count - 2, "["),
                repeated(count - 2, "]")
            )
        };
        // `{`, `a`, `(`, `b`, `:`, `[`, `]`, `)`, `}`: nine besides.
        let tokens = |count| format!("{{ a(b: [{}]) }}", repeated(count - 9, "1 "));
        let lists = |count| {
            format!(
                "{{ __schema {{ types {{ {} name {} }} }} }}",
                repeated(count, "fields { type { "),
                repeated(count, "} }")
            )
        };
        let cases: [(Document<'_>, usize, &str); 7] = [
            (&directives, MAX_DIRECTIVES, "directives"),
            (&roots, MAX_ROOT_FIELDS, "fields at its root"),
            (&aliases, MAX_ALIASES, "aliases"),
            (&selections, MAX_SELECTIONS, "selects too many"),
            (&brackets, MAX_BRACKETS, "nested too deep"),
            (&tokens, MAX_TOKENS, "tokens"),
            (&lists, MAX_INTROSPECTION, "introspection is nested"),
        ];
        for (document, limit, why) in cases {
            assert_eq!(refusal(&document(limit)), None, "{why}");
            assert_too_complex(&document(limit + 1), why);
        }
    }

    #[test]
    fn limits_hold_through_fragments() {
        let fragment = format!(
            "fragment F on Query {{ {} }}",
            "a: viewer { id } ".repeat(9)
        );
        assert_too_complex(
            &format!("{{ ...F ... {{ ...F }} }} {fragment}"),
            "at its root",
        );
        let nested = "{ __schema { types { ...T } } } fragment T on __Type { fields { type { ...U } } } \
             fragment U on __Type { fields { type { interfaces { fields { name } } } } }";
        assert_too_complex(nested, "introspection is nested");
        for place in [
            "query @a@a@a@a@a { a }",
            "query($v: Int @a@a@a@a@a) { a }",
            "{ ...F @a@a@a@a@a } fragment F on Query { a }",
            "{ ...F } fragment F on Query @a@a@a@a@a { a }",
            "{ ... @a@a@a@a@a { a } }",
        ] {
            assert_too_complex(place, "directives");
        }
    }

    #[test]
    fn brackets_cannot_hide_from_the_count() {
        let deep = "{ a ".repeat(100);
        for disguise in [
            // The parser takes a block string without an end for an empty string and another one.
            format!("{{ a(b: \"\"\"c\") }}\n{deep}"),
            format!("{{ a(b: \"\\\"\") {deep}"),
            format!("{{ a(b: \"\"\" \\\"\"\" \"\"\") {deep}"),
            format!("# \" \n{deep}"),
            format!("# \" \r{deep}"),
            format!("}}}}}} {deep}"),
            format!("{{ a(b: \"\") {deep}"),
        ] {
            assert_too_complex(&disguise, "nested too deep");
        }
        let shown = [
            format!("{{ a(b: \"{deep}\") }}"),
            format!("{{ a(b: \"\"\"{deep}\"\"\") }}"),
            format!("{{ a }} # {deep}"),
        ];
        for text in shown {
            assert_eq!(refusal(&text), None, "brackets in {text:.20} are text");
        }
    }
}
