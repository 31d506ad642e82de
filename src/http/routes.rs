//! Every route, with who may use it: the one table that the router is built from, so that no route is without a rule.

use super::backend::Source;
use super::state::HttpState;
use super::{
    answers, batch, coverage, health, openapi, order, page, progress, rejections, statement, timeline, tlog,
};
use crate::access::Role;
use axum::http::Method;
use axum::routing::{MethodRouter, get, post};

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    /// Everyone: nothing there is about a person or an order.
    Anyone,
    /// Everyone who is known, in any role.
    Known,
    /// These roles; what they see is cut to their scope.
    Roles(&'static [Role]),
}

impl May {
    pub(super) fn allows(self, role: Role) -> bool {
        match self {
            Self::Anyone | Self::Known => true,
            Self::Roles(roles) => roles.contains(&role),
        }
    }
}

/// What guards and limits a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Among the requests that are answered at a time.
    Limited,
    /// Takes its place when its body is there.
    Batch,
    /// Answers under overload, too.
    Watched,
}

/// A route and its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// `GET` (with `HEAD`) or `POST`.
    pub(super) method: &'static str,
    /// As the router writes it.
    pub(super) path: &'static str,
    pub(super) group: Group,
    pub(super) may: May,
    /// Whether it asks about riders or orders, so that the asker may have to say why.
    pub(super) asks_reason: bool,
    /// Whether it is a page: who is not known is led to sign in.
    pub(super) is_page: bool,
}

/// Those who ask about riders and orders.
const RIDERS: May = May::Roles(&[Role::Claims, Role::Platform, Role::Auditor, Role::Admin]);
/// Those who watch the service; a platform watches itself.
const WATCHERS: May = May::Roles(&[Role::Ops, Role::Platform, Role::Auditor, Role::Admin]);

/// Those who see how the whole service does.
const OPERATORS: May = May::Roles(&[Role::Ops, Role::Auditor, Role::Admin]);

const fn rule(method: &'static str, path: &'static str, group: Group, may: May) -> Rule {
    Rule { method, path, group, may, asks_reason: false, is_page: false }
}

const fn asking(method: &'static str, path: &'static str, group: Group) -> Rule {
    Rule { asks_reason: true, ..rule(method, path, group, RIDERS) }
}

/// Every route. The router is built from it, in [`all`].
pub(super) const RULES: [Rule; 37] = [
    Rule { is_page: true, ..asking("GET", "/", Group::Limited) },
    Rule { is_page: true, ..rule("GET", "/bulk", Group::Limited, RIDERS) },
    Rule { is_page: true, ..asking("POST", "/bulk", Group::Batch) },
    Rule { is_page: true, ..rule("GET", "/bulk/{job}", Group::Limited, RIDERS) },
    Rule { is_page: true, ..rule("POST", "/bulk/{job}/remove", Group::Limited, RIDERS) },
    Rule { is_page: true, ..rule("GET", "/bulk/{job}/answers.csv", Group::Limited, RIDERS) },
    Rule { is_page: true, ..rule("GET", "/bulk/{job}/answers.xlsx", Group::Limited, RIDERS) },
    Rule { is_page: true, ..asking("GET", "/rider", Group::Limited) },
    Rule { is_page: true, ..asking("GET", "/order", Group::Limited) },
    Rule { is_page: true, ..rule("GET", "/answer", Group::Limited, RIDERS) },
    // A receipt shows a rider's whole day, on every platform.
    Rule {
        is_page: true,
        may: May::Roles(&[Role::Claims, Role::Auditor, Role::Admin]),
        ..asking("GET", "/receipt", Group::Limited)
    },
    Rule {
        is_page: true,
        ..rule("GET", "/access-log", Group::Limited, May::Roles(&[Role::Auditor, Role::Admin]))
    },
    Rule { is_page: true, ..rule("GET", "/operations", Group::Limited, OPERATORS) },
    asking("GET", "/v1/coverage", Group::Limited),
    asking("POST", "/v1/coverage/batch", Group::Batch),
    asking("GET", "/v1/riders/{rider_id}/timeline", Group::Limited),
    asking("GET", "/v1/orders/{platform}/{order_id}", Group::Limited),
    rule("GET", "/v1/statements", Group::Limited, May::Roles(&[Role::Platform, Role::Auditor, Role::Admin])),
    rule(
        "GET",
        "/v1/rejections",
        Group::Limited,
        May::Roles(&[Role::Platform, Role::Auditor, Role::Ops, Role::Admin]),
    ),
    rule("GET", "/v1/answers", Group::Limited, RIDERS),
    rule("GET", "/v1/answers/{number}", Group::Limited, RIDERS),
    rule("GET", "/v1/progress", Group::Limited, May::Known),
    rule("GET", "/v1/openapi.json", Group::Limited, May::Anyone),
    rule("GET", "/docs", Group::Limited, May::Anyone),
    rule("GET", "/sign-in", Group::Limited, May::Anyone),
    rule("POST", "/sign-in", Group::Limited, May::Anyone),
    rule("GET", "/sign-in/oidc", Group::Limited, May::Anyone),
    rule("GET", "/sign-in/oidc/callback", Group::Limited, May::Anyone),
    Rule { is_page: true, ..rule("POST", "/sign-out", Group::Limited, May::Known) },
    // Who holds a receipt looks there for newer checkpoints. It shows days, platforms and
    // numbers of riders, nothing of a rider or an order.
    rule("GET", "/tlog/checkpoint", Group::Limited, May::Anyone),
    rule("GET", "/tlog/keys", Group::Limited, May::Anyone),
    rule("GET", "/tlog/tile/{*path}", Group::Limited, May::Anyone),
    rule("GET", "/livez", Group::Watched, May::Anyone),
    rule("GET", "/readyz", Group::Watched, May::Anyone),
    rule("GET", "/metrics", Group::Watched, WATCHERS),
    rule("GET", "/assets/page.css", Group::Watched, May::Anyone),
    rule("GET", "/assets/icon.svg", Group::Watched, May::Anyone),
];

/// The rule of a route; `HEAD` goes by that of `GET`.
pub(super) fn rule_of(path: &str, method: &Method) -> Option<&'static Rule> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    RULES.iter().find(|rule| rule.path == path && rule.method == method.as_str())
}

/// Every rule with its handler. A rule without a handler does not compile away: a test asks each of them.
pub(super) fn all<S: Source>() -> Vec<(&'static Rule, MethodRouter<HttpState<S>>)> {
    let handler = |rule: &Rule| match (rule.method, rule.path) {
        (_, "/v1/coverage") => Some(get(coverage::get::<S>)),
        (_, "/v1/coverage/batch") => Some(post(batch::post::<S>)),
        (_, "/v1/riders/{rider_id}/timeline") => Some(get(timeline::get::<S>)),
        (_, "/v1/orders/{platform}/{order_id}") => Some(get(order::get::<S>)),
        (_, "/v1/statements") => Some(get(statement::get::<S>)),
        (_, "/v1/rejections") => Some(get(rejections::get::<S>)),
        (_, "/v1/answers") => Some(get(answers::list::<S>)),
        (_, "/v1/answers/{number}") => Some(get(answers::get::<S>)),
        (_, "/v1/progress") => Some(get(progress::get::<S>)),
        (_, "/v1/openapi.json") => Some(get(openapi::get)),
        (_, "/docs") => Some(get(openapi::get_page)),
        (_, "/tlog/checkpoint") => Some(get(tlog::checkpoint::<S>)),
        (_, "/tlog/keys") => Some(get(tlog::keys::<S>)),
        (_, "/tlog/tile/{*path}") => Some(get(tlog::tile::<S>)),
        (_, "/livez") => Some(get(health::live)),
        (_, "/readyz") => Some(get(health::ready::<S>)),
        (_, "/metrics") => Some(get(health::metrics::<S>)),
        (method, path) => page::handler(method, path),
    };
    RULES.iter().filter_map(|rule| handler(rule).map(|handler| (rule, handler))).collect()
}
