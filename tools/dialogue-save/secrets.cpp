#include "secrets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace dialogue {
namespace {

/// A secret begins with `prefix` and goes on with at least `tail` letters, digits, '-', '_' (and '.' in a JWT).
struct Kind {
  std::string_view label;
  std::string_view prefix;
  std::size_t tail;
};

/// A longer prefix stands before a shorter one that begins it.
constexpr std::array<Kind, 16> kinds = {{{"GITHUB_TOKEN", "github_pat_", 20},
                                         {"GITHUB_TOKEN", "ghp_", 30},
                                         {"GITHUB_TOKEN", "gho_", 30},
                                         {"GITHUB_TOKEN", "ghs_", 30},
                                         {"ANTHROPIC_KEY", "sk-ant-", 20},
                                         {"OPENAI_KEY", "sk-proj-", 20},
                                         {"API_KEY", "sk-", 40},
                                         {"GOOGLE_KEY", "AIza", 30},
                                         {"AWS_KEY", "AKIA", 16},
                                         {"GROQ_KEY", "gsk_", 20},
                                         {"SLACK_TOKEN", "xoxb-", 10},
                                         {"SLACK_TOKEN", "xoxp-", 10},
                                         {"SLACK_TOKEN", "xoxa-", 10},
                                         {"SLACK_TOKEN", "xoxr-", 10},
                                         {"SLACK_TOKEN", "xoxs-", 10},
                                         {"JWT", "eyJ", 30}}};

constexpr std::string_view key_begin = "-----BEGIN ", key_end = "-----END ", dashes = "-----";

bool alphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

struct Found {
  std::size_t length;
  std::string_view label;
};

/// "-----BEGIN ... PRIVATE KEY-----" to its end mark, or to the end of the text.
std::optional<Found> private_key(std::string_view text) {
  if (!text.starts_with(key_begin)) return std::nullopt;
  const std::string_view line = text.substr(0, text.find('\n'));
  if (line.find("PRIVATE KEY-----") == line.npos) return std::nullopt;
  const std::size_t end = text.find(key_end, key_begin.size());
  const std::size_t close = end == text.npos ? end : text.find(dashes, end + key_end.size());
  return Found{close == text.npos ? text.size() : close + dashes.size(), "PRIVATE_KEY"};
}

std::optional<Found> secret_at(std::string_view text) {
  if (const auto key = private_key(text)) return key;
  for (const Kind& kind : kinds) {
    if (!text.starts_with(kind.prefix)) continue;
    const bool dotted = kind.label == "JWT";
    std::size_t end = kind.prefix.size();
    while (end < text.size() && (alphanumeric(text[end]) || text[end] == '-' || text[end] == '_' || (dotted && text[end] == '.')))
      ++end;
    const bool parts = !dotted || std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end), '.') == 2;
    if (end - kind.prefix.size() >= kind.tail && parts) return Found{end, kind.label};
  }
  return std::nullopt;
}

/// The first bytes of all prefixes.
bool may_begin(char c) { return c == 'g' || c == 's' || c == 'A' || c == 'x' || c == 'e' || c == '-'; }

/// Calls visit(position, found) for each secret; a prefix within a word is none.
template <class Visit>
void each_secret(std::string_view text, Visit visit) {
  for (std::size_t at = 0; at < text.size();) {
    const bool candidate = may_begin(text[at]) && (at == 0 || !alphanumeric(text[at - 1]));
    const auto found = candidate ? secret_at(text.substr(at)) : std::nullopt;
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
