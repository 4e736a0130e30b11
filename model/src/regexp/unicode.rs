//! Unicode as Go has it.
//!
//! Go 1.26 knows Unicode 15.0, `regex-syntax` a later version. Characters assigned since are kept out, so that they
//! belong to no script, have no case and count as unassigned, as they do for upstream. `tests/regexp_unicode.rs`
//! compares every table with Go's.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// Scripts whose names Go finds. Those of two words, such as `Old_Italic`, it looks up without the underscore and
/// never finds.
const SCRIPTS: &str = "Adlam Ahom Arabic Armenian Avestan Balinese Bamum Batak Bengali Bhaiksuki Bopomofo Brahmi \
    Braille Buginese Buhid Carian Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot Cyrillic Deseret \
    Devanagari Dogra Duployan Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gurmukhi Han \
    Hangul Hanunoo Hatran Hebrew Hiragana Inherited Javanese Kaithi Kannada Katakana Kawi Kharoshthi Khmer Khojki \
    Khudawadi Lao Latin Lepcha Limbu Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean Marchen \
    Medefaidrin Miao Modi Mongolian Mro Multani Myanmar Nabataean Nandinagari Newa Nko Nushu Ogham Oriya Osage \
    Osmanya Palmyrene Phoenician Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham Sinhala Sogdian Soyombo \
    Sundanese Syriac Tagalog Tagbanwa Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto \
    Ugaritic Vai Vithkuqi Wancho Yezidi Yi";

/// General categories by their short names.
const CATEGORIES: &str = "C Cc Cf Cn Co Cs L Lc Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm \
    So Z Zl Zp Zs";

/// General categories by their long names.
const CATEGORY_ALIASES: &str = "Casedletter=Lc Closepunctuation=Pe Combiningmark=M Connectorpunctuation=Pc Control=Cc \
    Currencysymbol=Sc Dashpunctuation=Pd Decimalnumber=Nd Enclosingmark=Me Finalpunctuation=Pf Format=Cf \
    Initialpunctuation=Pi Letter=L Letternumber=Nl Lineseparator=Zl Lowercaseletter=Ll Mark=M Mathsymbol=Sm \
    Modifierletter=Lm Modifiersymbol=Sk Nonspacingmark=Mn Number=N Openpunctuation=Ps Other=C Otherletter=Lo \
    Othernumber=No Otherpunctuation=Po Othersymbol=So Paragraphseparator=Zp Privateuse=Co Punctuation=P Separator=Z \
    Spaceseparator=Zs Spacingmark=Mc Surrogate=Cs Symbol=S Titlecaseletter=Lt Unassigned=Cn Uppercaseletter=Lu \
    Cntrl=Cc Digit=Nd Punct=P";

/// What Unicode 15.0 assigns. Noncharacters have an age, but are not assigned.
static ASSIGNED: LazyLock<ClassUnicode> = LazyLock::new(|| {
    let mut class = lookup("age=15.0");
    class.difference(&lookup("gc=Cn"));
    class
});
static LETTER: LazyLock<ClassUnicode> = LazyLock::new(|| category("L"));
static CASED_LETTER: LazyLock<ClassUnicode> = LazyLock::new(|| category("Lc"));
static DIGIT: LazyLock<ClassUnicode> = LazyLock::new(|| category("Nd"));

/// The characters of a property that is known to exist, by the name `regex-syntax` has for it.
fn lookup(property: &str) -> ClassUnicode {
    let hir = regex_syntax::parse(&format!(r"\p{{{property}}}")).expect("only properties listed above are looked up");
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => class,
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).expect("a property holds characters");
            ClassUnicode::new(text.chars().map(|char| ClassUnicodeRange::new(char, char)))
        }
        _ => ClassUnicode::empty(),
    }
}

fn category(short: &str) -> ClassUnicode {
    let ahom_medial_ra = ClassUnicode::new([ClassUnicodeRange::new('\u{1171e}', '\u{1171e}')]);
    let mut class = match short {
        "Cn" => return unassigned(),
        "Cs" => return ClassUnicode::empty(), // surrogates: no text has them
        "C" => {
            let mut class = category("Cc");
            ["Cf", "Co", "Cn"].into_iter().for_each(|part| class.union(&category(part)));
            return class;
        }
        short => lookup(&format!("gc={short}")),
    };
    class.intersect(&ASSIGNED);
    match short {
        "Mn" => class.union(&ahom_medial_ra), // the one character that moved to Mc since 15.0
        "Mc" => class.difference(&ahom_medial_ra),
        _ => {}
    }
    class
}

fn unassigned() -> ClassUnicode {
    negated(&ASSIGNED)
}

/// All other characters.
///
/// `ClassUnicode::negate` gets it wrong where a class ends at U+D7FF and goes on at U+E000: between the two it finds
/// a gap from U+E000 to U+D7FF, and puts both into the result (regex-syntax 0.8.12).
pub(super) fn negated(class: &ClassUnicode) -> ClassUnicode {
    let (mut others, mut next) = (Vec::new(), 0);
    for range in class.ranges() {
        if let Some(last) = u32::from(range.start()).checked_sub(1) {
            others.extend(ranges(next, last));
        }
        next = u32::from(range.end()) + 1;
    }
    others.extend(ranges(next, u32::from(char::MAX)));
    ClassUnicode::new(others)
}

/// The characters from `low` to `high`.
pub(super) fn code_points(low: u32, high: u32) -> ClassUnicode {
    ClassUnicode::new(ranges(low, high))
}

/// From `low` to `high` without the surrogates, which no text has.
fn ranges(low: u32, high: u32) -> impl Iterator<Item = ClassUnicodeRange> {
    let range = |from: u32, to: u32| {
        let (from, to) = (char::from_u32(from)?, char::from_u32(to)?);
        (from <= to).then(|| ClassUnicodeRange::new(from, to))
    };
    [range(low, high.min(0xd7ff)), range(low.max(0xe000), high)].into_iter().flatten()
}

/// The characters of `\p{name}` (Go: `unicodeTable`); `None` if Go does not know the name.
pub(super) fn property(name: &str, fold_case: bool) -> Option<ClassUnicode> {
    let mut class = unfolded_property(&canonical_name(name))?;
    if fold_case && class != *CASED_LETTER {
        fold(&mut class); // Go has no folding table for LC, and so does not add U+0345
    }
    Some(class)
}

fn unfolded_property(name: &str) -> Option<ClassUnicode> {
    let is_in = |names: &str| names.split(' ').any(|known| known == name);
    match name {
        "Any" => return Some(ClassUnicode::new([ClassUnicodeRange::new('\0', char::MAX)])),
        "Ascii" => return Some(ClassUnicode::new([ClassUnicodeRange::new('\0', '\x7f')])),
        "Assigned" => return Some(ASSIGNED.clone()),
        _ => {}
    }
    if is_in(CATEGORIES) {
        return Some(category(name));
    }
    if is_in(SCRIPTS) {
        let mut class = lookup(&format!("sc={name}"));
        class.intersect(&ASSIGNED);
        return Some(class);
    }
    let alias = CATEGORY_ALIASES.split(' ').filter_map(|pair| pair.split_once('=')).find(|(long, _)| *long == name);
    alias.map(|(_, short)| category(short))
}

/// The first letter upper case, the others lower case, without spaces, hyphens and underscores.
fn canonical_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for char in name.chars().filter(|char| !matches!(char, '_' | '-' | ' ')) {
        out.push(if out.is_empty() { char.to_ascii_uppercase() } else { char.to_ascii_lowercase() });
    }
    out
}

/// Adds to `class` whatever equals one of its characters but for case.
pub(super) fn fold(class: &mut ClassUnicode) {
    let mut folded = class.clone();
    folded.intersect(&ASSIGNED); // case pairs made after 15.0 are no pairs
    folded.try_case_fold_simple().expect("the case folding tables are compiled in");
    folded.intersect(&ASSIGNED);
    class.union(&folded);
}

/// The characters equal to `char` but for case; `None` if there is no other.
pub(super) fn folded_char(char: char) -> Option<ClassUnicode> {
    let mut class = ClassUnicode::new([ClassUnicodeRange::new(char, char)]);
    fold(&mut class);
    (class.ranges().iter().map(ClassUnicodeRange::len).sum::<usize>() > 1).then_some(class)
}

/// Letters, decimal digits and `_`: what group names in templates consist of.
pub(super) fn is_name_char(char: char) -> bool {
    if char.is_ascii() {
        return char == '_' || char.is_ascii_alphanumeric();
    }
    contains(&LETTER, char) || contains(&DIGIT, char)
}

/// Whether `char` is a character to Go, that is, in Unicode 15.0.
pub(crate) fn is_assigned(char: char) -> bool {
    contains(&ASSIGNED, char)
}

fn contains(class: &ClassUnicode, char: char) -> bool {
    let ranges = class.ranges();
    let at = ranges.partition_point(|range| range.end() < char);
    ranges.get(at).is_some_and(|range| range.start() <= char)
}
