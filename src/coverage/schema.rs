//! JSON schemas of what writes itself as JSON by hand.

use super::warning::Warning;
use crate::domain::verdict::Verdict;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::openapi::{ArrayBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

impl ToSchema for Verdict {}

impl PartialSchema for Verdict {
    fn schema() -> RefOr<Schema> {
        let verdicts = [Self::Covered, Self::NotCovered, Self::Undetermined, Self::PartlyCovered];
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(verdicts.map(Self::as_str))).into()
    }
}

impl ToSchema for Warning {}

impl PartialSchema for Warning {
    /// `code` and `text`, then the parameters of the code.
    fn schema() -> RefOr<Schema> {
        let text = |description: &str| {
            ObjectBuilder::new().schema_type(Type::String).description(Some(description.to_owned()))
        };
        let regions = ArrayBuilder::new().items(ObjectBuilder::new().schema_type(Type::String));
        ObjectBuilder::new()
            .description(Some("What a reader of the answer should know besides."))
            .property("code", text("Stable name.").enum_values(Some(Self::CODES)))
            .property("text", text("The same for a person, in English."))
            .property("platform", ObjectBuilder::new().schema_type(nullable(Type::String)))
            .property("order_id", ObjectBuilder::new().schema_type(Type::String))
            .property("count", ObjectBuilder::new().schema_type(Type::Integer))
            .property("since", ObjectBuilder::new().schema_type(Type::String))
            .property("commit", ObjectBuilder::new().schema_type(Type::Integer))
            .property("regions", regions)
            .required("code")
            .required("text")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
            .into()
    }
}

fn nullable(schema_type: Type) -> utoipa::openapi::schema::SchemaType {
    utoipa::openapi::schema::SchemaType::Array(vec![schema_type, Type::Null])
}
