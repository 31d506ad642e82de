//! `coverledger demo`: the whole service with invented riders, and a guide that shows what to ask.

mod ask;
mod examples;
mod guide;
mod status;

use super::Ending;
use crate::app::demo::{Demo, DemoOptions, Person};
use crate::telemetry::log::{self, LogFormat};
use anyhow::Context;
use ask::Service;
use clap::Args;
use guide::Guide;
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often the guide looks around.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often it reports the status.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    coverledger demo\n  \
    coverledger demo --orders-per-second 50 --listen 127.0.0.1:9000\n  \
    coverledger demo --speed 60       (three hours of orders in three minutes, then real time)\n  \
    coverledger demo --keep demo      (afterwards: coverledger statement --config demo/demo.toml)\n\
    Ctrl-C or SIGTERM ends it with 0 and removes everything that is not kept.")]
pub struct DemoArgs {
    /// Where to listen; if it is taken, a free port is used
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The last hours of orders arrive at once (1), or pass this many times faster than real time
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    speed: u32,
    /// Orders that are accepted in a second
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    orders_per_second: u32,
    /// Another seed, other riders
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End by itself after this many seconds
    #[arg(long, value_name = "SECONDS")]
    duration: Option<u64>,
    /// Keep configuration and ledger in this new folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Log filter, such as `info` or `coverledger=debug,info`
    #[arg(long, env = "COVERLEDGER_LOG", default_value = "warn")]
    log: String,
}

/// Runs the demo until it is asked to stop.
///
/// # Errors
/// Whatever failed first.
pub fn run(args: &DemoArgs, out: &mut dyn Write) -> anyhow::Result<Ending> {
    // The embedded broker does not tell how its topics are configured, and needs no advice about it.
    let filter = format!("{},coverledger::ingest::kafka::described=error", args.log);
    log::init(LogFormat::Text, &filter)?;
    let until = args.duration.map(|s| Instant::now() + Duration::from_secs(s));
    let mut demo = Demo::start(&DemoOptions {
        listen: args.listen,
        speed: args.speed,
        orders_per_second: args.orders_per_second,
        seed: args.seed,
        keep: args.keep.clone(),
    })?;
    let told = guide(&mut demo, args, until, out);
    let (folder, is_kept) = (demo.folder().to_path_buf(), demo.is_kept());
    let ended = demo.finish();
    match told {
        // The reader went away, e.g. `| head`: a normal end.
        Err(error) if is_broken_pipe(&error) => return ended.map(|()| Ending::Holds),
        told => told.and(ended)?,
    }
    if is_kept {
        writeln!(
            out,
            "Stopped. Everything is kept in {0}: coverledger verify --config {0}/demo.toml",
            folder.display()
        )?;
    } else {
        writeln!(out, "Stopped; {} is removed.", folder.display())?;
    }
    Ok(Ending::Holds)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Tells what there is to see until the demo is over.
fn guide(
    demo: &mut Demo,
    args: &DemoArgs,
    until: Option<Instant>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let service = Service::new(demo.address(), &demo.people().token)?;
    welcome(demo, &service, args, out)?;
    let (mut guide, mut said) = (Guide::default(), Instant::now());
    while until.is_none_or(|until| Instant::now() < until) {
        if demo.is_over_within(LOOK_EVERY)? {
            return Ok(());
        }
        if let Some(examples) = guide.step(demo, &service)? {
            status::write(demo.scenes(), demo.zone(), &service, out)?;
            examples::write(&examples, &service, &demo.people().token, out)?;
            writeln!(out, "\nThe riders continue. Ctrl-C ends the demo.\n")?;
            out.flush()?;
            said = Instant::now();
        }
        if said.elapsed() >= STATUS_EVERY {
            status::write(demo.scenes(), demo.zone(), &service, out)?;
            out.flush()?;
            said = Instant::now();
        }
    }
    Ok(())
}

fn welcome(demo: &Demo, service: &Service, args: &DemoArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "coverledger demo: six platforms stream the orders of invented riders to a broker inside this process; the\n\
         service charges every order, remembers its cover, and answers. Nothing else is needed on this machine.\n"
    )?;
    if let Some(wanted) = demo.moved_from() {
        writeln!(out, "{wanted} is taken by another process: a free port is used instead.")?;
    }
    let retention = if demo.is_kept() { "kept" } else { "removed at the end; --keep DIR keeps it elsewhere" };
    writeln!(out, "  page     {}/", service.url())?;
    writeln!(out, "  folder   {} ({retention})\n", demo.folder().display())?;
    writeln!(out, "Sign in there as one of three people; accounts and passwords are of this demo only:\n")?;
    for Person { name, role, password, first_page } in &demo.people().persons {
        let link = format!("{}/sign-in?name={name}&next={first_page}", service.url());
        writeln!(out, "  {name:<10} {role:<14} password {}  {link}", password.expose())?;
    }
    writeln!(out)?;
    if args.speed > 1 {
        writeln!(out, "The last hours pass {} times faster than real time ...", args.speed)?;
    } else {
        writeln!(out, "Taking in the orders of the last hours ...")?;
    }
    out.flush().context("Failed to write to standard output")
}
