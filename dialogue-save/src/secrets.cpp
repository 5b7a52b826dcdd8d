#include "secrets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace dialogue {
namespace {

/// A secret begins with `prefix`, in which '?' is any letter, and goes on with at least `tail`
/// letters, digits, '-', '_' (and '.' in a JWT).
struct Kind {
  std::string_view label;
  std::string_view prefix;
  std::size_t tail;
};

/// A longer prefix stands before a shorter one that begins it.
constexpr std::array<Kind, 12> kinds = {{{"GITHUB_TOKEN", "github_pat_", 20},
                                         {"GITHUB_TOKEN", "ghp_", 30},
                                         {"GITHUB_TOKEN", "gho_", 30},
                                         {"GITHUB_TOKEN", "ghs_", 30},
                                         {"ANTHROPIC_KEY", "sk-ant-", 20},
                                         {"OPENAI_KEY", "sk-proj-", 20},
                                         {"API_KEY", "sk-", 40},
                                         {"GOOGLE_KEY", "AIza", 30},
                                         {"AWS_KEY", "AKIA", 16},
                                         {"GROQ_KEY", "gsk_", 20},
                                         {"SLACK_TOKEN", "xox?-", 10},
                                         {"JWT", "eyJ", 30}}};

constexpr std::string_view key_begin = "-----BEGIN ", key_end = "-----END ", dashes = "-----";

bool alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

struct Found {
  std::size_t length;
  std::string_view label;
};

/// "-----BEGIN ... PRIVATE KEY-----" to its end mark, or to the end of the text.
std::optional<Found> private_key(std::string_view text) {
  constexpr std::size_t longest_label = 80;
  if (!text.starts_with(key_begin)) return std::nullopt;
  const std::string_view head = text.substr(key_begin.size(), longest_label);
  const std::string_view label = head.substr(0, head.find(dashes));
  if (label.size() == head.size() || label.find("PRIVATE KEY") == label.npos) return std::nullopt;
  const std::size_t end = text.find(key_end, key_begin.size());
  const std::size_t close = end == text.npos ? end : text.find(dashes, end + key_end.size());
  return Found{close == text.npos ? text.size() : close + dashes.size(), "PRIVATE_KEY"};
}

bool begins_with(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(), [](char want, char c) {
           return want == '?' ? alphanumeric(c) && !(c >= '0' && c <= '9') : want == c;
         });
}

/// Finds what begins at a position. It remembers how far a text was searched in vain for the dots
/// of a JWT: one that begins later in the same run of characters has no more of them, and looking
/// again from each beginning would take quadratic time.
class Finder {
 public:
  explicit Finder(std::string_view text) : text_(text) {}

  std::optional<Found> at(std::size_t position) {
    const std::string_view text = text_.substr(position);
    if (const auto key = private_key(text)) return key;
    if (!begins_word(position)) return std::nullopt;
    for (const Kind& kind : kinds) {
      if (!begins_with(text, kind.prefix)) continue;
      const std::size_t length =
          kind.label == "JWT" ? token_length(position) : run_length(text, false);
      if (length >= kind.prefix.size() + kind.tail) return Found{length, kind.label};
    }
    return std::nullopt;
  }

 private:
  /// Not within a word; the letter of an escape such as a literal \n is none.
  bool begins_word(std::size_t position) const {
    if (position == 0 || !alphanumeric(text_[position - 1])) return true;
    const char before = text_[position - 1];
    return position > 1 && text_[position - 2] == '\\' &&
           (before == 'n' || before == 'r' || before == 't');
  }

  static std::size_t run_length(std::string_view text, bool dotted) {
    const auto end = std::find_if(text.begin(), text.end(), [dotted](char c) {
      return !alphanumeric(c) && c != '-' && c != '_' && !(dotted && c == '.');
    });
    return static_cast<std::size_t>(end - text.begin());
  }

  /// The length of a JWT, without the full stop of its sentence; 0 if it is none.
  std::size_t token_length(std::size_t position) {
    if (position < no_token_before_) return 0;
    std::string_view run = text_.substr(position, run_length(text_.substr(position), true));
    no_token_before_ = position + run.size();
    while (run.ends_with('.')) run.remove_suffix(1);
    return std::count(run.begin(), run.end(), '.') >= 2 ? run.size() : 0;
  }

  std::string_view text_;
  std::size_t no_token_before_ = 0;
};

/// The first bytes of all prefixes.
bool may_begin(char c) {
  return c == 'g' || c == 's' || c == 'A' || c == 'x' || c == 'e' || c == '-';
}

/// Calls visit(position, found) for each secret; a prefix within a word is none.
template <class Visit>
void each_secret(std::string_view text, Visit visit) {
  Finder finder(text);
  for (std::size_t at = 0; at < text.size();) {
    const auto found = may_begin(text[at]) ? finder.at(at) : std::nullopt;
    if (found) visit(at, *found);
    at += found ? found->length : 1;
  }
}

}  // namespace

std::size_t count_secrets(std::string_view text) {
  std::size_t count = 0;
  each_secret(text, [&](std::size_t, const Found&) { ++count; });
  return count;
}

std::string redacted(std::string_view text) {
  std::string out;
  std::size_t copied = 0;
  each_secret(text, [&](std::size_t at, const Found& found) {
    out += text.substr(copied, at - copied);
    out += fmt::format("[REDACTED:{}]", found.label);
    copied = at + found.length;
  });
  out += text.substr(copied);
  return out;
}

}  // namespace dialogue
