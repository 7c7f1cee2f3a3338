//! SQL text from checked expressions.
//!
//! The text is made of words written here, identifiers from the dataset's own list and numbered
//! places for values. No text of the config gets into it.

use rusqlite::types::Value as Bind;

use crate::domain::expr::{Binary, Expr, FieldRef, Function, ReportType, Unary, Unit};
use crate::domain::query::Frame;
use crate::domain::value::{Type, Value};

use super::functions;

/// A statement being written.
pub(super) struct Writer<'a> {
    pub(super) sql: String,
    pub(super) binds: Vec<Bind>,
    report_type: &'a ReportType,
    frame: &'a Frame,
}

impl<'a> Writer<'a> {
    pub(super) fn new(report_type: &'a ReportType, frame: &'a Frame) -> Writer<'a> {
        Writer { sql: String::new(), binds: Vec::new(), report_type, frame }
    }

    pub(super) fn text(&mut self, text: &'static str) {
        self.sql.push_str(text);
    }

    /// An identifier, quoted.
    pub(super) fn name(&mut self, name: &str) {
        self.sql.push('"');
        self.sql.push_str(&name.replace('"', "\"\""));
        self.sql.push('"');
    }

    /// The name a table of the report type goes by in the statement.
    pub(super) fn table(&mut self, table: usize) {
        self.sql.push('t');
        self.sql.push_str(&table.to_string());
    }

    /// The number of a column of the statement, from one.
    pub(super) fn ordinal(&mut self, column: usize) {
        self.sql.push_str(&column.to_string());
    }

    pub(super) fn field(&mut self, field: FieldRef) {
        let report_type = self.report_type;
        self.table(field.table);
        self.text(".");
        self.name(&report_type.field(field).name);
    }

    /// That the record of a table exists. The literal zero lets the database use partial indexes.
    pub(super) fn exists(&mut self, table: usize) {
        self.table(table);
        self.text(".\"_deleted\" = 0");
    }

    pub(super) fn bind(&mut self, value: Bind) {
        self.binds.push(value);
        self.sql.push('?');
        self.sql.push_str(&self.binds.len().to_string());
    }

    pub(super) fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Literal(value) => self.literal(value),
            Expr::Field(field) => self.field(*field),
            Expr::AsOf => self.bind(Bind::Integer(self.frame.as_of.timestamp_millis())),
            Expr::Unary(op, x) => self.unary(*op, x),
            Expr::Binary(op, a, b) => self.binary(*op, a, b),
            Expr::Between(x, low, high) => {
                self.pieces(&["(", " BETWEEN ", " AND ", ")"], &[x, low, high])
            }
            Expr::In(x, list) => {
                self.pieces(&["(", " IN ("], &[x]);
                for (index, item) in list.iter().enumerate() {
                    self.text(if index > 0 { ", " } else { "" });
                    self.literal(item);
                }
                self.text("))");
            }
            Expr::Case(branches, otherwise) => {
                self.text("CASE");
                for (condition, result) in branches {
                    self.pieces(&[" WHEN ", " THEN ", ""], &[condition, result]);
                }
                if let Some(otherwise) = otherwise {
                    self.pieces(&[" ELSE ", ""], &[otherwise]);
                }
                self.text(" END");
            }
            Expr::Call(function, args) => self.call(function, args),
            Expr::Folded(_)
            | Expr::Key(_)
            | Expr::Carried(_)
            | Expr::Aggregate(_)
            | Expr::Share(_) => {
                unreachable!("only expressions over joined rows go to the database")
            }
        }
    }

    /// Words around expressions: one word more than expressions, or as many.
    fn pieces(&mut self, words: &[&'static str], exprs: &[&Expr]) {
        for (index, word) in words.iter().enumerate() {
            self.text(word);
            if let Some(expr) = exprs.get(index) {
                self.expr(expr);
            }
        }
    }

    fn literal(&mut self, value: &Value) {
        let bind = match value {
            Value::Null => return self.text("NULL"),
            Value::Boolean(truth) => Bind::Integer(i64::from(*truth)),
            Value::Integer(n) => Bind::Integer(*n),
            Value::Real(x) => Bind::Real(*x),
            Value::Text(text) => Bind::Text(text.clone()),
            Value::Timestamp(at) => Bind::Integer(at.timestamp_millis()),
        };
        self.bind(bind);
    }

    fn unary(&mut self, op: Unary, x: &Expr) {
        match op {
            Unary::Not => self.pieces(&["(NOT ", ")"], &[x]),
            Unary::Negate => self.pieces(&["(0 - ", ")"], &[x]),
            Unary::IsNull => self.pieces(&["(", " IS NULL)"], &[x]),
            Unary::Real => self.pieces(&["CAST(", " AS REAL)"], &[x]),
        }
    }

    fn binary(&mut self, op: Binary, a: &Expr, b: &Expr) {
        let word = match op {
            Binary::Equal => " = ",
            Binary::Different => " <> ",
            Binary::Less => " < ",
            Binary::LessOrEqual => " <= ",
            Binary::Greater => " > ",
            Binary::GreaterOrEqual => " >= ",
            Binary::And => " AND ",
            Binary::Or => " OR ",
            Binary::Add => " + ",
            Binary::Subtract => " - ",
            Binary::Multiply => " * ",
            // By zero it is null.
            Binary::Divide => return self.pieces(&["(CAST(", " AS REAL) / ", ")"], &[a, b]),
            Binary::Like => {
                self.text(functions::LIKE);
                return self.pieces(&["(", ", ", ")"], &[a, b]);
            }
        };
        self.pieces(&["(", word, ")"], &[a, b]);
    }

    fn call(&mut self, function: &Function, args: &[Expr]) {
        match (function, args) {
            (Function::Coalesce, [x]) => self.pieces(&["(", ")"], &[x]),
            (Function::Coalesce, _) => {
                self.text("COALESCE(");
                for (index, arg) in args.iter().enumerate() {
                    self.text(if index > 0 { ", " } else { "" });
                    self.expr(arg);
                }
                self.text(")");
            }
            (Function::Seconds, [from, to]) => {
                self.pieces(&["((", " - ", ") / 1000.0)"], &[to, from])
            }
            (Function::Calendar(unit), [at]) => {
                self.text(functions::CIVIL);
                self.pieces(&["(", ", "], &[at]);
                let spec = functions::civil_spec(*unit, &self.frame.zone, self.frame.week_starts);
                self.bind(Bind::Text(spec));
                self.text(")");
            }
            (Function::Bucket(bounds), [x]) => {
                self.text(functions::BUCKET);
                self.pieces(&["(", ", "], &[x]);
                self.bind(Bind::Blob(
                    bounds.iter().flat_map(|bound| bound.to_le_bytes()).collect(),
                ));
                self.text(")");
            }
            (_, args) => {
                self.text(functions::LOWER);
                let args: Vec<&Expr> = args.iter().collect();
                self.pieces(&["(", ")"], &args);
            }
        }
    }
}

/// The type of what the database gives for an expression over joined rows; `None` for a bare null.
pub(super) fn type_of(report_type: &ReportType, expr: &Expr) -> Option<Type> {
    let number = |exprs: &[&Expr]| {
        let real = exprs.iter().any(|expr| type_of(report_type, expr) == Some(Type::Real));
        Some(if real { Type::Real } else { Type::Integer })
    };
    match expr {
        Expr::Literal(value) => match value {
            Value::Null => None,
            Value::Boolean(_) => Some(Type::Boolean),
            Value::Integer(_) => Some(Type::Integer),
            Value::Real(_) => Some(Type::Real),
            Value::Text(_) => Some(Type::Text),
            Value::Timestamp(_) => Some(Type::Timestamp),
        },
        Expr::Field(field) => Some(report_type.field(*field).ty),
        Expr::AsOf => Some(Type::Timestamp),
        Expr::Unary(Unary::Negate, x) => number(&[x]),
        Expr::Unary(Unary::Real, _) => Some(Type::Real),
        Expr::Binary(Binary::Add | Binary::Subtract | Binary::Multiply, a, b) => number(&[a, b]),
        Expr::Binary(Binary::Divide, ..) => Some(Type::Real),
        Expr::Unary(..) | Expr::Binary(..) | Expr::Between(..) | Expr::In(..) => {
            Some(Type::Boolean)
        }
        Expr::Case(branches, otherwise) => {
            let mut results = branches.iter().map(|(_, result)| result).chain(otherwise.as_deref());
            results.find_map(|result| type_of(report_type, result))
        }
        Expr::Call(Function::Coalesce, args) => {
            args.iter().find_map(|arg| type_of(report_type, arg))
        }
        Expr::Call(function, _) => Some(match function {
            Function::Seconds => Type::Real,
            Function::Calendar(Unit::Hour | Unit::Weekday) => Type::Integer,
            Function::Calendar(_) => Type::Timestamp,
            Function::Lower | Function::Bucket(_) | Function::Coalesce => Type::Text,
        }),
        Expr::Folded(_) | Expr::Key(_) | Expr::Carried(_) | Expr::Aggregate(_) | Expr::Share(_) => {
            None
        }
    }
}
