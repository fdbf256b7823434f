//! The profile types as JSON Schema, for editors, from the same declarations that lower a profile.
//!
//! Made with `serde_json` alone. These types are lowered from a tree with spans and know nothing of serde, so schemars,
//! which describes reports, could derive nothing here; what would be left of it is a map of definitions. These types
//! are small enough to be repeated, and draft-07 ignores what is beside a `$ref`: a field could not have its own
//! description.

use serde_json::{Map, Value, json};

use super::lower::{FromText, Named, Spanned};

/// A type that can say which JSON values it is lowered from.
pub(crate) trait Describe {
    /// A JSON Schema (draft-07). It refuses nothing that `check` accepts.
    fn schema() -> Value;
}

impl<T: FromText> Describe for T {
    fn schema() -> Value {
        // A number or a boolean is refused here as it is by the reader; an empty text is, too.
        merged(json!({"type": "string", "minLength": 1}), T::limits())
    }
}

impl Describe for u32 {
    fn schema() -> Value {
        json!({"type": "integer", "minimum": 0, "maximum": Self::MAX})
    }
}

impl Describe for bool {
    fn schema() -> Value {
        json!({"type": "boolean"})
    }
}

impl<T: Describe> Describe for Vec<Spanned<T>> {
    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }
}

impl<T: Describe> Describe for Named<T> {
    fn schema() -> Value {
        json!({"type": "object", "additionalProperties": T::schema()})
    }
}

/// One key of a record.
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) required: bool,
    /// The lines of its documentation.
    pub(super) docs: &'static [&'static str],
    /// The schema of its type.
    pub(super) schema: Value,
    /// What else is true of it: JSON Schema keywords, laid over the type's.
    pub(super) limits: Value,
}

/// The schema of a record.
pub(super) fn object(docs: &[&str], limits: Value, properties: Vec<Property>) -> Value {
    let required: Vec<&str> = properties
        .iter()
        .filter(|property| property.required)
        .map(|property| property.name)
        .collect();
    let properties: Map<String, Value> = properties
        .into_iter()
        .map(|property| {
            let words = json!({"description": prose(property.docs)});
            let schema = merged(merged(words, property.schema), property.limits);
            // The field's own words say more than those of its type.
            let schema = merged(schema, json!({"description": prose(property.docs)}));
            (property.name.to_owned(), schema)
        })
        .collect();
    let mut schema = json!({
        "description": prose(docs),
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    if !required.is_empty() {
        schema = merged(schema, json!({"required": required}));
    }
    merged(schema, limits)
}

/// `over` laid over `under`: mappings key by key, anything else as a whole.
pub(crate) fn merged(under: Value, over: Value) -> Value {
    match (under, over) {
        (under, Value::Null) => under,
        (Value::Object(mut under), Value::Object(over)) => {
            for (key, value) in over {
                let value = match under.get_mut(&key) {
                    Some(there) => merged(there.take(), value),
                    None => value,
                };
                under.insert(key, value);
            }
            Value::Object(under)
        }
        (_, over) => over,
    }
}

/// The lines of a doc comment as running text.
fn prose(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    lines.join(" ")
}
