//! Syntax trees to checked expressions.
//!
//! A [`Lowerer`] reads the texts of one stage of a query: over joined rows, over folded rows, or
//! over groups. Mistakes are collected, and each operand is read before the first mistake among
//! them is acted on, so that one run finds them all.

use std::ops::Range;

use sqlparser::ast;

use super::names::resolve;
use super::parse::{bytes, place};
use super::types::{arithmetic, between, comparison, condition, in_list, logic, of_type, unified};
use super::{Aggregate, Binary, Expr, FieldRef, Known, Mistake, ReportType, Unary};
use crate::domain::query::Group;
use crate::domain::value::{Type, Value};

/// The place of a list's columns.
pub(crate) const LIST: &str = "a list";

/// Deepest tree that is lowered; chains of operators are as deep as they are long.
pub(super) const DEPTH_MAX: usize = 200;

/// A checked expression on its way up.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) expr: Expr,
    /// `None` for a bare null.
    pub(crate) ty: Option<Type>,
    /// The bytes of the text it was written in.
    pub(crate) at: Range<usize>,
    /// The field it passes on unchanged, whose picklist is then its own.
    pub(crate) origin: Option<FieldRef>,
}

impl Node {
    pub(crate) fn new(expr: Expr, ty: Option<Type>, at: Range<usize>) -> Node {
        Node { expr, ty, at, origin: None }
    }
}

/// Where an expression stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Over rows; the word says what for, since no aggregate may stand there.
    Row(&'static str),
    /// Over groups.
    Group,
    /// Inside `share(..)`.
    Share,
}

/// A key or value of a fold, as later expressions name it.
#[derive(Clone, Debug)]
pub(crate) struct RowName {
    pub(crate) name: String,
    pub(crate) ty: Option<Type>,
    /// Of a key that is an alias: which table.
    pub(crate) alias: Option<usize>,
    /// The field it passes on.
    pub(crate) origin: Option<FieldRef>,
    /// Of a value that belongs to something coarser than the fold's keys: what it belongs to.
    pub(crate) repeats: Option<String>,
}

/// A column of the same report, as the ones behind it name it.
#[derive(Clone, Debug)]
pub(crate) struct NamedColumn {
    pub(crate) name: String,
    pub(crate) state: State,
}

/// How far a column has been read.
#[derive(Clone, Debug)]
pub(crate) enum State {
    /// It comes later.
    Later,
    /// There is a mistake in it, which has been told.
    Wrong,
    /// It means this.
    Checked(Node),
}

/// What grouping adds: the keys so far, and what the columns turn out to read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grouping {
    pub(crate) groups: Vec<Group>,
    /// So many of them, the first, only split the answer: columns mean the same without them.
    pub(crate) split: usize,
    /// The field that each group passes on.
    pub(crate) origins: Vec<Option<FieldRef>>,
    /// What the keys fix; `None` over folded rows, where only the keys are fixed.
    pub(crate) known: Option<Known>,
    /// Some keys have mistakes: what they would have fixed is not known and not asked.
    pub(crate) incomplete: bool,
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) carried: Vec<FieldRef>,
}

impl Grouping {
    fn fixes(&self, field: FieldRef) -> bool {
        self.incomplete || self.known.as_ref().is_some_and(|known| known.has(field))
    }
}

/// Reads expressions of one stage.
pub(crate) struct Lowerer<'a> {
    pub(super) report_type: &'a ReportType,
    /// How many tables may be named: a join's condition does not see those behind it.
    pub(super) visible: usize,
    /// Names of the folded row, when that is what expressions are over.
    pub(super) folded: Option<&'a [RowName]>,
    /// The query's filter: it fixes what it compares with constants.
    pub(super) filter: Option<&'a Expr>,
    /// The report's columns, where they may be named.
    pub(super) columns: &'a [NamedColumn],
    pub(crate) grouping: Grouping,
    pub(super) place: Place,
    pub(crate) mistakes: Vec<Mistake>,
    pub(super) whole: Range<usize>,
    pub(super) depth: usize,
    /// How many pieces came in through the names of columns.
    pub(super) named_pieces: usize,
}

impl<'a> Lowerer<'a> {
    /// Over rows of the first `visible` tables.
    pub(crate) fn rows(report_type: &'a ReportType, visible: usize, place: Place) -> Lowerer<'a> {
        Lowerer {
            report_type,
            visible,
            folded: None,
            filter: None,
            columns: &[],
            grouping: Grouping::default(),
            place,
            mistakes: Vec::new(),
            whole: 0..0,
            depth: 0,
            named_pieces: 0,
        }
    }

    /// Over folded rows instead.
    pub(crate) fn over(mut self, folded: Option<&'a [RowName]>) -> Lowerer<'a> {
        self.folded = folded;
        self
    }

    /// Over groups of rows that a filter let through.
    pub(crate) fn grouped(mut self, grouping: Grouping, filter: Option<&'a Expr>) -> Lowerer<'a> {
        self.grouping = grouping;
        self.filter = filter;
        self.place = Place::Group;
        self
    }

    /// Among the columns of a report, of which those before may be named.
    pub(crate) fn behind(mut self, columns: &'a [NamedColumn]) -> Lowerer<'a> {
        self.columns = columns;
        self
    }

    /// Lowers the expression that a whole text holds.
    pub(crate) fn lower(&mut self, expr: &ast::Expr, whole: &Range<usize>) -> Option<Node> {
        self.whole = whole.clone();
        self.depth = 0;
        self.node(expr)
    }

    /// Lowers with another place in force.
    pub(super) fn at_place<T>(&mut self, place: Place, lower: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.place, place);
        let lowered = lower(self);
        self.place = before;
        lowered
    }

    pub(super) fn mistake(&mut self, at: Range<usize>, message: impl Into<String>) -> &mut Mistake {
        self.mistakes.push(Mistake::new(at, message));
        let last = self.mistakes.len() - 1;
        &mut self.mistakes[last]
    }

    pub(super) fn node(&mut self, expr: &ast::Expr) -> Option<Node> {
        if self.depth >= DEPTH_MAX {
            let whole = self.whole.clone();
            self.mistake(whole, "nested too deeply");
            return None;
        }
        self.depth += 1;
        let node = match self.group_key(expr) {
            Some(key) => Some(key),
            None => self.kind(expr),
        };
        self.depth -= 1;
        node
    }

    /// One level of the tree. The kinds are methods of their own to keep this frame small.
    fn kind(&mut self, expr: &ast::Expr) -> Option<Node> {
        match expr {
            ast::Expr::Nested(inner) => self.node(inner),
            ast::Expr::Identifier(name) => self.word(name),
            ast::Expr::CompoundIdentifier(parts) => self.field(parts),
            ast::Expr::Value(value) => self.literal(value),
            ast::Expr::UnaryOp { op, expr: inner } => self.unary(*op, inner, expr),
            ast::Expr::BinaryOp { left, op, right } => self.binary(left, op, right, expr),
            ast::Expr::IsNull(inner) => self.is_null(inner, false),
            ast::Expr::IsNotNull(inner) => self.is_null(inner, true),
            ast::Expr::InList { expr: x, list, negated } => self.in_list(x, list, *negated),
            ast::Expr::Between { expr: x, negated, low, high } => {
                self.between(x, low, high, *negated)
            }
            ast::Expr::Like { negated, any: false, expr: x, pattern, escape_char: None } => {
                self.like(x, pattern, *negated)
            }
            ast::Expr::Case { operand: None, conditions, else_result, .. } => {
                self.case(conditions, else_result.as_deref(), expr)
            }
            ast::Expr::Function(function) => self.function(function),
            other => self.unsupported(other),
        }
    }

    fn unsupported(&mut self, expr: &ast::Expr) -> Option<Node> {
        let at = place(expr, &self.whole);
        let (message, help) = match expr {
            ast::Expr::InSubquery { .. } | ast::Expr::Subquery(_) | ast::Expr::Exists { .. } => {
                ("queries inside expressions are not known", "join the dataset in the report type")
            }
            ast::Expr::Case { .. } => ("`case` compares nothing", "write `case when x = .. then`"),
            ast::Expr::IsTrue(_) | ast::Expr::IsNotFalse(_) => {
                ("`is true` is not known", "write the condition by itself")
            }
            ast::Expr::IsFalse(_) | ast::Expr::IsNotTrue(_) => {
                ("`is false` is not known", "write `not` before the condition")
            }
            ast::Expr::ILike { .. } => ("`ilike` is not known", "write `lower(x) like '..'`"),
            ast::Expr::Like { .. } => ("`escape` is not known", "write `like` with `%` and `_`"),
            ast::Expr::Cast { .. } => ("`cast` is not known", "types are those of the fields"),
            ast::Expr::Extract { .. } => {
                ("`extract` is not known", "write `day(x)`, `week(x)`, `month(x)` or `hour(x)`")
            }
            _ => ("this kind of expression is not known", "see the report language for what is"),
        };
        self.mistake(at, message).help = Some(help.to_owned());
        None
    }

    fn literal(&mut self, value: &ast::ValueWithSpan) -> Option<Node> {
        let at = place(value, &self.whole);
        let (value, ty) = match &value.value {
            ast::Value::Number(digits, false) => match number(digits) {
                Some((value, ty)) => (value, Some(ty)),
                None => {
                    self.mistake(at, "this number is too large");
                    return None;
                }
            },
            ast::Value::SingleQuotedString(text) => (Value::Text(text.clone()), Some(Type::Text)),
            ast::Value::Boolean(truth) => (Value::Boolean(*truth), Some(Type::Boolean)),
            ast::Value::Null => (Value::Null, None),
            _ => {
                self.mistake(at, "this kind of constant is not known").help =
                    Some("text goes in single quotes".to_owned());
                return None;
            }
        };
        Some(Node::new(Expr::Literal(value), ty, at))
    }

    fn field(&mut self, parts: &[ast::Ident]) -> Option<Node> {
        let [alias, field] = parts else {
            let at = bytes(parts[0].span).start..bytes(parts[parts.len() - 1].span).end;
            self.mistake(at, "a field is `alias.Field`").help =
                Some("fields of other records come by joining them in the report type".to_owned());
            return None;
        };
        let at = bytes(alias.span).start..bytes(field.span).end;
        if self.folded.is_some() {
            let written = format!("{}.{}", alias.value, field.value);
            self.mistake(at, format!("`{written}` is folded away")).help =
                Some(format!("name it in `per` or `values`, e.g. `{written} as name`"));
            return None;
        }
        let resolved = resolve(
            self.report_type,
            self.visible,
            (&alias.value, bytes(alias.span)),
            (&field.value, bytes(field.span)),
        );
        match resolved {
            Ok(field) => self.field_node(field, at),
            Err(mistake) => {
                self.mistakes.push(mistake);
                None
            }
        }
    }

    /// A field that exists: over groups it stands only where the keys fix it.
    fn field_node(&mut self, field: FieldRef, at: Range<usize>) -> Option<Node> {
        let ty = Some(self.report_type.field(field).ty);
        let expr = match self.place {
            Place::Row(_) => Expr::Field(field),
            Place::Group if self.grouping.fixes(field) => {
                let known = self.grouping.carried.iter().position(|carried| *carried == field);
                Expr::Carried(known.unwrap_or_else(|| {
                    self.grouping.carried.push(field);
                    self.grouping.carried.len() - 1
                }))
            }
            Place::Group | Place::Share => {
                self.not_aggregated(at);
                return None;
            }
        };
        Some(Node { expr, ty, at, origin: Some(field) })
    }

    pub(super) fn not_aggregated(&mut self, at: Range<usize>) {
        let (message, help) = match self.place {
            Place::Share => ("`share` takes aggregates alone", "write e.g. `share(count())`"),
            _ => (
                "neither grouped nor inside an aggregate",
                "group by it, or write e.g. `max(..)` or `count(..)` around it",
            ),
        };
        self.mistake(at, message).help = Some(help.to_owned());
    }

    /// The group that an expression spells out, if it does.
    fn group_key(&mut self, expr: &ast::Expr) -> Option<Node> {
        let leaf = matches!(expr, ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_));
        let leaves = |expr: &Expr| matches!(expr, Expr::Field(_) | Expr::Folded(_));
        let split = self.grouping.split;
        let possible = self.grouping.groups[split..].iter().any(|g| leaf == leaves(&g.expr));
        if self.place != Place::Group || !possible {
            return None;
        }
        let before = self.mistakes.len();
        let row = self.at_place(Place::Row("a group"), |lowerer| lowerer.kind(expr));
        self.mistakes.truncate(before);
        let row = row?;
        let mut own = self.grouping.groups[split..].iter();
        let index = split + own.position(|group| group.expr == row.expr)?;
        let ty = Some(self.grouping.groups[index].ty);
        Some(Node { expr: Expr::Key(index), ty, at: row.at, origin: self.grouping.origins[index] })
    }

    fn unary(
        &mut self,
        op: ast::UnaryOperator,
        inner: &ast::Expr,
        whole: &ast::Expr,
    ) -> Option<Node> {
        let node = self.node(inner);
        let numbers = [Type::Integer, Type::Real];
        match op {
            ast::UnaryOperator::Not => {
                let node = node?;
                let at = node.at.clone();
                let inner = condition(node, &mut self.mistakes)?;
                Some(Node::new(Expr::Unary(Unary::Not, inner.into()), Some(Type::Boolean), at))
            }
            ast::UnaryOperator::Plus | ast::UnaryOperator::Minus => {
                let node = node?;
                let (ty, at) = (node.ty.or(Some(Type::Integer)), node.at.clone());
                let inner = of_type(node, &numbers, "arithmetic", &mut self.mistakes)?;
                let expr = match (op, inner) {
                    (ast::UnaryOperator::Plus, inner) => inner,
                    (_, Expr::Literal(Value::Integer(n))) => Expr::Literal(Value::Integer(-n)),
                    (_, Expr::Literal(Value::Real(x))) => Expr::Literal(Value::Real(-x)),
                    (_, inner) => Expr::Unary(Unary::Negate, inner.into()),
                };
                Some(Node::new(expr, ty, at))
            }
            other => {
                let at = place(whole, &self.whole);
                self.mistake(at, format!("the operator `{other}` is not known"));
                None
            }
        }
    }

    fn binary(
        &mut self,
        left: &ast::Expr,
        op: &ast::BinaryOperator,
        right: &ast::Expr,
        whole: &ast::Expr,
    ) -> Option<Node> {
        use ast::BinaryOperator as Op;
        let (a, b) = (self.node(left), self.node(right));
        let op = match op {
            Op::Eq => Binary::Equal,
            Op::NotEq => Binary::Different,
            Op::Lt => Binary::Less,
            Op::LtEq => Binary::LessOrEqual,
            Op::Gt => Binary::Greater,
            Op::GtEq => Binary::GreaterOrEqual,
            Op::And => Binary::And,
            Op::Or => Binary::Or,
            Op::Plus => Binary::Add,
            Op::Minus => Binary::Subtract,
            Op::Multiply => Binary::Multiply,
            Op::Divide => Binary::Divide,
            other => {
                let at = place(whole, &self.whole);
                self.mistake(at, format!("the operator `{other}` is not known")).help =
                    Some("there are = != < <= > >= + - * / and or not like in between".to_owned());
                return None;
            }
        };
        let (a, b) = (a?, b?);
        match op {
            Binary::And | Binary::Or => logic(op, a, b, &mut self.mistakes),
            Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide => {
                arithmetic(op, a, b, &mut self.mistakes)
            }
            _ => comparison(self.report_type, op, a, b, &mut self.mistakes),
        }
    }

    fn is_null(&mut self, inner: &ast::Expr, negated: bool) -> Option<Node> {
        let node = self.node(inner)?;
        let expr = Expr::Unary(Unary::IsNull, node.expr.into());
        Some(negate(Node::new(expr, Some(Type::Boolean), node.at), negated))
    }

    fn in_list(&mut self, x: &ast::Expr, list: &[ast::Expr], negated: bool) -> Option<Node> {
        let node = self.node(x);
        let items: Vec<Option<Node>> = list.iter().map(|item| self.node(item)).collect();
        let items: Option<Vec<Node>> = items.into_iter().collect();
        let node = node?;
        if list.is_empty() {
            self.mistake(node.at, "the list is empty");
            return None;
        }
        let node = in_list(self.report_type, node, items?, &mut self.mistakes)?;
        Some(negate(node, negated))
    }

    fn between(
        &mut self,
        x: &ast::Expr,
        low: &ast::Expr,
        high: &ast::Expr,
        negated: bool,
    ) -> Option<Node> {
        let (x, low, high) = (self.node(x), self.node(low), self.node(high));
        let node = between(self.report_type, x?, low?, high?, &mut self.mistakes)?;
        Some(negate(node, negated))
    }

    fn like(&mut self, x: &ast::Expr, pattern: &ast::Expr, negated: bool) -> Option<Node> {
        let (x, pattern) = (self.node(x), self.node(pattern));
        let (x, pattern) = (x?, pattern?);
        let at = x.at.start..pattern.at.end;
        let x = of_type(x, &[Type::Text], "`like`", &mut self.mistakes);
        let pattern = of_type(pattern, &[Type::Text], "`like`", &mut self.mistakes);
        let expr = Expr::Binary(Binary::Like, x?.into(), pattern?.into());
        Some(negate(Node::new(expr, Some(Type::Boolean), at), negated))
    }

    fn case(
        &mut self,
        branches: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
        whole: &ast::Expr,
    ) -> Option<Node> {
        let mut conditions = Vec::with_capacity(branches.len());
        let mut results = Vec::with_capacity(branches.len() + 1);
        for branch in branches {
            let node = self.node(&branch.condition);
            conditions.push(node.and_then(|node| condition(node, &mut self.mistakes)));
            results.push(self.node(&branch.result));
        }
        results.extend(otherwise.map(|otherwise| self.node(otherwise)));
        let conditions: Option<Vec<Expr>> = conditions.into_iter().collect();
        let results: Option<Vec<Node>> = results.into_iter().collect();
        let (mut results, ty) = unified(results?, &mut self.mistakes)?;
        let otherwise = otherwise.and_then(|_| results.pop()).map(Box::new);
        let branches = conditions?.into_iter().zip(results).collect();
        let at = place(whole, &self.whole);
        Some(Node::new(Expr::Case(branches, otherwise), ty, at))
    }
}

fn negate(node: Node, negated: bool) -> Node {
    let expr = if negated { Expr::Unary(Unary::Not, node.expr.into()) } else { node.expr };
    Node { expr, ..node }
}

/// A number as written: whole where it is, else a finite real.
pub(super) fn number(digits: &str) -> Option<(Value, Type)> {
    let digits = digits.replace('_', "");
    if let Ok(whole) = digits.parse::<i64>() {
        return Some((Value::Integer(whole), Type::Integer));
    }
    let real = digits.parse::<f64>().ok().filter(|real| real.is_finite())?;
    Some((Value::Real(real), Type::Real))
}
