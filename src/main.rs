//! The coverledger command: arguments, then the command, then an exit code.

use clap::Parser;
use coverledger::cli::{self, Cli, Command, Ending};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = std::io::stdout().lock();
    let ended = run(cli.command, &mut out).and_then(|ending| {
        out.flush()?;
        Ok(ending)
    });
    match ended {
        Ok(ending) => ExitCode::from(ending.exit_code()),
        Err(error) => {
            eprintln!("coverledger: failed: {error:#}");
            ExitCode::from(cli::exit_code(&error))
        }
    }
}

fn run(command: Command, out: &mut dyn Write) -> anyhow::Result<Ending> {
    match command {
        Command::Demo(args) => cli::demo::run(&args, out),
        Command::Serve(args) => cli::serve::run(&args),
        Command::Ingest(args) => cli::ingest::run(&args, out),
        Command::Backup(args) => cli::backup::run(&args, out),
        Command::Verify(args) => cli::verify::run(&args, out),
        Command::Lookup(args) => cli::lookup::run(&args, out),
        Command::Timeline(args) => cli::timeline::run(&args, out),
        Command::Statement(args) => cli::statement::run(&args, out),
        Command::Rejections(args) => cli::rejections::run(&args, out),
        Command::CheckConfig { file } => {
            let outcome = cli::check_config::run(&file, &|name| std::env::var(name).ok(), out)?;
            Ok(if outcome.exit_code() == 0 { Ending::Holds } else { Ending::BadConfig })
        }
        Command::Generate(args) => cli::generate::run(&args, out, &mut |_| {}).map(|_| Ending::Holds),
    }
}
