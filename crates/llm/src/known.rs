//! What is known of models by their names alone.

/// Parts of the names of models that hold no conversations in text.
const NO_CHAT: [&str; 14] = [
    "-tts",
    "-live",
    "-image",
    "-audio",
    "realtime",
    "transcribe",
    "-omni",
    "nano-banana",
    "-search",
    "instruct",
    "davinci",
    "babbage",
    "robotics",
    "ft:",
];

/// Whether `model` is one to hold a conversation with, as far as its name tells.
pub fn is_for_chat(model: &str) -> bool {
    !NO_CHAT.iter().any(|part| model.contains(part)) && !["ada", "curie"].contains(&model)
}

/// Whether `model` takes images, as far as its name tells. Nobody knows of a name that is not here.
pub fn takes_images(model: &str) -> bool {
    const FAMILIES: [&str; 16] = [
        "claude-3",
        "claude-opus",
        "claude-sonnet",
        "claude-haiku",
        "claude-4",
        "claude-5",
        "claude-fable",
        "gemini-",
        "gemma-3",
        "gpt-4o",
        "gpt-4.",
        "gpt-4-turbo",
        "gpt-4-vision",
        "chatgpt-4o",
        "o3",
        "o4",
    ];
    let generation = model.strip_prefix("gpt-").and_then(|rest| rest.chars().next());
    let is_new = generation.is_some_and(|digit| digit.is_ascii_digit() && digit >= '5');
    let is_text_only = ["gemini-pro", "gemini-1.0", "o3-mini"]
        .iter()
        .any(|name| model.starts_with(name) && !model.contains("vision"));
    (is_new || FAMILIES.iter().any(|family| model.starts_with(family))) && !is_text_only
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_who_takes_images() {
        for model in ["gpt-5", "gpt-4o-mini", "claude-sonnet-4-5", "gemini-3-pro", "o4-mini"] {
            assert!(takes_images(model), "{model}");
        }
        for model in
            ["gpt-3.5-turbo", "gpt-4", "claude-2", "gemini-pro", "o3-mini", "qwen3", "gpt-oss"]
        {
            assert!(!takes_images(model), "{model}");
        }
    }

    #[test]
    fn names_tell_who_talks() {
        assert!(is_for_chat("gpt-5-mini"));
        assert!(!is_for_chat("gpt-4o-realtime-preview"));
    }
}
