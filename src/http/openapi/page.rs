//! `GET /docs`: the description for people. Rendered here from the document, works without script.

use super::HOUR;
use askama::Template;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};
use serde_json::Value;

#[derive(Template)]
#[template(path = "docs.html")]
struct Page {
    version: &'static str,
    description: String,
    groups: Vec<Group>,
    schemas: Vec<Schema>,
}

/// The calls under one tag.
struct Group {
    name: String,
    description: String,
    calls: Vec<Call>,
}

struct Call {
    id: String,
    method: String,
    path: String,
    summary: String,
    parameters: Vec<Parameter>,
    body: Option<String>,
    responses: Vec<Reply>,
}

struct Parameter {
    name: String,
    place: String,
    kind: Kind,
    is_required: bool,
    description: String,
}

struct Reply {
    status: String,
    description: String,
    contents: Vec<(String, Kind)>,
}

/// A named shape.
struct Schema {
    name: String,
    description: String,
    /// The shapes whose members it has as well.
    includes: Vec<Kind>,
    members: Vec<Member>,
}

struct Member {
    name: String,
    kind: Kind,
    is_required: bool,
    description: String,
}

/// A type in words, with a link where it is a named shape.
#[derive(Default)]
struct Kind {
    text: String,
    link: Option<String>,
}

pub(in crate::http) async fn get() -> Response {
    let document = serde_json::to_value(super::document()).unwrap_or_default();
    match page(&document).render() {
        Ok(page) => ([HOUR, (CONTENT_TYPE, "text/html; charset=utf-8")], Html(page)).into_response(),
        Err(error) => {
            tracing::error!(%error, "Failed to render the description of the interface: this is a defect");
            axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn page(document: &Value) -> Page {
    let calls = |tag: &str| {
        let paths = document["paths"].as_object().into_iter().flatten();
        let calls = paths.flat_map(|(path, item)| {
            item.as_object().into_iter().flatten().map(move |(method, call)| (path, method, call))
        });
        let is_tagged = |call: &Value| call.pointer("/tags/0").is_some_and(|first| first == tag);
        calls
            .filter(|(_, _, call)| is_tagged(call))
            .map(|(path, method, call)| read_call(path, method, call))
            .collect()
    };
    let groups = array(&document["tags"]).map(|tag| Group {
        name: text(&tag["name"]),
        description: text(&tag["description"]),
        calls: calls(tag["name"].as_str().unwrap_or_default()),
    });
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten();
    Page {
        version: env!("CARGO_PKG_VERSION"),
        description: document.pointer("/info/description").map(text).unwrap_or_default(),
        groups: groups.collect(),
        schemas: schemas.map(|(name, schema)| read_schema(name, schema)).collect(),
    }
}

fn read_call(path: &str, method: &str, call: &Value) -> Call {
    let parameters = array(&call["parameters"]).map(|parameter| Parameter {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        kind: kind(&parameter["schema"]),
        is_required: parameter["required"] == true,
        description: text(&parameter["description"]),
    });
    let responses = call["responses"].as_object().into_iter().flatten().map(|(status, reply)| Reply {
        status: status.clone(),
        description: text(&reply["description"]),
        contents: contents(&reply["content"]),
    });
    Call {
        id: text(&call["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&call["summary"]),
        parameters: parameters.collect(),
        body: call.pointer("/requestBody/description").map(text),
        responses: responses.collect(),
    }
}

fn contents(content: &Value) -> Vec<(String, Kind)> {
    let contents = content.as_object().into_iter().flatten();
    contents.map(|(media_type, content)| (media_type.clone(), kind(&content["schema"]))).collect()
}

fn read_schema(name: &str, schema: &Value) -> Schema {
    // A shape that includes another is a list of both.
    let parts: Vec<&Value> =
        if schema["allOf"].is_array() { array(&schema["allOf"]).collect() } else { vec![schema] };
    let own = |part: &&&Value| part["properties"].is_object();
    let members = parts.iter().filter(own).flat_map(|part| {
        let is_required = |name: &str| array(&part["required"]).any(|required| required == name);
        part["properties"].as_object().into_iter().flatten().map(move |(name, member)| Member {
            name: name.clone(),
            kind: kind(member),
            is_required: is_required(name),
            description: text(&member["description"]),
        })
    });
    let others = parts.iter().filter(|part| !part["properties"].is_object());
    Schema {
        name: name.to_owned(),
        description: text(&schema["description"]),
        members: members.collect(),
        includes: others.map(|part| kind(part)).filter(|kind| !kind.text.is_empty()).collect(),
    }
}

/// A schema in a few words.
fn kind(schema: &Value) -> Kind {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return Kind { text: name.to_owned(), link: Some(name.to_owned()) };
    }
    let choices = ["oneOf", "anyOf"].iter().find(|name| schema[**name].is_array());
    if let Some(choices) = choices {
        let kinds: Vec<Kind> = array(&schema[*choices]).map(kind).collect();
        let link = kinds.iter().find_map(|kind| kind.link.clone());
        let texts: Vec<String> = kinds.into_iter().map(|kind| kind.text).collect();
        return Kind { text: texts.join(" or "), link };
    }
    if schema["enum"].is_array() {
        let values: Vec<String> = array(&schema["enum"]).map(ToString::to_string).collect();
        return Kind { text: values.join(" | "), link: None };
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
        other => text(other),
    };
    if schema["items"].is_object() {
        let items = kind(&schema["items"]);
        return Kind { text: format!("{types} of {}", items.text), link: items.link };
    }
    Kind { text: types, link: None }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
