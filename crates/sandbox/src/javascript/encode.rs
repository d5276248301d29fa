//! The result of a script as JSON: exactly what it is, or a sentence on why it cannot be told.

use std::fmt::Write;

use rquickjs::Array;
use rquickjs::Function;
use rquickjs::Object;
use rquickjs::Type;
use rquickjs::Value;

use super::RESULT_BYTES;
use super::fault::Stop;

/// How deep a result may be nested, which is what readers of JSON bear.
const DEPTH: usize = 100;
/// The largest whole number up to which a JavaScript number has each of them.
const SAFE: f64 = 9_007_199_254_740_991.0;
/// From here on nobody takes a number for an identifier: it has no more digits than a number can hold.
const HUGE: f64 = 18_446_744_073_709_551_616.0;

/// Whether JSON has a number with so many digits that a JavaScript number may lose some. It may be
/// a text that only looks like it: then it is read a little slower.
pub fn has_long_digits(json: &str) -> bool {
    let mut run = 0;
    json.bytes().any(|it| {
        run = if it.is_ascii_digit() { run + 1 } else { 0 };
        run >= 16
    })
}

pub fn encode<'js>(prelude: &Object<'js>, result: &Value<'js>) -> Result<String, Stop> {
    let mut encoder = Encoder { prelude, out: String::new(), above: Vec::new(), path: Vec::new() };
    if result.is_undefined() {
        return Ok("null".to_owned());
    }
    encoder.value(result)?;
    if encoder.out.len() > RESULT_BYTES { Err(too_large()) } else { Ok(encoder.out) }
}

struct Encoder<'a, 'js> {
    prelude: &'a Object<'js>,
    out: String,
    /// What the value is inside of.
    above: Vec<Value<'js>>,
    path: Vec<String>,
}

impl<'js> Encoder<'_, 'js> {
    fn value(&mut self, value: &Value<'js>) -> Result<(), Stop> {
        if self.out.len() > RESULT_BYTES {
            return Err(too_large());
        }
        match value.type_of() {
            Type::Null | Type::Undefined => self.out.push_str("null"),
            Type::Bool => self.put(value.as_bool().unwrap_or_default()),
            Type::Int => self.put(value.as_int().unwrap_or_default()),
            Type::Float => self.float(value.as_float().unwrap_or(f64::NAN))?,
            Type::String => self.text(value)?,
            Type::BigInt => self.big(value)?,
            Type::Symbol => return Err(self.unfit("is a symbol, which JSON cannot hold")),
            _ if value.is_function() => {
                return Err(self.unfit("is a function, which JSON cannot hold"));
            }
            _ => return self.nested(value),
        }
        Ok(())
    }

    fn nested(&mut self, value: &Value<'js>) -> Result<(), Stop> {
        if self.above.contains(value) {
            return Err(self.unfit("is inside of itself, which JSON cannot hold"));
        }
        if self.above.len() >= DEPTH {
            return Err(Stop::Unfit(format!("the result is nested deeper than {DEPTH} levels")));
        }
        let told: Value<'js> = self.call("told", value)?;
        let Some(object) = told.as_object().filter(|it| !it.is_function()) else {
            return self.value(&told);
        };
        if let Some(why) = self.call::<Option<String>>("unfit", &told)? {
            return Err(self.unfit(&why));
        }
        self.above.push(value.clone());
        match told.as_array() {
            Some(items) => self.array(items)?,
            None => self.object(object)?,
        }
        self.above.pop();
        Ok(())
    }

    fn array(&mut self, items: &Array<'js>) -> Result<(), Stop> {
        self.out.push('[');
        for index in 0..items.len() {
            if index > 0 {
                self.out.push(',');
            }
            self.path.push(index.to_string());
            self.value(&items.get(index)?)?;
            self.path.pop();
        }
        self.out.push(']');
        Ok(())
    }

    fn object(&mut self, members: &Object<'js>) -> Result<(), Stop> {
        self.out.push('{');
        let mut separator = "";
        for name in members.keys::<Value<'js>>() {
            let name = name?;
            let member: Value<'js> = members.get(name.clone())?;
            if member.is_undefined() {
                continue;
            }
            self.out.push_str(separator);
            separator = ",";
            self.text(&name)?;
            self.out.push(':');
            self.path.push(self.string(&name)?);
            self.value(&member)?;
            self.path.pop();
        }
        self.out.push('}');
        Ok(())
    }

    fn float(&mut self, number: f64) -> Result<(), Stop> {
        if !number.is_finite() {
            let name = if number.is_nan() { "NaN" } else { "infinite" };
            return Err(self.unfit(&format!("is {name}, which JSON cannot hold")));
        }
        let is_whole = number.fract() == 0.0;
        if is_whole && (SAFE..HUGE).contains(&(number.abs() - 1.0)) {
            return Err(
                self.unfit("is a whole number too large to be exact: make it a BigInt or a text")
            );
        }
        if is_whole && number.abs() <= SAFE {
            self.put(format_args!("{:.0}", number + 0.0));
        } else {
            self.put(serde_json::Value::from(number));
        }
        Ok(())
    }

    fn big(&mut self, number: &Value<'js>) -> Result<(), Stop> {
        let digits: String = self.call("digits", number)?;
        if digits.parse::<i64>().is_err() && digits.parse::<u64>().is_err() {
            return Err(self.unfit("is a number with more than 64 bits: make it a text"));
        }
        self.out.push_str(&digits);
        Ok(())
    }

    fn text(&mut self, text: &Value<'js>) -> Result<(), Stop> {
        let text = self.string(text)?;
        if self.out.len() + text.len() > 2 * RESULT_BYTES {
            return Err(too_large());
        }
        self.put(serde_json::Value::from(text));
        Ok(())
    }

    /// A text of the script. NUL and halves of characters become U+FFFD.
    fn string(&self, text: &Value<'js>) -> Result<String, Stop> {
        let whole = text.as_string().and_then(|it| it.to_string().ok());
        let whole = whole.map_or_else(|| self.call("wellFormed", text), Ok)?;
        Ok(if whole.contains('\0') { whole.replace('\0', "\u{fffd}") } else { whole })
    }

    fn call<R: rquickjs::FromJs<'js>>(&self, name: &str, value: &Value<'js>) -> Result<R, Stop> {
        let function: Function<'js> = self.prelude.get(name)?;
        Ok(function.call((value.clone(),))?)
    }

    fn put(&mut self, what: impl std::fmt::Display) {
        let _ = write!(self.out, "{what}");
    }

    fn unfit(&self, why: &str) -> Stop {
        let place = self.path.iter().fold(String::new(), |place, it| place + "/" + it);
        let place = &place[..place.floor_char_boundary(200)];
        let what = if place.is_empty() {
            "the result".to_owned()
        } else {
            format!("`{place}` of the result")
        };
        Stop::Unfit(format!("{what} {why}"))
    }
}

fn too_large() -> Stop {
    Stop::Unfit(format!("the result is larger than {} kB", RESULT_BYTES / 1024))
}
