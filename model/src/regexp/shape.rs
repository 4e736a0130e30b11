//! Patterns simple enough to be matched without an automaton.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// What a pattern comes down to. Most patterns of generated configs are not [`Kind::General`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Everything: `.*`, `(.*)`.
    Any,
    /// Everything but the empty text: `.+`, `(.+)`.
    NonEmpty,
    /// One of these texts, sorted: `a|b`, `https?`, `true`, and the empty pattern.
    Literals(Box<[Box<str>]>),
    /// A fixed start and end with anything between them: `app_(.+)`, `.*-canary`.
    Affix {
        /// How it starts.
        prefix: Box<str>,
        /// How it ends.
        suffix: Box<str>,
        /// Whether something must stand between them.
        non_empty: bool,
    },
    /// Anything else.
    General,
}

impl Kind {
    /// Whether `text` as a whole matches; `None` where only an automaton can tell.
    #[inline]
    pub(super) fn is_match(&self, text: &str) -> Option<bool> {
        Some(match self {
            Self::Any => true,
            Self::NonEmpty => !text.is_empty(),
            Self::Literals(literals) if literals.len() <= FEW => literals.iter().any(|literal| equal(literal, text)),
            Self::Literals(literals) => literals.binary_search_by(|literal| (**literal).cmp(text)).is_ok(),
            Self::Affix { prefix, suffix, non_empty } => {
                text.len() >= prefix.len() + suffix.len() + usize::from(*non_empty)
                    && (prefix.is_empty() || text.starts_with(&**prefix))
                    && (suffix.is_empty() || text.ends_with(&**suffix))
            }
            Self::General => return None,
        })
    }

    /// Whether a text that begins with `head` may match.
    pub(super) fn may_match_after(&self, head: &str) -> bool {
        match self {
            Self::Any | Self::NonEmpty | Self::General => true,
            Self::Literals(literals) => literals.iter().any(|literal| literal.starts_with(head)),
            Self::Affix { prefix, .. } => prefix.starts_with(head) || head.starts_with(&**prefix),
        }
    }

    /// Whether exactly the texts that begin with `head` match.
    pub(super) fn matches_all_after(&self, head: &str) -> bool {
        match self {
            Self::Any => head.is_empty(),
            Self::Affix { prefix, suffix, non_empty } => **prefix == *head && suffix.is_empty() && !non_empty,
            Self::NonEmpty | Self::Literals(_) | Self::General => false,
        }
    }
}

/// Up to so many literals are tried one by one: most differ in length already.
const FEW: usize = 8;

/// Equality that never compares two empty texts byte by byte: the pointer of an empty `Box<str>` is dangling, and
/// glibc's AVX-512 `memcmp` takes 90 ns over a masked load from such an address, 20 times the price of a comparison.
#[inline]
fn equal(literal: &str, text: &str) -> bool {
    literal.len() == text.len() && (text.is_empty() || literal == text)
}

/// A place in a matching text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Bytes from the start.
    FromStart(usize),
    /// Bytes from the end.
    FromEnd(usize),
}

impl Place {
    fn in_text(self, len: usize) -> usize {
        match self {
            Self::FromStart(at) => at,
            Self::FromEnd(left) => len - left,
        }
    }
}

/// Where the groups of a pattern lie in any text that matches it, by group number; the first is the whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FixedGroups(Box<[(Place, Place)]>);

impl FixedGroups {
    /// The part of the matching `text` that is in `group`; `None` if there is no such group.
    pub(super) fn get<'t>(&self, group: usize, text: &'t str) -> Option<&'t str> {
        let (start, end) = self.0.get(group)?;
        text.get(start.in_text(text.len())..end.in_text(text.len()))
    }

    /// Whether `group` is everything from byte `start` on.
    pub(super) fn is_all_from(&self, group: usize, start: usize) -> bool {
        self.0.get(group) == Some(&(Place::FromStart(start), Place::FromEnd(0)))
    }
}

/// Finds the kind of a pattern, and where its groups lie if that does not depend on the text.
pub(super) fn shape(hir: &Hir, groups: usize, pattern_len: usize) -> (Kind, Option<FixedGroups>) {
    let Some(inner) = between_anchors(hir) else {
        return (Kind::General, None);
    };
    if let Some((kind, fixed)) = affix(inner, groups) {
        return (kind, Some(fixed));
    }
    (literals(inner, pattern_len).unwrap_or(Kind::General), None)
}

/// What stands between the start and the end of the text, if the pattern is anchored at both.
fn between_anchors(hir: &Hir) -> Option<&[Hir]> {
    match hir.kind() {
        HirKind::Concat(subs) => match &subs[..] {
            [first, inner @ .., last]
                if matches!(first.kind(), HirKind::Look(Look::Start))
                    && matches!(last.kind(), HirKind::Look(Look::End)) =>
            {
                Some(inner)
            }
            _ => None,
        },
        _ => None,
    }
}

/// The reading of a pattern made of literals and at most one `.*` or `.+`.
struct Reading {
    prefix: Vec<u8>,
    suffix: Vec<u8>,
    /// Whether `.*` or `.+` was seen, and which.
    hole: Option<bool>,
    /// Ends in the suffix count from its start until its length is known.
    groups: Vec<(Place, Place)>,
}

fn affix(inner: &[Hir], groups: usize) -> Option<(Kind, FixedGroups)> {
    let nowhere = (Place::FromStart(0), Place::FromStart(0));
    let mut reading = Reading { prefix: Vec::new(), suffix: Vec::new(), hole: None, groups: vec![nowhere; groups + 1] };
    inner.iter().try_for_each(|hir| reading.read(hir))?;
    let suffix_len = reading.suffix.len();
    let whole = (Place::FromStart(0), reading.place());
    reading.groups[0] = whole;
    let settle = |place| match place {
        Place::FromEnd(read) => Place::FromEnd(suffix_len - read),
        start => start,
    };
    let fixed = reading.groups.iter().map(|(start, end)| (settle(*start), settle(*end))).collect();
    let prefix: Box<str> = String::from_utf8(reading.prefix).ok()?.into();
    let suffix: Box<str> = String::from_utf8(reading.suffix).ok()?.into();
    let kind = match reading.hole {
        None => Kind::Literals([prefix].into()),
        Some(false) if prefix.is_empty() && suffix.is_empty() => Kind::Any,
        Some(true) if prefix.is_empty() && suffix.is_empty() => Kind::NonEmpty,
        Some(non_empty) => Kind::Affix { prefix, suffix, non_empty },
    };
    Some((kind, FixedGroups(fixed)))
}

impl Reading {
    /// Reads on; `None` if `hir` is not of the kind.
    fn read(&mut self, hir: &Hir) -> Option<()> {
        match hir.kind() {
            HirKind::Empty => {}
            HirKind::Literal(literal) if self.hole.is_some() => self.suffix.extend_from_slice(&literal.0),
            HirKind::Literal(literal) => self.prefix.extend_from_slice(&literal.0),
            HirKind::Concat(subs) => subs.iter().try_for_each(|sub| self.read(sub))?,
            HirKind::Capture(capture) => {
                let start = self.place();
                self.read(&capture.sub)?;
                *self.groups.get_mut(capture.index as usize)? = (start, self.place());
            }
            HirKind::Repetition(repetition)
                if self.hole.is_none() && repetition.min <= 1 && repetition.max.is_none() =>
            {
                if !is_any_char(&repetition.sub) {
                    return None;
                }
                self.hole = Some(repetition.min == 1);
            }
            _ => return None,
        }
        Some(())
    }

    fn place(&self) -> Place {
        match self.hole {
            None => Place::FromStart(self.prefix.len()),
            Some(_) => Place::FromEnd(self.suffix.len()),
        }
    }
}

fn is_any_char(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            matches!(class.ranges(), [all] if all.start() == '\0' && all.end() == char::MAX)
        }
        _ => false,
    }
}

/// Longer patterns go to the automaton, compiled at load like any other.
const MAX_LITERALS_PATTERN: usize = 64 << 10;

/// The texts that match, if there are no more than the pattern could list one by one.
fn literals(inner: &[Hir], pattern_len: usize) -> Option<Kind> {
    if pattern_len > MAX_LITERALS_PATTERN {
        return None;
    }
    let limit = pattern_len.max(16);
    let mut texts = sequence(inner, limit)?;
    texts.sort_unstable();
    texts.dedup();
    let texts: Option<Vec<Box<str>>> =
        texts.into_iter().map(|text| Some(String::from_utf8(text).ok()?.into())).collect();
    Some(Kind::Literals(texts?.into()))
}

type Texts = Vec<Vec<u8>>;

fn sequence(hirs: &[Hir], limit: usize) -> Option<Texts> {
    hirs.iter().try_fold(vec![Vec::new()], |texts, hir| product(&texts, &finite(hir, limit)?, limit))
}

fn product(left: &Texts, right: &Texts, limit: usize) -> Option<Texts> {
    if left.len() * right.len() > limit {
        return None;
    }
    Some(left.iter().flat_map(|start| right.iter().map(move |end| [&start[..], end].concat())).collect())
}

/// All texts that `hir` matches, if they are few.
fn finite(hir: &Hir, limit: usize) -> Option<Texts> {
    match hir.kind() {
        HirKind::Empty => Some(vec![Vec::new()]),
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Class(Class::Unicode(class)) => {
            let count: usize = class.ranges().iter().map(|range| range.len()).sum();
            let chars = class.ranges().iter().flat_map(|range| range.start()..=range.end());
            (count <= limit).then(|| chars.map(|char| char.to_string().into_bytes()).collect())
        }
        HirKind::Capture(capture) => finite(&capture.sub, limit),
        HirKind::Concat(subs) => sequence(subs, limit),
        HirKind::Alternation(subs) => {
            let mut all = Vec::new();
            for sub in subs {
                all.extend(finite(sub, limit)?);
                if all.len() > limit {
                    return None;
                }
            }
            Some(all)
        }
        HirKind::Repetition(repetition) => {
            let once = finite(&repetition.sub, limit)?;
            let max = repetition.max.filter(|max| *max <= 16)?;
            let (mut power, mut all) = (vec![Vec::new()], Vec::new());
            for times in 0..=max {
                if times >= repetition.min {
                    all.extend(power.iter().cloned());
                }
                if times < max {
                    power = product(&power, &once, limit)?;
                }
            }
            (all.len() <= limit).then_some(all)
        }
        _ => None,
    }
}
