//! schema.graphql: what the code says, and what the contract promises.

use std::collections::BTreeMap;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{InputValueDefinition, TypeKind, TypeSystemDefinition};
use countersign::graphql::sdl;

const COMMITTED: &str = include_str!("../../../schema.graphql");
const CONTRACT: &str = include_str!("../../../docs/contract.graphql");

#[test]
fn the_committed_schema_is_the_codes() {
    assert!(
        COMMITTED == sdl(),
        "schema.graphql is out of date: run `cargo xtask schema`"
    );
}

/// Each name of a schema with what clients rely on: type, arguments, defaults.
fn promises(schema: &str) -> BTreeMap<String, String> {
    let mut promises = BTreeMap::new();
    let value = |value: &InputValueDefinition| {
        let default = value
            .default_value
            .as_ref()
            .map(|default| format!(" = {}", default.node))
            .unwrap_or_default();
        format!("{}{default}", value.ty.node)
    };
    for definition in parse_schema(schema).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else {
            continue;
        };
        let name = definition.node.name.node.to_string();
        match definition.node.kind {
            TypeKind::Object(object) => {
                for field in object.fields {
                    let path = format!("{name}.{}", field.node.name.node);
                    for argument in field.node.arguments {
                        promises.insert(
                            format!("{path}({})", argument.node.name.node),
                            value(&argument.node),
                        );
                    }
                    promises.insert(path, field.node.ty.node.to_string());
                }
            }
            TypeKind::InputObject(input) => {
                for field in input.fields {
                    promises.insert(
                        format!("{name}.{}", field.node.name.node),
                        value(&field.node),
                    );
                }
            }
            TypeKind::Enum(values) => {
                for item in values.values {
                    promises.insert(format!("{name}.{}", item.node.value.node), String::new());
                }
            }
            _ => {
                promises.insert(name, String::new());
            }
        }
    }
    promises
}

#[test]
fn the_contract_holds() {
    let kept = promises(COMMITTED);
    for (name, promise) in promises(CONTRACT) {
        assert_eq!(kept.get(&name), Some(&promise), "{name}");
    }
}

#[test]
fn everything_in_the_schema_is_described() {
    for definition in parse_schema(COMMITTED).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else {
            continue;
        };
        let name = definition.node.name.node.to_string();
        let described =
            |what: &str, description: bool| assert!(description, "{name}{what} has no description");
        described("", definition.node.description.is_some());
        match definition.node.kind {
            TypeKind::Object(object) => {
                for field in object.fields {
                    let path = format!(".{}", field.node.name.node);
                    for argument in field.node.arguments {
                        let argument = argument.node;
                        described(
                            &format!("{path}({})", argument.name.node),
                            argument.description.is_some(),
                        );
                    }
                    described(&path, field.node.description.is_some());
                }
            }
            TypeKind::InputObject(input) => {
                for field in input.fields {
                    described(&field.node.name.node, field.node.description.is_some());
                }
            }
            TypeKind::Enum(values) => {
                for item in values.values {
                    described(&item.node.value.node, item.node.description.is_some());
                }
            }
            _ => {}
        }
    }
}
