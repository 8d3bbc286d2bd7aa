//! The text of a YAML file as a tree whose size is bounded, whatever anchors and aliases it has.
//!
//! Scalars stay text: what they mean follows from where they stand, so that a version such as `1.10` is not made a number of.
//! Not taken: tags (`!reset`), several documents, keys that are no text, and keys that come twice.

use super::Refused;
use granit_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::{BTreeMap, BTreeSet};

/// Most levels of a tree.
const DEPTH: usize = 24;
/// Most that all nodes may weigh, those that aliases repeat included: each counts for itself and its text.
const WEIGHT: usize = 1024 * 1024;
/// What a node weighs without its text.
const NODE_WEIGHT: usize = 8;

/// A value and the line on which it begins, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; no key comes twice.
    Map(Vec<(String, Node)>),
}

impl Value {
    /// What it is, for a sentence.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Text(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl Node {
    fn weight_and_depth(&self) -> (usize, usize) {
        let within = |nodes: &mut dyn Iterator<Item = (usize, &Node)>| {
            nodes.fold((NODE_WEIGHT, 0), |(weight, depth), (key, node)| {
                let (more, deep) = node.weight_and_depth();
                (weight + key + more, depth.max(deep))
            })
        };
        let (weight, depth) = match &self.value {
            Value::Null => (NODE_WEIGHT, 0),
            Value::Text(text) => (NODE_WEIGHT + text.len(), 0),
            Value::List(nodes) => within(&mut nodes.iter().map(|node| (0, node))),
            Value::Map(pairs) => within(&mut pairs.iter().map(|(key, node)| (key.len(), node))),
        };
        (weight, depth + 1)
    }
}

/// Reads a file; an empty one is [`Value::Null`].
///
/// # Errors
/// It is no YAML, or what this crate does not take of it.
pub(super) fn parse(text: &str) -> Result<Node, Refused> {
    let mut builder = Builder::default();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| Refused(format!("it is not YAML: {error}")))?;
        builder.take(event, span)?;
    }
    Ok(builder.whole.unwrap_or(Node {
        line: 1,
        value: Value::Null,
    }))
}

/// A list or mapping that is not closed.
struct Open {
    anchor: usize,
    node: Node,
    /// The key whose value comes next.
    key: Option<String>,
    keys: BTreeSet<String>,
    /// What `<<` names: keys of these count where the mapping has none of that name.
    merged: Vec<Node>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    whole: Option<Node>,
    weight: usize,
    documents: usize,
}

fn refused<T>(line: usize, what: &str) -> Result<T, Refused> {
    Err(Refused(format!("line {line}: {what}")))
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Refused> {
        let line = span.start.line();
        if event.tag().is_some() {
            return refused(
                line,
                "tags such as `!reset` are not taken; write the value itself",
            );
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return refused(line, "a second document begins; keep one");
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let value = if plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") {
                    Value::Null
                } else {
                    Value::Text(text.into_owned())
                };
                if let Some(key) = self.awaited_key() {
                    let Value::Text(text) = value else {
                        return refused(line, "a key is empty; give it a name");
                    };
                    *key = Some(text);
                    return Ok(());
                }
                self.weigh(line, NODE_WEIGHT + text_len(&value))?;
                self.put(anchor, Node { line, value })?;
            }
            Event::SequenceStart(_, anchor, _) => self.begin(line, anchor, Value::List(Vec::new()))?,
            Event::MappingStart(_, anchor, _) => self.begin(line, anchor, Value::Map(Vec::new()))?,
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return refused(line, "an alias stands inside of what it names; write it out");
                };
                let (weight, depth) = node.weight_and_depth();
                if self.open.len() + depth > DEPTH {
                    return refused(line, "it is nested too deeply");
                }
                let node = Node { line, ..node.clone() };
                self.weigh(line, weight)?;
                self.put(0, node)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The place of the key that comes next, where one does.
    fn awaited_key(&mut self) -> Option<&mut Option<String>> {
        let open = self.open.last_mut()?;
        (matches!(open.node.value, Value::Map(_)) && open.key.is_none()).then_some(&mut open.key)
    }

    fn weigh(&mut self, line: usize, weight: usize) -> Result<(), Refused> {
        self.weight += weight;
        if self.weight > WEIGHT {
            return refused(line, "aliases repeat too much; write out what is needed");
        }
        Ok(())
    }

    fn begin(&mut self, line: usize, anchor: usize, value: Value) -> Result<(), Refused> {
        if self.awaited_key().is_some() {
            return refused(line, "a key is a list or a mapping; keys are texts");
        }
        if self.open.len() >= DEPTH {
            return refused(line, "it is nested too deeply");
        }
        self.weigh(line, NODE_WEIGHT)?;
        self.open.push(Open {
            anchor,
            node: Node { line, value },
            key: None,
            keys: BTreeSet::new(),
            merged: Vec::new(),
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refused> {
        let Some(mut open) = self.open.pop() else {
            return Ok(());
        };
        if let Value::Map(pairs) = &mut open.node.value {
            for node in open.merged {
                let Value::Map(more) = node.value else {
                    return refused(node.line, "`<<` takes mappings");
                };
                // Of several, the first one that has a key decides.
                let fresh = more.into_iter().filter(|(key, _)| open.keys.insert(key.clone()));
                pairs.extend(fresh);
            }
        }
        self.put(open.anchor, open.node)
    }

    /// Puts a value that is whole where it belongs.
    fn put(&mut self, anchor: usize, node: Node) -> Result<(), Refused> {
        if self.awaited_key().is_some() {
            return refused(
                node.line,
                "a key is an alias, a list or a mapping; keys are texts",
            );
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.whole = Some(node);
            return Ok(());
        };
        match (&mut open.node.value, open.key.take()) {
            (Value::Map(_), Some(key)) if key == "<<" => match node.value {
                Value::List(nodes) => open.merged.extend(nodes),
                value => open.merged.push(Node { value, ..node }),
            },
            (Value::Map(pairs), Some(key)) => {
                if !open.keys.insert(key.clone()) {
                    return refused(node.line, &format!("the key `{}` comes twice", shown(&key)));
                }
                pairs.push((key, node));
            }
            (Value::List(nodes), _) => nodes.push(node),
            _ => {}
        }
        Ok(())
    }
}

fn text_len(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        _ => 0,
    }
}

/// A stranger's text inside a sentence: short, and on one line.
pub(super) fn shown(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { '␣' } else { c });
    plain.take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn text(node: &Node) -> String {
        match &node.value {
            Value::Null => "-".to_owned(),
            Value::Text(text) => text.clone(),
            Value::List(nodes) => format!("[{}]", nodes.iter().map(text).collect::<Vec<_>>().join(" ")),
            Value::Map(pairs) => {
                let pairs = pairs.iter().map(|(key, node)| format!("{key}:{}", text(node)));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn parse_keeps_texts_and_follows_anchors_and_merges() {
        for (yaml, expected) in [
            ("", "-"),
            (
                "a: 1.10\nb: yes\nc: \"null\"\nd: ~\ne:\n",
                "{a:1.10 b:yes c:null d:- e:-}",
            ),
            ("a: &x [1, '2']\nb: *x\n", "{a:[1 2] b:[1 2]}"),
            (
                "base: &b {x: 1, y: 2}\nown:\n  <<: *b\n  y: 3\n",
                "{base:{x:1 y:2} own:{y:3 x:1}}",
            ),
            (
                "a: &a {x: 1}\nb: &b {x: 2, z: 4}\nc: {<<: [*a, *b]}\n",
                "{a:{x:1} b:{x:2 z:4} c:{x:1 z:4}}",
            ),
            ("a: |\n  one\n  two\n", "{a:one\ntwo\n}"),
        ] {
            assert_eq!(text(&parse(yaml).expect(yaml)), expected, "{yaml}");
        }
        let whole = parse("a:\n  b:\n    - c\n").expect("YAML");
        let Value::Map(pairs) = whole.value else {
            panic!("a mapping")
        };
        assert_eq!(pairs[0].1.line, 2);
    }

    #[test]
    fn parse_refuses_what_it_cannot_be_sure_of() {
        for (yaml, expected) in [
            ("a: 1\na: 2\n", "line 2: the key `a` comes twice"),
            (
                "a: !reset []\n",
                "line 1: tags such as `!reset` are not taken; write the value itself",
            ),
            ("a: 1\n---\nb: 2\n", "line 2: a second document begins; keep one"),
            ("[a]: 1\n", "line 1: a key is a list or a mapping; keys are texts"),
            ("~: 1\n", "line 1: a key is empty; give it a name"),
            (
                "a: &a b\n*a : 1\n",
                "line 2: a key is an alias, a list or a mapping; keys are texts",
            ),
            (
                "a: &a [*a]\n",
                "line 1: an alias stands inside of what it names; write it out",
            ),
            ("a: {<<: 1}\n", "line 1: `<<` takes mappings"),
        ] {
            assert_eq!(parse(yaml).expect_err(yaml).0, expected);
        }
        assert!(
            parse("a: [1")
                .expect_err("open")
                .0
                .starts_with("it is not YAML: ")
        );
        assert!(parse("a: *b").is_err());
    }

    #[test]
    fn parse_ends_bombs_soon() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..20 {
            let before = n - 1;
            let aliases = vec![format!("*a{before}"); 10].join(", ");
            writeln!(bomb, "a{n}: &a{n} [{aliases}]").expect("writes to a string");
        }
        let long = format!(
            "a: &a {}\nb: [{}]\n",
            "x".repeat(50_000),
            vec!["*a"; 1000].join(", ")
        );
        let deep = format!("a: &a {0}x{1}\nb: {0}*a{1}\n", "[".repeat(20), "]".repeat(20));
        for (text, expected) in [
            (bomb.as_str(), "aliases repeat too much"),
            (&long, "aliases repeat too much"),
            (&deep, "it is nested too deeply"),
            (
                &format!("{}{}", "[".repeat(200), "]".repeat(200)),
                "it is nested too deeply",
            ),
        ] {
            let error = parse(text).expect_err("it is too much").0;
            assert!(error.contains(expected), "{error}");
        }
    }
}
