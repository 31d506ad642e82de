//! A person's way through the pages in a real browser: every page on it is accessible and fits the screen.

use super::chromium::{Browser, Screen};
use std::fmt::Display;
use std::path::Path;

/// A folder that gets pictures, for people to look at.
const PICTURES: &str = "COVERLEDGER_PICTURES";
/// A screen and a phone.
pub(crate) const SCREENS: [Screen; 2] =
    [Screen { width: 1280, dark: false }, Screen { width: 360, dark: true }];

/// A browser on its way.
pub(crate) struct Walk {
    pub(crate) browser: Browser,
    screen: Screen,
    name: &'static str,
    step: usize,
}

impl Walk {
    pub(crate) fn start(name: &'static str, screen: Screen) -> Self {
        Self { browser: Browser::start(), screen, name, step: 0 }
    }

    /// Opens a page of a service.
    pub(crate) fn open(&mut self, address: impl Display, path: &str) {
        let screen = self.screen;
        self.browser.open(&format!("http://{address}{path}"), screen);
        self.look(path);
    }

    /// Looks at the page: accessible, one heading, not wider than the screen.
    pub(crate) fn look(&mut self, what: &str) {
        self.picture();
        let page = format!("{} step {} ({what}) at {}", self.name, self.step, self.screen.width);
        assert_eq!(self.browser.violations(), Vec::<String>::new(), "{page}");
        assert_eq!(self.browser.evaluate("document.querySelectorAll('h1').length"), 1, "{page}");
        assert_eq!(
            self.browser.evaluate("document.documentElement.scrollWidth"),
            self.screen.width,
            "{page}"
        );
    }

    /// Keeps a picture of the page.
    pub(crate) fn picture(&mut self) {
        self.step += 1;
        let name = format!("{}-{}-{}.png", self.name, self.screen.width, self.step);
        if Self::keeps() {
            Self::keep(&name, &self.browser.picture());
        }
    }

    /// Whether pictures are kept.
    fn keeps() -> bool {
        std::env::var_os(PICTURES).is_some()
    }

    /// Keeps a file for people to look at.
    pub(crate) fn keep(name: &str, bytes: &[u8]) {
        if let Some(folder) = std::env::var_os(PICTURES) {
            std::fs::write(Path::new(&folder).join(name), bytes).unwrap();
        }
    }

    /// Follows the first link or button that has this text.
    pub(crate) fn follow(&mut self, text: &str) {
        self.browser.follow(text);
        self.look(text);
    }

    /// Types into the field that has this identifier.
    pub(crate) fn type_into(&mut self, id: &str, text: &str) {
        let focused = self.browser.evaluate(&format!(
            "(e => {{ e.focus(); e.select(); return document.activeElement === e; }})(document.getElementById({id:?}))"
        ));
        assert_eq!(focused, true, "there is no field {id}");
        self.browser.type_text(text);
    }

    /// Presses the key Enter, which sends the form.
    pub(crate) fn enter(&mut self, what: &str) {
        self.browser.leave(|browser| browser.press("Enter"));
        self.look(what);
    }

    pub(crate) fn text(&mut self) -> String {
        self.browser.evaluate("document.body.innerText").as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn says(&mut self, texts: &[&str]) {
        let body = self.text();
        for text in texts {
            assert!(body.contains(text), "`{text}` is not in {body}");
        }
    }
}
