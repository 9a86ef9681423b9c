//! Deserializes the parameters of a path.
//!
//! ```text
//!   PathValues   all parameters: a struct, a map, a tuple; or the only one
//!   ParamValue   one of them: a number, a text, ..
//! ```
//!
//! It must never know requests.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use core::fmt;
use core::slice;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

/// Why the parameters do not convert.
#[derive(Debug)]
pub(super) enum PathError {
    /// A value is wrong: the client's fault.
    Value(Box<str>),
    /// The type does not fit the parameters: the application's fault.
    Shape(Box<str>),
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathError::Value(fault) | PathError::Shape(fault) => f.write_str(fault),
        }
    }
}

impl core::error::Error for PathError {}

impl de::Error for PathError {
    /// What a type says of a value by itself: `#[serde(try_from)]`, or its own `Deserialize`.
    fn custom<T: fmt::Display>(fault: T) -> Self {
        PathError::Value(format!("the path is not as expected: {fault}").into())
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        PathError::Value(format!("the path has {unexpected}, expected {expected}").into())
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let fault = format!("the path has {variant:?}, expected one of {}", expected.join(", "));
        PathError::Value(fault.into())
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        shape(format_args!("{unexpected} where {expected} is expected"))
    }

    fn invalid_length(len: usize, expected: &dyn de::Expected) -> Self {
        shape(format_args!("{len} parameters where {expected} is expected"))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        shape(format_args!("no field `{field}`"))
    }

    fn missing_field(field: &'static str) -> Self {
        shape(format_args!("no parameter `{field}`"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        shape(format_args!("two parameters `{field}`"))
    }
}

fn shape(fault: fmt::Arguments<'_>) -> PathError {
    PathError::Shape(fault.to_string().into())
}

type Param<'a> = (&'a str, Cow<'a, str>);

pub(super) struct PathValues<'a> {
    params: &'a [Param<'a>],
}

impl<'a> PathValues<'a> {
    pub(super) fn new(params: &'a [Param<'a>]) -> Self {
        PathValues { params }
    }

    fn only(&self) -> Result<ParamValue<'a>, PathError> {
        match self.params {
            [param] => Ok(ParamValue(param)),
            _ => Err(shape(format_args!("one value of {} parameters", self.params.len()))),
        }
    }

    fn seq<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
        let mut values = SeqDeserializer::new(self.params.iter().map(ParamValue));
        let value = visitor.visit_seq(&mut values)?;
        values.end()?;
        Ok(value)
    }
}

macro_rules! forward_to_only {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
            self.only()?.$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for PathValues<'_> {
    type Error = PathError;

    forward_to_only! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf deserialize_option
        deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, PathError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, PathError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
        self.seq(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, PathError> {
        self.seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, PathError> {
        self.seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
        let params: slice::Iter<'_, Param<'_>> = self.params.iter();
        let entries = params.map(|param| (param.0, ParamValue(param)));
        visitor.visit_map(MapDeserializer::new(entries))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PathError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PathError> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }
}

#[derive(Clone, Copy)]
struct ParamValue<'a>(&'a Param<'a>);

impl ParamValue<'_> {
    fn wrong(self, why: impl fmt::Display) -> PathError {
        let (name, value) = self.0;
        PathError::Value(format!("the parameter {name} of the path is {value:?}: {why}").into())
    }

    /// Names the parameter in an error of its value.
    fn named(self, error: PathError) -> PathError {
        match error {
            PathError::Value(why) => self.wrong(why),
            shape => shape,
        }
    }
}

impl<'a> IntoDeserializer<'_, PathError> for ParamValue<'a> {
    type Deserializer = ParamValue<'a>;

    fn into_deserializer(self) -> ParamValue<'a> {
        self
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
            let value: $type = self.0.1.parse().map_err(|error| self.wrong(error))?;
            visitor.$visit(value)
        }
    )*};
}

impl<'de> Deserializer<'de> for ParamValue<'_> {
    type Error = PathError;

    parsed! {
        deserialize_bool visit_bool bool;
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_i128 visit_i128 i128;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_u128 visit_u128 u128;
        deserialize_f32 visit_f32 f32;
        deserialize_f64 visit_f64 f64;
        deserialize_char visit_char char;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
        visitor.visit_str(&self.0.1).map_err(|error| self.named(error))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, PathError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PathError> {
        let name: &str = &self.0.1;
        visitor.visit_enum(name.into_deserializer()).map_err(|error| self.named(error))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::string::String;
    use alloc::vec::Vec;
    use serde::Deserialize;

    fn read<T: de::DeserializeOwned>(params: &[(&'static str, &'static str)]) -> Result<T, String> {
        let params: Vec<Param<'_>> =
            params.iter().map(|(name, value)| (*name, Cow::Borrowed(*value))).collect();
        T::deserialize(PathValues::new(&params)).map_err(|error| match error {
            PathError::Value(fault) => format!("400 {fault}"),
            PathError::Shape(fault) => format!("500 {fault}"),
        })
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Id(u32);

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Order {
        Up,
        Down,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Named {
        id: Id,
        order: Order,
        rest: Option<String>,
    }

    #[test]
    fn values_convert_by_themselves_by_place_and_by_name() {
        let one = [("id", "7")];
        let three = [("id", "7"), ("order", "down"), ("rest", "a/b")];
        assert_eq!(read(&one), Ok(7_u64));
        assert_eq!(read(&one), Ok(Id(7)));
        assert_eq!(read(&one), Ok((7_i8,)));
        assert_eq!(read(&one), Ok(Some('7')));
        assert_eq!(read(&one), Ok("7".to_string()));
        assert_eq!(read(&[("up", "up")]), Ok(Order::Up));
        assert_eq!(read(&[]), Ok(()));
        let named = Named { id: Id(7), order: Order::Down, rest: Some("a/b".into()) };
        assert_eq!(read(&three), Ok(named));
        assert_eq!(read(&three), Ok((Id(7), Order::Down, "a/b".to_string())));
        let map: BTreeMap<String, String> = read(&three).unwrap();
        assert_eq!(map["rest"], "a/b");
        let list: Vec<String> = read(&three).unwrap();
        assert_eq!(list, ["7", "down", "a/b"]);
        let named: Named = read(&three[..2]).unwrap();
        assert_eq!(named.rest, None);
    }

    #[test]
    fn a_wrong_value_is_the_clients_fault() {
        for (value, fault) in [
            ("x", "invalid digit found in string"),
            ("", "cannot parse integer from empty string"),
            ("4294967296", "number too large to fit in target type"),
        ] {
            let expected = format!("400 the parameter id of the path is {value:?}: {fault}");
            assert_eq!(read::<Id>(&[("id", value)]), Err(expected.clone()));
            assert_eq!(read::<(Id,)>(&[("id", value)]), Err(expected));
        }
        assert_eq!(
            read::<Order>(&[("order", "left")]).unwrap_err(),
            "400 the parameter order of the path is \"left\": the path has \"left\", expected one of \
             up, down"
        );
    }

    #[test]
    fn a_value_that_its_type_refuses_is_the_clients_fault() {
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(try_from = "u32")]
        struct Even(u32);

        impl TryFrom<u32> for Even {
            type Error = &'static str;

            fn try_from(n: u32) -> Result<Self, Self::Error> {
                if n.is_multiple_of(2) { Ok(Even(n)) } else { Err("that is odd") }
            }
        }

        #[derive(Debug, Deserialize)]
        struct ByName {
            #[serde(rename = "n")]
            _n: Even,
        }

        let expected = "400 the path is not as expected: that is odd";
        assert_eq!(read(&[("n", "2")]), Ok(Even(2)));
        assert_eq!(read::<Even>(&[("n", "3")]).unwrap_err(), expected);
        assert_eq!(read::<(Even,)>(&[("n", "3")]).unwrap_err(), expected);
        assert_eq!(read::<ByName>(&[("n", "3")]).unwrap_err(), expected);
    }

    #[test]
    fn a_type_that_does_not_fit_is_the_applications_fault() {
        for error in [
            read::<u32>(&[("a", "1"), ("b", "2")]).unwrap_err(),
            read::<u32>(&[]).unwrap_err(),
            read::<(u32, u32)>(&[("a", "1")]).unwrap_err(),
            read::<(u32,)>(&[("a", "1"), ("b", "2")]).unwrap_err(),
            read::<Named>(&[("id", "1")]).unwrap_err(),
            read::<(Vec<u32>,)>(&[("id", "1")]).unwrap_err(),
        ] {
            assert!(error.starts_with("500 "), "{error}");
        }
    }
}
