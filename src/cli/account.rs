//! `coverledger account`: people who sign in.

use super::access::{Opened, RoleArgs, write_table};
use super::{Ending, WrongUsage};
use crate::access::{Account, NewAccount, PASSWORD_BYTES_MAX, role_text};
use crate::domain::time::UtcMillis;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::PathBuf;

/// Arguments of `account`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  coverledger account create li.wei --role claims --region 31 --config coverledger.toml
  coverledger account password li.wei --config coverledger.toml < password-file
  coverledger account role li.wei --role auditor --config coverledger.toml
  coverledger account disable li.wei --config coverledger.toml

A password is asked for at the terminal, or is the first line of standard input; never an argument, which others could
see. Every change ends the account's sessions; a running service takes it over within a second.")]
pub struct AccountArgs {
    #[command(subcommand)]
    what: What,
}

/// An account by its name.
#[derive(Debug, Args)]
struct Named {
    /// Its name.
    name: String,
    /// The configuration file of the service.
    #[arg(long)]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make an account.
    Create {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        role: RoleArgs,
    },
    /// List the accounts.
    List {
        /// The configuration file of the service.
        #[arg(long)]
        config: PathBuf,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Let an account sign in no more.
    Disable(Named),
    /// Let a disabled account sign in again.
    Enable(Named),
    /// Give an account another password.
    Password(Named),
    /// Give an account another role.
    Role {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        role: RoleArgs,
    },
}

/// Runs the command.
///
/// # Errors
/// The configuration or the access store cannot be used; a name that is taken or unknown; a password that is too weak.
pub fn run(args: &AccountArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    match &args.what {
        What::Create { named, role } => {
            let (role, scope) = role.read()?;
            let opened = Opened::open_to_change(&named.config)?;
            let new = NewAccount { name: named.name.clone(), role, scope };
            opened.store.create_account(&new, &password()?, &opened.actor, opened.now)?;
            writeln!(out, "{} may sign in: {}", named.name, role_text(role, &new.scope))?;
        }
        What::List { config, json } => list(&Opened::open(config)?, *json, out)?,
        What::Disable(named) => {
            let opened = Opened::open_to_change(&named.config)?;
            opened.store.set_disabled(&named.name, true, &opened.actor, opened.now)?;
            writeln!(out, "{} may sign in no more", named.name)?;
        }
        What::Enable(named) => {
            let opened = Opened::open_to_change(&named.config)?;
            opened.store.set_disabled(&named.name, false, &opened.actor, opened.now)?;
            writeln!(out, "{} may sign in again", named.name)?;
        }
        What::Password(named) => {
            let opened = Opened::open_to_change(&named.config)?;
            opened.store.set_password(&named.name, &password()?, &opened.actor, opened.now)?;
            writeln!(out, "{} has a new password", named.name)?;
        }
        What::Role { named, role } => {
            let (role, scope) = role.read()?;
            let opened = Opened::open_to_change(&named.config)?;
            opened.store.set_role(&named.name, (role, &scope), &opened.actor, opened.now)?;
            writeln!(out, "{} has the role {}", named.name, role_text(role, &scope))?;
        }
    }
    Ok(Ending::Holds)
}

/// A password, typed twice without an echo; without a terminal, the first line of standard input.
fn password() -> anyhow::Result<String> {
    let input = std::io::stdin();
    if input.is_terminal() {
        let ask = |prompt| rpassword::prompt_password(prompt).context("Failed to read the password");
        let typed = ask("Password: ")?;
        if typed != ask("Again: ")? {
            bail!(WrongUsage("the two passwords differ: try again".to_owned()));
        }
        return Ok(typed);
    }
    let mut line = String::new();
    let bytes_max = u64::try_from(PASSWORD_BYTES_MAX.saturating_add(3)).unwrap_or(u64::MAX);
    input
        .lock()
        .take(bytes_max)
        .read_line(&mut line)
        .context("Failed to read the password from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn list(opened: &Opened, json: bool, out: &mut dyn Write) -> std::io::Result<()> {
    let accounts = opened.store.accounts().map_err(std::io::Error::other)?;
    if json {
        return accounts.iter().try_for_each(|account| writeln!(out, "{}", as_json(account, opened)));
    }
    let head = ["NAME", "ROLE", "STATE", "CREATED", "LAST SIGN-IN"].map(str::to_owned);
    let rows = accounts.iter().map(|account| {
        let state = if account.disabled.is_some() { "disabled" } else { "enabled" };
        vec![
            account.name.clone(),
            role_text(account.role, &account.scope),
            state.to_owned(),
            opened.time(account.created),
            account.last_sign_in.map_or_else(|| "never".to_owned(), |at| opened.time(at)),
        ]
    });
    write_table(out, &std::iter::once(head.into()).chain(rows).collect::<Vec<_>>())
}

fn as_json(account: &Account, opened: &Opened) -> serde_json::Value {
    let time = |at: Option<UtcMillis>| at.map(|at| opened.time(at));
    let regions: Vec<String> = account.scope.regions().iter().map(ToString::to_string).collect();
    json!({
        "name": account.name,
        "role": account.role.as_str(),
        "platform": account.scope.platform(),
        "regions": regions,
        "created": opened.time(account.created),
        "last_sign_in": time(account.last_sign_in),
        "disabled": time(account.disabled),
    })
}
