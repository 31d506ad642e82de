//! `coverledger token`: tokens of systems that ask.

use super::access::{Opened, RoleArgs, write_table};
use super::{Ending, WrongUsage, typed};
use crate::access::{NewToken, Token, role_text};
use crate::domain::time::{DAY_MS, UtcMillis};
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `token`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  coverledger token create claims-system --role claims --expires 365d --config coverledger.toml
  coverledger token create dada-portal --role platform:dada --config coverledger.toml
  coverledger token list --config coverledger.toml
  coverledger token revoke dada-portal --config coverledger.toml

A running service takes every change over within a second.")]
pub struct TokenArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a token and print it: this once, since only its hash is kept.
    Create {
        /// Its name in lists and logs; a name is used once.
        name: String,
        #[command(flatten)]
        role: RoleArgs,
        /// When it expires: days from now such as 365d, or a date or instant.
        #[arg(long, value_name = "TIME", default_value = "365d")]
        expires: String,
        /// The configuration file of the service.
        #[arg(long)]
        config: PathBuf,
    },
    /// List the tokens, with their last use.
    List {
        /// The configuration file of the service.
        #[arg(long)]
        config: PathBuf,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token for good.
    Revoke {
        /// Its name.
        name: String,
        /// The configuration file of the service.
        #[arg(long)]
        config: PathBuf,
    },
}

/// Runs the command.
///
/// # Errors
/// The configuration or the access store cannot be used; a name that is taken or unknown.
pub fn run(args: &TokenArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    match &args.what {
        What::Create { name, role, expires, config } => {
            let (role, scope) = role.read()?;
            let opened = Opened::open_to_change(config)?;
            let expires = expiry(expires, &opened)?;
            let new = NewToken { name: name.clone(), role, scope, expires };
            let token = opened.store.create_token(&new, &opened.actor, opened.now)?;
            writeln!(out, "{token}")?;
            let told = format!("{name}: {}, expires {}", role_text(role, &new.scope), opened.time(expires));
            let _unread = writeln!(std::io::stderr(), "{told}; the token is shown this once");
        }
        What::List { config, json } => {
            let opened = Opened::open(config)?;
            let tokens = opened.store.tokens()?;
            if *json {
                tokens.iter().try_for_each(|token| writeln!(out, "{}", as_json(token, &opened)))?;
            } else {
                let head = ["NAME", "ROLE", "STATE", "CREATED", "EXPIRES", "LAST USED"].map(str::to_owned);
                let rows = tokens.iter().map(|token| row(token, &opened));
                write_table(out, &std::iter::once(head.into()).chain(rows).collect::<Vec<_>>())?;
            }
        }
        What::Revoke { name, config } => {
            let opened = Opened::open_to_change(config)?;
            opened.store.revoke_token(name, &opened.actor, opened.now)?;
            writeln!(out, "{name} is revoked")?;
        }
    }
    Ok(Ending::Holds)
}

/// `365d`, or a date or instant in the configured zone.
fn expiry(text: &str, opened: &Opened) -> Result<UtcMillis, WrongUsage> {
    match text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok()) {
        Some(days @ 1..=36_500) => Ok(opened.now.plus(days.saturating_mul(DAY_MS))),
        Some(_) => Err(WrongUsage(format!("--expires {text}: write 1d to 36500d"))),
        None => typed::from(text, &opened.config.zone)
            .map_err(|WrongUsage(error)| WrongUsage(error.replace("--from", "--expires"))),
    }
}

fn state(token: &Token, now: UtcMillis) -> &'static str {
    match token {
        Token { revoked: Some(_), .. } => "revoked",
        Token { expires, .. } if *expires <= now => "expired",
        _ => "valid",
    }
}

fn row(token: &Token, opened: &Opened) -> Vec<String> {
    vec![
        token.name.clone(),
        role_text(token.role, &token.scope),
        state(token, opened.now).to_owned(),
        opened.time(token.created),
        opened.time(token.expires),
        token.last_used.map_or_else(|| "never".to_owned(), |at| opened.time(at)),
    ]
}

fn as_json(token: &Token, opened: &Opened) -> serde_json::Value {
    let time = |at: Option<UtcMillis>| at.map(|at| opened.time(at));
    let regions: Vec<String> = token.scope.regions().iter().map(ToString::to_string).collect();
    json!({
        "name": token.name,
        "role": token.role.as_str(),
        "platform": token.scope.platform(),
        "regions": regions,
        "state": state(token, opened.now),
        "created": opened.time(token.created),
        "expires": opened.time(token.expires),
        "last_used": time(token.last_used),
        "revoked": time(token.revoked),
    })
}
