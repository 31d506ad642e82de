//! From a path to a [`Config`]: files are read, laid over the embedded defaults, and checked as a whole.

use super::AccessSettings;
use super::AnswerSettings;
use super::Config;
use super::HttpSettings;
use super::IngestSettings;
use super::KafkaSettings;
use super::LedgerSettings;
use super::Limits;
use super::SealSettings;
use super::ShutdownSettings;
use super::StorageSettings;
use super::platforms;
use super::problem::{ConfigErrors, Report};
use super::reader::{Layer, Section};
use super::secret::Outside;
use super::source::Source;
use super::tariff::Rules;
use super::value;
use super::zone;
use crate::domain::platform::Platforms;
use crate::domain::tariff::Tariff;
use crate::domain::time::Zone;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::DeTable;

/// Every key with its meaning and default; in force wherever a file says nothing.
pub(super) const DEFAULTS: &str = include_str!("../../config/default.toml");
const DEMO: &str = include_str!("../../config/demo.toml");
const CHINA: &str = include_str!("../../config/tariffs/china-2025-07.toml");
/// Where the demo's configuration names it.
const CHINA_PATH: &str = "tariffs/china-2025-07.toml";
/// Files that one configuration may include.
const INCLUDES_MAX: usize = 1_000;

impl Config {
    /// Reads the file and everything it includes.
    ///
    /// # Errors
    /// Every problem of all files.
    pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let files = RefCell::new(Vec::new());
        let read: &dyn Fn(&Path) -> io::Result<String> = &|path| {
            files.borrow_mut().push(path.to_path_buf());
            std::fs::read_to_string(path)
        };
        let name = path.display().to_string();
        match read(path) {
            Ok(text) => {
                let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
                match build(source(name, folder, text), Outside { read, env }) {
                    Ok((config, _)) => Ok(Self { files: files.take(), ..config }),
                    Err(errors) => Err(ConfigErrors { files: files.take(), ..errors }),
                }
            }
            Err(error) => {
                let mut report = Report::default();
                report.problem(name, format!("Failed to read the file: {error}"));
                Err(report.into_errors())
            }
        }
    }

    /// The configuration of the demo, which needs no file.
    ///
    /// # Errors
    /// None, as a test shows; the type is that of [`Config::load`].
    pub fn embedded() -> Result<Self, ConfigErrors> {
        let read: &dyn Fn(&Path) -> io::Result<String> = &|path| match path.to_str() {
            Some(CHINA_PATH) => Ok(CHINA.to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let main = source("demo.toml".to_owned(), PathBuf::new(), DEMO.to_owned());
        build(main, Outside { read, env: &|_| None }).map(|(config, _)| config)
    }

    /// The files of [`Config::embedded`], each with its path: `demo.toml` first.
    pub const fn embedded_files() -> [(&'static str, &'static str); 2] {
        [("demo.toml", DEMO), (CHINA_PATH, CHINA)]
    }

    /// A configuration from its text. Files that it names are relative to the working directory.
    ///
    /// # Errors
    /// Every problem of the text.
    pub fn from_text(text: &str) -> Result<Self, ConfigErrors> {
        let read: &dyn Fn(&Path) -> io::Result<String> = &|path| std::fs::read_to_string(path);
        let main = source("config.toml".to_owned(), PathBuf::new(), text.to_owned());
        build(main, Outside { read, env: &|_| None }).map(|(config, _)| config)
    }
}

pub(super) fn source(name: String, folder: PathBuf, text: String) -> Source {
    Source::new(name, "configuration".to_owned(), folder, text)
}

type Parsed<'a> = Spanned<DeTable<'a>>;

/// The table of a file; what is no TOML is reported.
fn parse<'a>(source: &'a Source, report: &mut Report) -> (Parsed<'a>, bool) {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let valid = errors.is_empty();
    for error in errors {
        // The message alone: the error's own rendering quotes the line, which may contain a secret.
        let offset = error.span().map_or(0, |span| span.start);
        report.problem(source.place(offset), format!("not valid TOML: {}", error.message()));
    }
    (table, valid)
}

fn layer<'a>(source: &'a Source, parsed: &'a Parsed<'a>) -> Layer<'a> {
    Layer { source, table: parsed.get_ref(), offset: 0 }
}

/// The files that the main one includes.
fn included(main: &Source, outside: Outside<'_>, report: &mut Report) -> Vec<Source> {
    let (parsed, _) = parse(main, &mut Report::default());
    let mut root = Section::new("", Some(layer(main, &parsed)), Vec::new());
    let Some(found) = root.get_own("include") else { return Vec::new() };
    let names = root.read_own("include", report, value::texts).unwrap_or_default();
    if names.len() > INCLUDES_MAX {
        report.problem(found.place(), format!("`include` names more than {INCLUDES_MAX} files"));
        return Vec::new();
    }
    let mut sources: Vec<Source> = Vec::new();
    for name in names {
        let path = main.folder.join(&name);
        if sources.iter().any(|earlier| Path::new(&earlier.name) == path) {
            report.problem(found.place(), format!("`{name}` is included twice: keep one"));
            continue;
        }
        match (outside.read)(&path) {
            Ok(text) => {
                let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
                sources.push(Source::new(
                    path.display().to_string(),
                    format!("include {name}"),
                    folder,
                    text,
                ));
            }
            Err(error) => {
                report.problem(found.place(), format!("Failed to read the included file `{name}`: {error}"))
            }
        }
    }
    sources
}

/// Builds the configuration; the report is given back so that tests can see which keys are known.
pub(super) fn build(main: Source, outside: Outside<'_>) -> Result<(Config, Report), ConfigErrors> {
    let mut report = Report::default();
    let includes = included(&main, outside, &mut report);
    let defaults = Source::new(
        "the embedded defaults".to_owned(),
        "defaults".to_owned(),
        main.folder.clone(),
        DEFAULTS.to_owned(),
    );
    let (parsed_main, main_valid) = parse(&main, &mut report);
    let (parsed_defaults, _) = parse(&defaults, &mut report);
    let parsed_includes: Vec<_> = includes.iter().map(|source| parse(source, &mut report)).collect();
    if !main_valid || parsed_includes.iter().any(|(_, valid)| !valid) {
        // What a damaged file seems to say is not worth more messages.
        return Err(report.into_errors());
    }
    let mut root =
        Section::new("", Some(layer(&main, &parsed_main)), vec![layer(&defaults, &parsed_defaults)]);
    root.get_own("include");
    let mut rules = Rules::default();
    rules.read(&mut root, &mut report);
    for (source, (parsed, _)) in includes.iter().zip(&parsed_includes) {
        let mut section =
            Section::new("", Some(layer(source, parsed)), Vec::new()).titled("an included file".to_owned());
        rules.read(&mut section, &mut report);
        section.finish(&mut report);
    }
    let settings = Settings::read(&mut root, &main, outside, &mut report);
    root.finish(&mut report);
    let tariff = rules.tariff(&settings.platforms, &main.name, &mut report);
    let text = kept_text(&main, &includes, &defaults, &report);
    match tariff {
        Some(tariff) if !report.has_problems() => {
            let config = settings.with(tariff, text, report.warnings());
            Ok((config, report))
        }
        _ => Err(report.into_errors()),
    }
}

fn kept_text(main: &Source, includes: &[Source], defaults: &Source, report: &Report) -> String {
    let mut text = main.kept(&report.secrets);
    includes.iter().for_each(|source| text.push_str(&source.kept(&[])));
    text.push_str(&defaults.kept_without_comments());
    text
}

/// Everything but the tariff.
struct Settings {
    zone: Zone,
    platforms: Platforms,
    display_names: platforms::DisplayNames,
    ledger: LedgerSettings,
    ingest: IngestSettings,
    http: HttpSettings,
    access: Option<AccessSettings>,
    answers: AnswerSettings,
    kafka: Option<KafkaSettings>,
    seal: Option<SealSettings>,
    limits: Limits,
    shutdown: ShutdownSettings,
    storage: Option<StorageSettings>,
    buckets: StorageSettings,
}

impl Settings {
    /// The whole configuration.
    fn with(self, tariff: Tariff, text: String, warnings: Vec<String>) -> Config {
        Config {
            zone: self.zone,
            tariff,
            platforms: self.platforms,
            display_names: self.display_names,
            ledger: self.ledger,
            ingest: self.ingest,
            http: self.http,
            access: self.access,
            answers: self.answers,
            kafka: self.kafka,
            seal: self.seal,
            limits: self.limits,
            shutdown: self.shutdown,
            storage: self.storage,
            buckets: self.buckets,
            hash: Sha256::digest(text.as_bytes()).into(),
            text,
            files: Vec::new(),
            warnings,
        }
    }

    fn read(root: &mut Section<'_>, main: &Source, outside: Outside<'_>, report: &mut Report) -> Self {
        let named = |value: &toml::de::DeValue<'_>| zone::zone(&value::text(value)?);
        let zone = root.read("timezone", report, named).unwrap_or_else(Zone::utc);
        let (platforms, display_names) = platforms::read(root, &zone, report);
        let kafka = KafkaSettings::read(root.sub("kafka", report), outside, report);
        match (&kafka, platforms.topics().is_empty()) {
            (Some(_), true) => {
                report.warning(
                    &main.name,
                    "[kafka] is set, but no platform names a topic: nothing will be read",
                );
            }
            (None, false) => {
                report.warning(
                    &main.name,
                    "platforms name topics, but there is no [kafka]: nothing will be read",
                );
            }
            _ => {}
        }
        let access = AccessSettings::read(root.sub("access", report), &main.folder, outside, report);
        let http_section = root.sub("http", report);
        let http_place = http_section.place();
        let (buckets, is_named) = StorageSettings::read(root.sub("storage", report), &main.folder, report);
        let storage = is_named.then(|| buckets.clone());
        let mut http = HttpSettings::read(http_section, &main.folder, report);
        http.reads_may_wait = storage.is_some();
        if let Some(text) = http.refused_listen(access.is_some()) {
            report.problem(http_place, text);
        }
        let topics = platforms.topics();
        let topics = kafka.as_ref().map(|_| &topics);
        let ledger = LedgerSettings::read(root.sub("ledger", report), &main.folder, report);
        let answers =
            AnswerSettings::read(root.sub("answers", report), (&main.folder, &ledger.data_dir), report);
        let seal = SealSettings::read(root.sub("seal", report), &main.folder, topics, report);
        Self {
            zone,
            platforms,
            display_names,
            ledger,
            ingest: IngestSettings::read(root.sub("ingest", report), report),
            http,
            access,
            answers,
            kafka,
            seal,
            limits: Limits::read(root.sub("limits", report), report),
            shutdown: ShutdownSettings::read(root.sub("shutdown", report), report),
            storage,
            buckets,
        }
    }
}
