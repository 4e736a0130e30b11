//! Who looked up what.

use std::collections::{BTreeSet, HashMap};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::kubernetes::object::ObjectKey;

/// Kinds of objects that are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Service,
    Pod,
    Node,
    Namespace,
    ReplicaSet,
    Job,
}

/// "Is there a pod a/web-0, and what is it like?", as a hash. Should two be the same, a group is built once too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Question(u64);

/// Which objects asked which questions when their groups were last built. About 30 bytes for each question asked.
#[derive(Debug, Default)]
pub(super) struct Questions {
    askers: Vec<Asker>,
    numbers: HashMap<ObjectKey, u32>,
    unused: Vec<u32>,
    by_question: BTreeSet<(Question, u32)>,
}

#[derive(Debug)]
struct Asker {
    key: ObjectKey,
    /// Sorted.
    asked: Box<[Question]>,
}

impl Question {
    pub(super) fn new(topic: Topic, namespace: &str, name: &str) -> Self {
        let seed = xxh3_64_with_seed(namespace.as_bytes(), topic as u64);
        Self(xxh3_64_with_seed(name.as_bytes(), seed))
    }
}

impl Questions {
    /// Who asked `question`.
    pub(super) fn askers(&self, question: Question) -> impl Iterator<Item = &ObjectKey> {
        let asked = self.by_question.range((question, 0)..=(question, u32::MAX));
        asked.map(|(_, number)| &self.askers[*number as usize].key)
    }

    /// `key` has asked just these.
    pub(super) fn note(&mut self, key: &ObjectKey, mut asked: Vec<Question>) {
        asked.sort_unstable();
        asked.dedup();
        if asked.is_empty() {
            return self.forget(key);
        }
        let number = self.number(key);
        let before = std::mem::replace(&mut self.askers[number as usize].asked, asked.into());
        let now = &self.askers[number as usize].asked;
        if before == *now {
            return;
        }
        for question in before.iter().filter(|question| now.binary_search(question).is_err()) {
            self.by_question.remove(&(*question, number));
        }
        self.by_question.extend(now.iter().map(|question| (*question, number)));
    }

    /// `key` is gone.
    pub(super) fn forget(&mut self, key: &ObjectKey) {
        let Some(number) = self.numbers.remove(key) else { return };
        let asked = std::mem::take(&mut self.askers[number as usize].asked);
        for question in asked {
            self.by_question.remove(&(question, number));
        }
        self.unused.push(number);
    }

    fn number(&mut self, key: &ObjectKey) -> u32 {
        if let Some(number) = self.numbers.get(key) {
            return *number;
        }
        let asker = Asker { key: key.clone(), asked: Box::default() };
        let number = match self.unused.pop() {
            Some(number) => {
                self.askers[number as usize] = asker;
                number
            }
            None => {
                self.askers.push(asker);
                self.askers.len() as u32 - 1
            }
        };
        self.numbers.insert(key.clone(), number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_last_questions_of_each() {
        let [pod, node, other] = [(Topic::Pod, "a"), (Topic::Node, "a"), (Topic::Pod, "b")]
            .map(|(topic, name)| Question::new(topic, "ns", name));
        let keys = ["x", "y", "z"].map(|name| ObjectKey::new("ns", name));
        let mut questions = Questions::default();
        let who = |questions: &Questions, question| {
            questions.askers(question).map(|key| key.name.to_string()).collect::<Vec<_>>()
        };
        questions.note(&keys[0], vec![pod, node, pod]);
        questions.note(&keys[1], vec![pod]);
        assert_eq!(who(&questions, pod), ["x", "y"]);
        assert_eq!(who(&questions, node), ["x"]);
        questions.note(&keys[0], vec![node, other]);
        questions.forget(&keys[1]);
        questions.note(&keys[2], vec![pod]); // takes the place of what was forgotten
        assert_eq!(who(&questions, pod), ["z"]);
        assert_eq!(who(&questions, other), ["x"]);
        questions.note(&keys[0], vec![]);
        questions.note(&keys[2], vec![]);
        assert!(questions.by_question.is_empty() && questions.numbers.is_empty());
    }
}
