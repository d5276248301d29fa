//! Reading the members of an object strictly: whatever is wrong is noted, and reading goes on.

use std::ops::RangeInclusive;

use serde_json::Map;
use serde_json::Value;

use super::definition::Validator;
use crate::fault::Fault;
use crate::predicate::Predicate;
use crate::tool::compile;
use crate::value::Expr;
use crate::value::Template;
use crate::value::escape;
use crate::value::reads;
use crate::value::template_reads;

/// What predicates may read; whether it is there in their place is seen later.
const ROOTS: [&str; 6] = ["/input", "/previous", "/steps", "/context", "/item", "/index"];

/// An object that is being read.
pub(super) struct Form<'a> {
    pub at: String,
    members: &'a Map<String, Value>,
    known: Vec<&'static str>,
    is_open: bool,
    pub faults: Vec<Fault>,
    /// What values read: places and pointers.
    pub reads: Vec<(String, String)>,
}

impl<'a> Form<'a> {
    pub fn new(members: &'a Map<String, Value>, at: &str) -> Self {
        let (known, faults, reads) = (Vec::new(), Vec::new(), Vec::new());
        Self { at: at.to_owned(), members, known, is_open: false, faults, reads }
    }

    pub fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.at)
    }

    pub fn fault(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        self.faults.push(Fault::new(self.place(name), code, detail));
    }

    /// The member `name`, if it is there and not `null`.
    pub fn get(&mut self, name: &'static str) -> Option<&'a Value> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        self.members.get(name).filter(|value| !value.is_null())
    }

    pub fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    fn required(&mut self, name: &'static str) -> Option<&'a Value> {
        let found = self.get(name);
        if found.is_none() {
            self.fault(name, "missing_member", "is required");
        }
        found
    }

    fn wrong_type(&mut self, name: &str, expected: &str) {
        self.fault(name, "wrong_type", format!("must be {expected}"));
    }

    /// A text of 1 to `most` bytes.
    pub fn text(&mut self, name: &'static str, most: usize) -> Option<&'a str> {
        let value = self.get(name)?;
        match value.as_str() {
            None => self.wrong_type(name, "a string"),
            Some("") => self.fault(name, "too_short", "must not be empty"),
            Some(text) if text.len() > most => {
                self.fault(name, "too_long", format!("must have at most {most} bytes"));
            }
            text => return text,
        }
        None
    }

    /// The same; its absence is a fault.
    pub fn required_text(&mut self, name: &'static str, most: usize) -> String {
        self.required(name);
        self.text(name, most).unwrap_or_default().to_owned()
    }

    pub fn number(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.get(name)?;
        match value.as_u64() {
            Some(number) if range.contains(&number) => return Some(number),
            None if !value.is_number() => self.wrong_type(name, "an integer"),
            _ => {
                let detail =
                    format!("must be an integer from {} to {}", range.start(), range.end());
                self.fault(name, "out_of_range", detail);
            }
        }
        None
    }

    pub fn required_number(&mut self, name: &'static str, range: RangeInclusive<u64>) -> u64 {
        self.required(name);
        self.number(name, range).unwrap_or_default()
    }

    pub fn flag(&mut self, name: &'static str) -> Option<bool> {
        let value = self.get(name)?;
        if !value.is_boolean() {
            self.wrong_type(name, "a boolean");
        }
        value.as_bool()
    }

    /// One of `options`, each a word and what it stands for.
    pub fn word<T: Copy>(&mut self, name: &'static str, options: &[(&str, T)]) -> Option<T> {
        let value = self.get(name)?;
        let found = options.iter().find(|(word, _)| value == word);
        if found.is_none() {
            let words: Vec<_> = options.iter().map(|(word, _)| *word).collect();
            self.fault(name, "not_one_of", format!("must be one of {}", words.join(", ")));
        }
        found.map(|(_, it)| *it)
    }

    /// A value that is made when it is needed.
    pub fn value(&mut self, name: &'static str) -> Option<Expr> {
        let value = self.get(name)?;
        let place = self.place(name);
        reads(value, &place, &mut self.reads);
        Some(Expr::parse(value, &place, &mut self.faults))
    }

    pub fn required_value(&mut self, name: &'static str) -> Expr {
        self.required(name);
        self.value(name).unwrap_or(Expr::Literal(Value::Null))
    }

    /// A text with places to fill in.
    pub fn template(&mut self, name: &'static str) -> Template {
        let text = self.required_text(name, 4000);
        let place = self.place(name);
        template_reads(&text, &place, &mut self.reads);
        Template::parse(&text).unwrap_or_else(|why| {
            self.fault(name, "bad_template", why);
            Template::default()
        })
    }

    pub fn predicate(&mut self, name: &'static str) -> Option<Predicate> {
        let value = self.get(name)?;
        let place = self.place(name);
        match Predicate::parse(value, &ROOTS) {
            Ok(predicate) => {
                reads(value, &place, &mut self.reads);
                Some(predicate)
            }
            Err(fault) => {
                let place = format!("{place}{}", fault.pointer);
                self.faults.push(Fault::new(place, "bad_predicate", fault.message));
                None
            }
        }
    }

    pub fn list(&mut self, name: &'static str) -> Option<&'a [Value]> {
        let value = self.get(name)?;
        if !value.is_array() {
            self.wrong_type(name, "a list");
        }
        value.as_array().map(Vec::as_slice)
    }

    pub fn required_list(&mut self, name: &'static str) -> &'a [Value] {
        self.required(name);
        self.list(name).unwrap_or_default()
    }

    pub fn object(&mut self, name: &'static str) -> Option<&'a Map<String, Value>> {
        let value = self.get(name)?;
        if !value.is_object() {
            self.wrong_type(name, "an object");
        }
        value.as_object()
    }

    /// A JSON Schema of draft 2020-12.
    pub fn schema(&mut self, name: &'static str) -> Option<Validator> {
        let value = self.get(name)?;
        match compile(value) {
            Ok(validator) => Some(Validator(validator.into())),
            Err(error) => {
                self.fault(name, "bad_schema", format!("this is not a JSON Schema: {error}"));
                None
            }
        }
    }

    /// Asks for all members: of an entry of no known type nobody can say which are wrong.
    pub fn take_all(&mut self) {
        self.is_open = true;
    }

    /// Notes the members that nobody asked for.
    pub fn finish(&mut self) {
        if self.is_open {
            return;
        }
        let unknown = self.members.keys().filter(|name| !self.known.contains(&name.as_str()));
        let unknown: Vec<_> = unknown.map(|name| format!("{}/{}", self.at, escape(name))).collect();
        for place in unknown {
            let known = self.known.join(", ");
            let detail = format!("there is no such member here; there are {known}");
            self.faults.push(Fault::new(place, "unknown_member", detail));
        }
    }
}
