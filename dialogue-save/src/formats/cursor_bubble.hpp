// One message of Cursor, a "bubble", as a message.
#pragma once

#include "format.hpp"
#include "json_text.hpp"

namespace dialogue {

/// Nothing for tools, thinking and empty bubbles. Understands the bubbles of composers (type 1 and
/// 2) and the older ones of the chat panel (type "user" and "ai", or role and content).
std::optional<Message> cursor_message(const Json& bubble, Commands commands);

/// Whether a bubble or its header says that Cursor wrote it in the user's name.
bool cursor_simulated(const Json& bubble);

/// Whether Cursor wrote this text in the user's name: a notice, and perhaps what the model is to do
/// about it.
bool cursor_notice(std::string_view text);

/// The text of an editor state (Lexical's JSON, as text): text, mentions and line breaks, a newline
/// between paragraphs.
std::string lexical_text(const std::string& state);

/// Without the bodies of custom commands that Cursor wrote behind what was typed.
std::string without_command_bodies(std::string text);

}  // namespace dialogue
