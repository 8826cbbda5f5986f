//! One mistake in a file: where it is, what is wrong, what to write instead.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

/// One mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The file, as the operator named it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, as a fragment.
    pub what: String,
    /// What to write instead.
    pub instead: String,
    /// The text around it. None where the line must not be shown, since it holds a secret.
    #[serde(skip)]
    pub(super) excerpt: Option<Excerpt>,
}

/// The text a mistake is shown in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// The file's text, with stars for what must not be shown.
    pub text: String,
    /// The wrong place, in bytes of `text`.
    pub span: Range<usize>,
    /// A second place that it clashes with, and what that is.
    pub also: Option<(Range<usize>, String)>,
}

impl Mistake {
    /// The mistake with the wrong line under it, as a terminal shows it.
    pub fn picture(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let title = Level::ERROR.primary_title(self.what.as_str());
        let group = match &self.excerpt {
            Some(excerpt) => title.element(excerpt.snippet(&self.file)),
            None => title.element(
                Origin::path(self.file.as_str())
                    .line(self.line)
                    .char_column(self.column),
            ),
        };
        let help: Option<Group<'_>> = (!self.instead.is_empty())
            .then(|| Group::with_title(Level::HELP.secondary_title(self.instead.as_str())));
        let report: Vec<Group<'_>> = std::iter::once(group).chain(help).collect();
        renderer.render(&report)
    }
}

impl Excerpt {
    fn snippet<'a>(&'a self, file: &'a str) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        Snippet::source(self.text.as_str())
            .path(file)
            .annotation(AnnotationKind::Primary.span(self.span.clone()))
            .annotations(self.also.iter().map(|(span, label)| {
                AnnotationKind::Context
                    .span(span.clone())
                    .label(label.as_str())
            }))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.picture(false))
    }
}
