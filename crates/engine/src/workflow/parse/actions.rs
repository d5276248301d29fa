//! What entries of each type have beside the members that all have.

use chrono::DateTime;
use serde_json::Value;

use super::super::definition::Action;
use super::super::definition::Asking;
use super::super::definition::List;
use super::super::definition::Test;
use super::super::form::Form;
use super::AtLeast;
use super::Parser;
use super::YEAR_MS;
use crate::approval::OnTimeout;
use crate::fault::Fault;
use crate::predicate::Predicate;
use crate::value::Expr;

pub(super) const MAX_ITEMS: u64 = 1000;

/// At most so many parts, turns, and turns at once.
const PARTS: usize = 64;
const TURNS: u64 = 10_000;
const AT_ONCE: u64 = 64;

const CODE_BYTES: usize = 256 << 10;
const NAME_BYTES: usize = 200;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

const TYPES: [&str; 15] = [
    "agent",
    "tool",
    "workflow",
    "step",
    "mapping",
    "parallel",
    "conditional",
    "foreach",
    "loop",
    "sleep",
    "sleep_until",
    "wait_for_event",
    "approval",
    "script",
    "fail",
];

type Reads = Vec<(String, String)>;

impl Parser {
    /// What the entry does. What a loop tests is read within it, and noted in `inner`.
    pub(super) fn action(&mut self, form: &mut Form<'_>, inner: &mut Reads) -> Action {
        let kind = form.required_text("type", 20);
        match kind.as_str() {
            "agent" | "tool" | "workflow" => called(form, &kind),
            "step" => Action::Step { name: form.required_text("step", 56) },
            "mapping" => Action::Mapping { output: form.required_value("output") },
            "parallel" => self.parallel(form),
            "conditional" => self.conditional(form),
            "foreach" => self.foreach(form),
            "loop" => self.turns(form, inner),
            "sleep" => sleep(form),
            "sleep_until" => sleep_until(form),
            "wait_for_event" => wait_for_event(form),
            "approval" => approval(form),
            "script" => Action::Script { code: form.required_text("code", CODE_BYTES) },
            "fail" => Action::Fail { message: form.template("message") },
            unknown => {
                if !unknown.is_empty() {
                    let words = TYPES.join(", ");
                    form.fault("type", "not_one_of", format!("must be one of {words}"));
                }
                form.take_all();
                Action::Mapping { output: Expr::Literal(Value::Null) }
            }
        }
    }

    /// Part number `part` of the entry.
    fn part(&mut self, items: &[Value], at: &str, part: usize, least: AtLeast) -> List {
        self.way.push(part);
        let list = self.list(items, at, least);
        self.way.pop();
        list
    }

    fn body(&mut self, form: &mut Form<'_>) -> List {
        let items = form.required_list("do");
        if !form.has("do") {
            return List::default();
        }
        self.part(items, &form.place("do"), 0, AtLeast::One)
    }

    fn parallel(&mut self, form: &mut Form<'_>) -> Action {
        let mut branches = Vec::new();
        let at = form.place("branches");
        let found = form.object("branches");
        if found.is_none_or(|it| it.is_empty() || it.len() > PARTS) {
            form.fault("branches", "too_few", "has 1 to 64 branches, each a list of entries");
        }
        for (part, (name, list)) in found.into_iter().flatten().take(PARTS).enumerate() {
            let place = format!("{at}/{}", crate::value::escape(name));
            match list.as_array() {
                Some(items) => {
                    branches.push((name.clone(), self.part(items, &place, part, AtLeast::One)));
                }
                None => form.faults.push(Fault::new(place, "wrong_type", "must be a list")),
            }
        }
        Action::Parallel { branches, fail_fast: form.flag("fail_fast").unwrap_or(true) }
    }

    fn conditional(&mut self, form: &mut Form<'_>) -> Action {
        let items = form.required_list("cases");
        if form.has("cases") && (items.is_empty() || items.len() > PARTS) {
            form.fault("cases", "too_few", "has 1 to 64 cases");
        }
        let (mut cases, mut is_decided) = (Vec::new(), false);
        for (part, item) in items.iter().take(PARTS).enumerate() {
            let at = format!("{}/{part}", form.place("cases"));
            let Some(members) = item.as_object() else {
                form.faults.push(Fault::new(at, "wrong_type", "a case is an object"));
                continue;
            };
            let mut case = Form::new(members, &at);
            let when = case.predicate("when");
            if !case.has("when") {
                case.fault("when", "missing_member", "is required");
            }
            let constant = when.as_ref().and_then(Predicate::constant);
            if is_decided || constant == Some(false) {
                case.fault("when", "unreachable", "this case is never the first that holds");
            }
            is_decided |= constant == Some(true);
            let then = case.required_list("then");
            let then = self.part(then, &case.place("then"), part, AtLeast::None);
            case.finish();
            form.faults.append(&mut case.faults);
            form.reads.append(&mut case.reads);
            let never = || Predicate::Or(Vec::new());
            cases.push((when.unwrap_or_else(never), then));
        }
        let otherwise = form.list("otherwise").unwrap_or_default();
        if is_decided && !otherwise.is_empty() {
            form.fault("otherwise", "unreachable", "never executed: a case always holds");
        }
        let place = form.place("otherwise");
        let otherwise = self.part(otherwise, &place, items.len(), AtLeast::None);
        Action::Conditional { cases, otherwise }
    }

    fn foreach(&mut self, form: &mut Form<'_>) -> Action {
        let items = form.required_value("items");
        let max_items = form.number("max_items", 1..=TURNS).unwrap_or(MAX_ITEMS);
        if let Some(value) = items.constant().filter(|it| !it.is_null()) {
            match value.as_array() {
                None => form.fault("items", "wrong_type", "must be a list"),
                Some(list) if list.len() as u64 > max_items => {
                    form.fault("items", "too_many", format!("has more than {max_items} items"));
                }
                Some(_) => {}
            }
        }
        Action::Foreach {
            items,
            body: self.body(form),
            concurrency: size(form.number("concurrency", 1..=AT_ONCE).unwrap_or(1)),
            max_items: size(max_items),
        }
    }

    fn turns(&mut self, form: &mut Form<'_>, inner: &mut Reads) -> Action {
        let outer = form.reads.len();
        let (again, until) = (form.predicate("while"), form.predicate("until"));
        inner.extend(form.reads.drain(outer..));
        if form.has("while") == form.has("until") {
            form.fault("while", "conflict", "a loop has either `while` or `until`");
        }
        if again.as_ref().and_then(Predicate::constant) == Some(false) {
            form.fault("while", "unreachable", "never executed: this never holds");
        }
        let is_endless = again.as_ref().and_then(Predicate::constant) == Some(true)
            || until.as_ref().and_then(Predicate::constant) == Some(false);
        if is_endless {
            let name = if again.is_some() { "while" } else { "until" };
            form.fault(name, "never_ends", "the loop would only end by failing at its last turn");
        }
        let never = || Predicate::Or(Vec::new());
        let test = match again {
            Some(predicate) => Test::While(predicate),
            None => Test::Until(until.unwrap_or_else(never)),
        };
        let max_iterations = size(form.required_number("max_iterations", 1..=TURNS));
        Action::Loop { test, body: self.body(form), max_iterations }
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn called(form: &mut Form<'_>, kind: &str) -> Action {
    let version = |form: &mut Form<'_>| {
        form.number("version", 1..=i64::MAX.unsigned_abs()).and_then(|it| i64::try_from(it).ok())
    };
    match kind {
        "agent" => {
            let name = form.required_text("agent", 56);
            Action::Agent { name, version: version(form) }
        }
        "tool" => {
            let name = form.required_text("tool", NAME_BYTES);
            Action::Tool { name, version: version(form) }
        }
        _ => {
            let name = form.required_text("workflow", 56);
            Action::Workflow { name, version: version(form) }
        }
    }
}

fn sleep(form: &mut Form<'_>) -> Action {
    let duration = form.required_value("duration_ms");
    if let Some(value) = duration.constant().filter(|it| !it.is_null())
        && value.as_u64().is_none_or(|it| it > YEAR_MS)
    {
        let detail = format!("must be an integer from 0 to {YEAR_MS}");
        form.fault("duration_ms", "out_of_range", detail);
    }
    Action::Sleep { duration }
}

fn sleep_until(form: &mut Form<'_>) -> Action {
    let until = form.required_value("until");
    if let Some(value) = until.constant().filter(|it| !it.is_null()) {
        let is_time = value.as_str().is_some_and(|it| DateTime::parse_from_rfc3339(it).is_ok());
        if !is_time {
            form.fault("until", "bad_format", "must be a time such as `2026-11-25T10:00:00Z`");
        }
    }
    Action::SleepUntil { until }
}

fn wait_for_event(form: &mut Form<'_>) -> Action {
    Action::WaitForEvent {
        event: form.required_text("event", NAME_BYTES),
        key: form.value("key").unwrap_or(Expr::Literal(Value::Null)),
        schema: form.schema("schema"),
    }
}

fn approval(form: &mut Form<'_>) -> Action {
    let options =
        [("reject", OnTimeout::Reject), ("approve", OnTimeout::Approve), ("fail", OnTimeout::Fail)];
    Action::Approval(Asking {
        message: form.template("message"),
        payload_schema: form.schema("payload_schema"),
        scope: form.text("scope", NAME_BYTES).map(str::to_owned),
        timeout_ms: form.number("timeout_ms", 1..=YEAR_MS).unwrap_or(DAY_MS),
        on_timeout: form.word("on_timeout", &options).unwrap_or_default(),
    })
}
