//! [`Template`]: the path of a route, `/notes/{id}`, with its parameters.
//!
//! It must never know requests.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::invalid_route::InvalidRoute;
use super::path_text::normal_literal;

/// The path of a route, as `matchit` reads it.
pub(super) struct Template {
    /// The literal parts are spelled as in [`normal_path`](super::path_text::normal_path).
    pub(super) pattern: String,
    /// The names of the parameters, in order.
    pub(super) names: Vec<Box<str>>,
    pub(super) has_catch_all: bool,
}

impl Template {
    pub(super) fn parse(path: &str) -> Result<Self, InvalidRoute> {
        if !path.starts_with('/') {
            return Err(InvalidRoute::NotAbsolute { path: path.into() });
        }
        let fault = || InvalidRoute::Parameter { path: path.into() };
        let (mut pattern, mut literal) = (String::new(), String::new());
        let (mut names, mut has_catch_all): (Vec<Box<str>>, bool) = (Vec::new(), false);
        let mut rest = path;
        while let Some(char) = rest.chars().next() {
            rest = rest.get(char.len_utf8()..).unwrap_or_default();
            match char {
                '{' | '}' if rest.starts_with(char) => {
                    literal.push(char);
                    rest = rest.get(1..).unwrap_or_default();
                }
                '{' => {
                    let (name, behind) = rest.split_once('}').ok_or_else(fault)?;
                    rest = behind;
                    pattern.push_str(&normal_literal(&literal));
                    literal.clear();
                    pattern.extend(["{", name, "}"]);
                    let plain = name.strip_prefix('*').unwrap_or(name);
                    has_catch_all |= plain.len() < name.len();
                    if plain.is_empty() || plain.contains(['{', '/', '*', ':']) {
                        return Err(fault());
                    }
                    if names.iter().any(|known| &**known == plain) {
                        let name = plain.into();
                        return Err(InvalidRoute::RepeatedName { path: path.into(), name });
                    }
                    names.push(plain.into());
                }
                '}' => return Err(fault()),
                _ => literal.push(char),
            }
        }
        pattern.push_str(&normal_literal(&literal));
        Ok(Template { pattern, names, has_catch_all })
    }

    /// Adds the template to a tree. `written` is the path of the route that a pattern is from.
    pub(super) fn insert<T>(
        &self,
        tree: &mut matchit::Router<T>,
        path: &str,
        value: T,
        written: impl Fn(&str) -> Box<str>,
    ) -> Result<(), InvalidRoute> {
        use matchit::InsertError;
        tree.insert(&*self.pattern, value).map_err(|error| match error {
            InsertError::Conflict { with } => {
                InvalidRoute::Conflict { path: path.into(), with: written(&with) }
            }
            InsertError::InvalidParamSegment => InvalidRoute::TwoParameters { path: path.into() },
            InsertError::InvalidCatchAll => InvalidRoute::CatchAll { path: path.into() },
            _ => InvalidRoute::Parameter { path: path.into() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn parsed(path: &str) -> Result<(String, Vec<Box<str>>), InvalidRoute> {
        Template::parse(path).map(|template| (template.pattern, template.names))
    }

    #[test]
    fn literals_are_spelled_as_in_requests_and_names_are_kept() {
        let names = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect::<Vec<_>>();
        for (path, pattern, expected) in [
            ("/", "/", vec![]),
            ("/a/{id}", "/a/{id}", vec!["id"]),
            ("/caf\u{e9}/{na\u{ef}ve}/%61", "/caf%C3%A9/{na\u{ef}ve}/a", vec!["na\u{ef}ve"]),
            ("/{{x}}/{y}.png", "/%7Bx%7D/{y}.png", vec!["y"]),
            ("/f/{*rest}", "/f/{*rest}", vec!["rest"]),
        ] {
            assert_eq!(parsed(path), Ok((pattern.into(), names(&expected))), "{path}");
        }
    }

    #[test]
    fn what_is_no_path_of_a_route_is_an_error() {
        for path in ["/{", "/}", "/{}", "/{*}", "/{a", "/a}", "/{a/b}", "/{a{b}"] {
            assert_eq!(parsed(path), Err(InvalidRoute::Parameter { path: path.into() }), "{path}");
        }
        assert_eq!(parsed("a"), Err(InvalidRoute::NotAbsolute { path: "a".into() }));
        assert_eq!(parsed(""), Err(InvalidRoute::NotAbsolute { path: "".into() }));
        let (path, name) = ("/{a}/{a}".into(), "a".into());
        assert_eq!(parsed("/{a}/{a}"), Err(InvalidRoute::RepeatedName { path, name }));
    }
}
