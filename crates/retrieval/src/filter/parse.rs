//! JSON to filters, with the place of whatever is wrong.

use serde_json::Map;
use serde_json::Value;

use super::Bound;
use super::Condition;
use super::Filter;
use super::Order;
use super::Scalar;

/// How deep filters may stand in each other.
pub const MAX_DEPTH: usize = 16;

/// How many conditions and listed values one filter may have.
pub const MAX_CONDITIONS: usize = 1000;

/// Why a filter was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FilterError {
    /// A JSON pointer (RFC 6901) into the filter.
    pub pointer: String,
    pub reason: String,
}

pub(super) fn filter(value: &Value) -> Result<Filter, FilterError> {
    Parser { pointer: Vec::new(), conditions: 0 }.object(value)
}

struct Parser {
    pointer: Vec<String>,
    conditions: usize,
}

impl Parser {
    /// `{member or logical operator: …, …}`: all of it must hold.
    fn object(&mut self, value: &Value) -> Result<Filter, FilterError> {
        let members = self.as_object(value, "a filter is an object of members and operators")?;
        if self.pointer.len() > MAX_DEPTH * 2 {
            return Err(self.fault(format!("filters may stand in each other {MAX_DEPTH} deep")));
        }
        let mut all = Vec::with_capacity(members.len());
        for (name, value) in members {
            all.push(self.at(name, |parser| match name.as_str() {
                "$and" => Ok(Filter::And(parser.list(value)?)),
                "$or" => Ok(Filter::Or(parser.list(value)?)),
                "$not" => Ok(Filter::Not(Box::new(parser.object(value)?))),
                _ if name.starts_with('$') => Err(parser.unknown(name, "$and, $or, $not")),
                _ => parser.member(name, value),
            })?);
        }
        Ok(one_or(all, Filter::And))
    }

    /// `[filter, …]`
    fn list(&mut self, value: &Value) -> Result<Vec<Filter>, FilterError> {
        let Value::Array(filters) = value else {
            return Err(self.fault("this operator takes a list of filters"));
        };
        if filters.is_empty() {
            return Err(self.fault("the list must hold at least one filter"));
        }
        let filters = filters.iter().enumerate();
        filters
            .map(|(index, filter)| self.at(&index.to_string(), |parser| parser.object(filter)))
            .collect()
    }

    /// `value` or `{operator: operand, …}`
    fn member(&mut self, name: &str, value: &Value) -> Result<Filter, FilterError> {
        let Value::Object(operators) = value else {
            let scalar = self.scalar(value)?;
            return Ok(Filter::Member(name.to_owned(), Condition::Eq(scalar)));
        };
        if operators.is_empty() {
            return Err(self.fault("a condition needs an operator, such as {\"$eq\": …}"));
        }
        let mut all = Vec::with_capacity(operators.len());
        for (operator, operand) in operators {
            all.push(self.at(operator, |parser| parser.condition(name, operator, operand))?);
        }
        Ok(one_or(all, Filter::And))
    }

    fn condition(
        &mut self,
        name: &str,
        operator: &str,
        operand: &Value,
    ) -> Result<Filter, FilterError> {
        let condition = match operator {
            "$eq" => Condition::Eq(self.scalar(operand)?),
            "$ne" => Condition::Ne(self.scalar(operand)?),
            "$gt" => Condition::Compare(Order::Greater, self.bound(operand)?),
            "$gte" => Condition::Compare(Order::GreaterOrEqual, self.bound(operand)?),
            "$lt" => Condition::Compare(Order::Less, self.bound(operand)?),
            "$lte" => Condition::Compare(Order::LessOrEqual, self.bound(operand)?),
            "$in" => Condition::In(self.scalars(operand)?),
            "$nin" => Condition::Nin(self.scalars(operand)?),
            "$contains" => Condition::Contains(self.scalar(operand)?),
            "$exists" => match operand {
                Value::Bool(exists) => Condition::Exists(*exists),
                _ => return Err(self.fault("$exists takes true or false")),
            },
            "$not" => {
                if self.pointer.len() > MAX_DEPTH * 2 {
                    return Err(
                        self.fault(format!("filters may stand in each other {MAX_DEPTH} deep"))
                    );
                }
                self.as_object(operand, "$not takes an object of operators here")?;
                return Ok(Filter::Not(Box::new(self.member(name, operand)?)));
            }
            _ => {
                let known = "$eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, $contains, $not";
                return Err(self.unknown(operator, known));
            }
        };
        Ok(Filter::Member(name.to_owned(), condition))
    }

    fn scalars(&mut self, value: &Value) -> Result<Vec<Scalar>, FilterError> {
        let Value::Array(values) = value else {
            return Err(self.fault("this operator takes a list of values"));
        };
        let values = values.iter().enumerate();
        values
            .map(|(index, value)| self.at(&index.to_string(), |parser| parser.scalar(value)))
            .collect()
    }

    fn scalar(&mut self, value: &Value) -> Result<Scalar, FilterError> {
        self.conditions += 1;
        if self.conditions > MAX_CONDITIONS {
            return Err(
                self.fault(format!("a filter may have {MAX_CONDITIONS} conditions and values"))
            );
        }
        match value {
            Value::Null => Ok(Scalar::Null),
            Value::Bool(value) => Ok(Scalar::Bool(*value)),
            Value::Number(value) => Ok(Scalar::Number(value.clone())),
            Value::String(value) => Ok(Scalar::String(value.clone())),
            Value::Array(_) => {
                Err(self.fault("a list is no value to compare with; use $in or $contains"))
            }
            Value::Object(_) => Err(self.fault("an object is no value to compare with")),
        }
    }

    fn bound(&mut self, value: &Value) -> Result<Bound, FilterError> {
        match self.scalar(value)? {
            Scalar::Number(value) => Ok(Bound::Number(value)),
            Scalar::String(value) => Ok(Bound::String(value)),
            _ => Err(self.fault("only numbers and strings have an order")),
        }
    }

    fn as_object<'a>(
        &self,
        value: &'a Value,
        reason: &str,
    ) -> Result<&'a Map<String, Value>, FilterError> {
        value.as_object().ok_or_else(|| self.fault(reason))
    }

    fn at<T>(
        &mut self,
        step: &str,
        read: impl FnOnce(&mut Self) -> Result<T, FilterError>,
    ) -> Result<T, FilterError> {
        self.pointer.push(step.replace('~', "~0").replace('/', "~1"));
        let read = read(self)?;
        self.pointer.pop();
        Ok(read)
    }

    fn unknown(&self, operator: &str, known: &str) -> FilterError {
        self.fault(format!("`{operator}` is no operator here; there are {known}"))
    }

    fn fault(&self, reason: impl Into<String>) -> FilterError {
        let pointer = self.pointer.iter().flat_map(|step| ["/", step.as_str()]).collect();
        FilterError { pointer, reason: reason.into() }
    }
}

/// One filter alone needs nothing around it.
fn one_or(mut filters: Vec<Filter>, wrap: fn(Vec<Filter>) -> Filter) -> Filter {
    match filters.pop() {
        Some(only) if filters.is_empty() => only,
        Some(last) => {
            filters.push(last);
            wrap(filters)
        }
        None => wrap(filters),
    }
}
