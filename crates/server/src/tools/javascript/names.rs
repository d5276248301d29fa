//! The names of secrets in a script.

use crate::egress::Text;

/// How a script that runs writes the names of secrets: letters and digits that nobody else can know.
///
/// What its author wrote as `{{secrets.NAME}}` becomes such a mark before the script begins. An argument or
/// an answer that says `{{secrets.NAME}}` is therefore nothing but these letters, whatever the script does
/// with it. A mark stays what it is in a URL, in JSON and in a form.
#[derive(Debug)]
pub struct Names {
    /// How each mark begins.
    mark: String,
    names: Vec<String>,
}

/// How each mark ends: the number of the name is before it.
const END: char = 'z';

impl Names {
    /// Marks for one call, from bytes of chance.
    pub fn new(names: &[String], chance: &[u8]) -> Self {
        let digits = chance.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
        Self { mark: "secret".chars().chain(digits).chain(['x']).collect(), names: names.to_vec() }
    }

    /// The script with marks in it.
    pub fn write(&self, source: &str) -> String {
        Text::scan(source).with_names(|name| {
            let number = self.names.iter().position(|it| it.eq_ignore_ascii_case(name));
            let mark = number.map(|number| format!("{}{number}{END}", self.mark));
            mark.unwrap_or_else(|| format!("{{{{secrets.{name}}}}}"))
        })
    }

    /// What the script says, with the names of secrets where it has marks.
    pub fn read(&self, text: &str) -> Text {
        let (mut read, mut rest) = (Text::default(), text);
        while let Some((before, after)) = rest.split_once(&self.mark) {
            read.push(before);
            let name = after.split_once(END).and_then(|(number, after)| {
                Some((self.names.get(number.parse::<usize>().ok()?)?, after))
            });
            rest = if let Some((name, after)) = name {
                read.push_secret(name);
                after
            } else {
                read.push(&self.mark);
                after
            };
        }
        read.push(rest);
        read
    }

    /// The same for people.
    pub fn show(&self, text: &mut String) {
        if text.contains(&self.mark) {
            *text = self.read(text).to_string();
        }
    }
}

/// The lines of a script that name secrets, from 1, with the names.
pub fn in_lines(source: &str) -> impl Iterator<Item = (usize, String)> {
    (1..).zip(source.lines()).flat_map(|(line, text)| {
        let names: Vec<_> =
            Text::scan(text).secrets().map(|name| (line, name.to_owned())).collect();
        names
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_author_wrote_is_a_name() {
        let names = Names::new(&["key".to_owned(), "Other".to_owned()], &[0x1f, 0xa0]);

        let source = names.write("f('{{secrets.other}}', '{{ secrets.KEY }}', '{{secrets.none}}')");
        assert_eq!(source, "f('secret1fa0x1z', 'secret1fa0x0z', '{{secrets.none}}')");

        let text = names.read("a=secret1fa0x0z&b={{secrets.key}}&c=secret1fa0x7z&d=secret1fa0");
        assert_eq!(text.secrets().collect::<Vec<_>>(), ["key"]);
        let mut shown = "x secret1fa0x1z".to_owned();
        names.show(&mut shown);
        assert_eq!(shown, "x {{secrets.Other}}");
    }

    #[test]
    fn lines_are_counted_from_one() {
        let found: Vec<_> = in_lines("a\n'{{secrets.b}}' + '{{secrets.c}}'\n{{}}\n").collect();
        assert_eq!(found, [(2, "b".to_owned()), (2, "c".to_owned())]);
    }
}
