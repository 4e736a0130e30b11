//! A compiled pattern.

use std::sync::OnceLock;

use regex_automata::meta::Regex;
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::{Hir, Look};

use super::error::{Fault, RegexpError};
use super::parse;
use super::shape::{FixedGroups, Kind, shape};
use super::template::{Part, Template};

/// Memory for one automaton. Go grants 128 MiB; ours are larger for Unicode classes, which ours spell out in bytes.
const MAX_NFA: usize = 256 << 20;

/// Offsets of this many groups are kept on the stack.
const GROUPS_ON_STACK: usize = 16;

type Slot = Option<NonMaxUsize>;

pub(super) struct Program {
    text: Box<str>,
    kind: Kind,
    /// Where the groups lie, if the kind alone tells.
    fixed_groups: Option<FixedGroups>,
    groups: usize,
    names: Box<[(Box<str>, usize)]>,
    /// Whether a match can only start where the text does.
    anchored: bool,
    /// Compiled at once for [`Kind::General`], when first needed (for groups) or never otherwise.
    automaton: OnceLock<Regex>,
}

impl Program {
    pub(super) fn new(text: &str) -> Result<Self, RegexpError> {
        let ast = parse_wrapped(text)?;
        let (kind, fixed_groups) = shape(&ast.hir, ast.groups, text.len());
        let automaton = match kind {
            Kind::General => OnceLock::from(compile(&ast.hir, text)?),
            _ => OnceLock::new(),
        };
        Ok(Self {
            text: text.into(),
            kind,
            fixed_groups,
            groups: ast.groups,
            names: ast.names.into(),
            anchored: ast.hir.properties().look_set_prefix().contains(Look::Start),
            automaton,
        })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    #[inline]
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.kind.is_match(text).unwrap_or_else(|| self.automaton().is_match(self.input(text)))
    }

    /// Whether a text that begins with `head` may match. False is certain, true is not.
    pub(super) fn may_match_after(&self, head: &str) -> bool {
        self.kind.may_match_after(head)
    }

    /// Whether every text that begins with `head` matches, and `template` makes of it what follows `head`.
    pub(super) fn copies_after(&self, head: &str, template: &Template) -> bool {
        let whole_rest = |groups: &FixedGroups| match template.parts() {
            [Part::Number(group)] => groups.is_all_from(*group, head.len()),
            _ => false,
        };
        self.kind.matches_all_after(head) && self.fixed_groups.as_ref().is_some_and(whole_rest)
    }

    pub(super) fn expand(&self, text: &str, template: &Template, out: &mut String) -> bool {
        if let Some(literal) = template.literal() {
            let matches = self.is_match(text);
            if matches {
                out.push_str(literal);
            }
            return matches;
        }
        if let Some(groups) = &self.fixed_groups {
            let matches = self.kind.is_match(text) == Some(true);
            if matches {
                self.push(template, out, |group| groups.get(group, text));
            }
            return matches;
        }
        self.with_slots(template, |slots| {
            let found = self.automaton().search_slots(&self.input(text), slots).is_some();
            if found {
                self.push(template, out, |group| captured(slots, group, text));
            }
            found
        })
    }

    pub(super) fn replace_all(&self, text: &str, template: &Template) -> String {
        if self.kind != Kind::General {
            // the whole text or nothing
            let mut out = String::new();
            return if self.expand(text, template, &mut out) { out } else { text.to_owned() };
        }
        self.with_slots(template, |slots| self.replace_each(text, template, slots))
    }

    /// Go: `Regexp.replaceAll`. An empty match right after another match is not replaced.
    fn replace_each(&self, text: &str, template: &Template, slots: &mut [Slot]) -> String {
        let (mut out, mut copied, mut from) = (String::new(), 0, 0);
        while from <= text.len() {
            let input = self.input(text).range(from..);
            if self.automaton().search_slots(&input, slots).is_none() {
                break;
            }
            let (start, end) = match *slots {
                [Some(start), Some(end), ..] => (start.get(), end.get()),
                _ => break,
            };
            out.push_str(&text[copied..start]);
            if end > copied || start == 0 {
                self.push(template, &mut out, |group| captured(slots, group, text));
            }
            copied = end;
            let width = text[from..].chars().next().map_or(1, char::len_utf8);
            from = end.max(from + width);
        }
        out.push_str(&text[copied..]);
        out
    }

    fn automaton(&self) -> &Regex {
        self.automaton.get_or_init(|| {
            let ast = parse_wrapped(&self.text).expect("the pattern has been parsed before");
            compile(&ast.hir, &self.text).expect("a pattern that is no larger than its short text compiles")
        })
    }

    fn input<'t>(&self, text: &'t str) -> Input<'t> {
        Input::new(text).anchored(if self.anchored { Anchored::Yes } else { Anchored::No })
    }

    /// Calls `with` with slots for the groups that `template` refers to, at least for the whole match.
    fn with_slots<R>(&self, template: &Template, with: impl FnOnce(&mut [Slot]) -> R) -> R {
        let needed = template.parts().iter().map(|part| match part {
            Part::Literal(_) => 0,
            Part::Number(group) => *group,
            Part::Name(_) => self.groups,
        });
        let groups = 1 + needed.max().unwrap_or(0).min(self.groups);
        if groups <= GROUPS_ON_STACK {
            with(&mut [None; 2 * GROUPS_ON_STACK][..2 * groups])
        } else {
            with(&mut vec![None; 2 * groups])
        }
    }

    /// Appends `template`, with the groups that `group` finds; of several groups of a name the first found.
    fn push<'t>(&self, template: &Template, out: &mut String, group: impl Fn(usize) -> Option<&'t str>) {
        for part in template.parts() {
            let piece = match part {
                Part::Literal(literal) => literal,
                Part::Number(number) => group(*number).unwrap_or(""),
                Part::Name(name) => {
                    let mut named = self.names.iter().filter(|(known, _)| known == name);
                    named.find_map(|(_, number)| group(*number)).unwrap_or("")
                }
            };
            out.push_str(piece);
        }
    }
}

fn captured<'t>(slots: &[Slot], group: usize, text: &'t str) -> Option<&'t str> {
    let start = slots.get(group.checked_mul(2)?).copied().flatten()?;
    let end = slots.get(2 * group + 1).copied().flatten()?;
    text.get(start.get()..end.get())
}

fn parse_wrapped(text: &str) -> Result<parse::Ast, RegexpError> {
    parse::parse(&wrapped(text))
}

fn wrapped(text: &str) -> String {
    format!("^(?s:{text})$")
}

fn compile(hir: &Hir, text: &str) -> Result<Regex, RegexpError> {
    Regex::builder()
        .configure(Regex::config().nfa_size_limit(Some(MAX_NFA)))
        .build_from_hir(hir)
        .map_err(|_| RegexpError::new(Fault::TooLarge, &wrapped(text)))
}
