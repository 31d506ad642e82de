//! The coverledger command: arguments, then the command, then an exit code.

use clap::Parser;
use coverledger::cli::{self, Cli, Command, Ending};
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// Freed memory goes back to the system within seconds, whatever its size; see `docs/decisions/0012-allocator.md`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What a shell reports of a program that a closed pipe ended (128 + SIGPIPE): not 0, for what was asked was not told.
const CLOSED_PIPE: u8 = 141;

/// Standard output that remembers whether its reader went away.
struct Output<W> {
    inner: W,
    is_closed: bool,
}

impl<W> Output<W> {
    fn note<T>(&mut self, result: std::io::Result<T>) -> std::io::Result<T> {
        self.is_closed |= result.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe);
        result
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let result = self.inner.write(bytes);
        self.note(result)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let result = self.inner.flush();
        self.note(result)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = Output { inner: std::io::stdout().lock(), is_closed: false };
    let ended = run(cli.command, &mut out).and_then(|ending| {
        out.flush()?;
        Ok(ending)
    });
    match ended {
        Ok(ending) => ExitCode::from(ending.exit_code()),
        // The reader has enough (`coverledger statement | head`): no error.
        Err(_) if out.is_closed => ExitCode::from(CLOSED_PIPE),
        Err(error) => {
            // The exit code counts even where standard error has no reader.
            let _unread = writeln!(std::io::stderr(), "coverledger: {error:#}");
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
        Command::Restore(args) => cli::restore::run(&args, out),
        Command::Migrate(args) => cli::migrate::run(&args, out),
        Command::Failover(args) => cli::failover::run(&args, out),
        Command::Token(args) => cli::token::run(&args, out),
        Command::Account(args) => cli::account::run(&args, out),
        Command::Answers(args) => cli::answers::run(&args, out),
        Command::Verify(args) => cli::verify::run(&args, out),
        Command::Seal(args) => cli::seal::run(&args, out),
        Command::Receipt(args) => cli::receipt::run(&args, out),
        Command::Compare(args) => cli::compare::run(&args, out),
        Command::VerifyReceipt(args) => cli::verify_receipt::run(&args, out),
        Command::Lookup(args) => cli::lookup::run(&args, out),
        Command::Explain(args) => cli::explain::run(&args, out),
        Command::Timeline(args) => cli::timeline::run(&args, out),
        Command::Statement(args) => cli::statement::run(&args, out),
        Command::Rejections(args) => cli::rejections::run(&args, out),
        Command::CheckConfig { file } => {
            let outcome = cli::check_config::run(&file, &|name| std::env::var(name).ok(), out)?;
            Ok(if outcome.exit_code() == 0 { Ending::Holds } else { Ending::BadConfig })
        }
        Command::Doctor(args) => cli::doctor::run(&args, out),
        Command::Openapi => {
            out.write_all(coverledger::http::openapi_json()?.as_bytes())?;
            Ok(Ending::Holds)
        }
        Command::Generate(args) => cli::generate::run(&args, out, &mut |_| {}).map(|_| Ending::Holds),
    }
}
