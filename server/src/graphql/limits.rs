//! What a document may cost, told before anything walks it.

use std::collections::HashMap;

use async_graphql::Name;
use async_graphql::Positioned;
use async_graphql::parser::types::{
    ExecutableDocument, FragmentDefinition, Selection, SelectionSet,
};

/// How deep a query may nest. graphql-js's own introspection query needs 15.
pub const MAX_DEPTH: usize = 16;
/// How many fields a query may ask for, list sizes multiplied in.
pub const MAX_COMPLEXITY: usize = 2000;
/// How many operations one document may define.
const MAX_OPERATIONS: usize = 16;

/// Whether executing the document would cost too much to even validate it.
///
/// Fragments that spread others twice double the work with each step (OWASP GraphQL Cheat Sheet, "DoS prevention"), and the
/// library walks them all before it counts. Here each fragment is weighed once.
pub fn is_too_complex(document: &ExecutableDocument) -> bool {
    let mut scales = Scales {
        fragments: &document.fragments,
        weights: HashMap::new(),
    };
    let weights = document
        .operations
        .iter()
        .map(|(_, operation)| scales.weigh(&operation.node.selection_set.node));
    let weights: Vec<usize> = weights.collect();
    weights.len() > MAX_OPERATIONS || weights.into_iter().any(|weight| weight > MAX_COMPLEXITY)
}

struct Scales<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    /// Weights that are known; of a fragment that is being weighed, more than any limit, so that a cycle is too heavy.
    weights: HashMap<&'a Name, usize>,
}

impl<'a> Scales<'a> {
    fn weigh(&mut self, selections: &'a SelectionSet) -> usize {
        selections.items.iter().fold(0, |sum: usize, selection| {
            let below = match &selection.node {
                Selection::Field(field) => self.weigh(&field.node.selection_set.node),
                Selection::InlineFragment(fragment) => {
                    self.weigh(&fragment.node.selection_set.node)
                }
                Selection::FragmentSpread(spread) => {
                    self.weigh_fragment(&spread.node.fragment_name.node)
                }
            };
            sum.saturating_add(below).saturating_add(1)
        })
    }

    fn weigh_fragment(&mut self, name: &Name) -> usize {
        // An unknown fragment weighs nothing: validation says that it is unknown.
        let Some((name, fragment)) = self.fragments.get_key_value(name) else {
            return 0;
        };
        if let Some(weight) = self.weights.get(name) {
            return *weight;
        }
        self.weights.insert(name, usize::MAX);
        let weight = self.weigh(&fragment.node.selection_set.node);
        self.weights.insert(name, weight);
        weight
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn too_complex(query: &str) -> bool {
        is_too_complex(&parse_query(query).unwrap())
    }

    #[test]
    fn fragments_that_double_are_weighed_without_walking_them() {
        let steps: String = (0..60)
            .map(|n| format!("fragment F{n} on User {{ ...F{m} ...F{m} }} ", m = n + 1))
            .collect();
        assert!(too_complex(&format!(
            "{{ viewer {{ ...F0 }} }} {steps} fragment F60 on User {{ id }}"
        )));
        assert!(!too_complex(
            "{ viewer { ...F ...F } } fragment F on User { id name }"
        ));
    }

    #[test]
    fn a_circle_of_fragments_is_too_heavy() {
        assert!(too_complex(
            "{ viewer { ...A } } fragment A on User { ...B } fragment B on User { ...A }"
        ));
    }

    #[test]
    fn a_document_defines_up_to_sixteen_operations() {
        let document = |count: usize| {
            (0..count)
                .map(|n| format!("query Q{n} {{ viewer {{ id }} }} "))
                .collect::<String>()
        };
        assert!(!too_complex(&document(16)));
        assert!(too_complex(&document(17)));
    }
}
