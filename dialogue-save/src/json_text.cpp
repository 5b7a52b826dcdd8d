#include "json_text.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

namespace dialogue {
namespace {

/// Levels of objects and arrays. No store has a tenth of them, and copying a value recurses.
constexpr int deepest_json = 1000;

constexpr std::string_view replacement = "\xEF\xBF\xBD";

unsigned byte_at(std::string_view text, std::size_t at) {
  return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u;
}
bool continues(unsigned byte) { return (byte & 0xC0) == 0x80; }

/// Bytes of the character at `at`, 0 if there is no valid one (RFC 3629: shortest form, no
/// surrogates).
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const unsigned a = byte_at(text, at), b = byte_at(text, at + 1);
  if (a < 0x80) return 1;
  if (a < 0xC2 || a > 0xF4 || !continues(b)) return 0;
  if (a < 0xE0) return 2;
  if ((a == 0xE0 && b < 0xA0) || (a == 0xED && b > 0x9F) || (a == 0xF0 && b < 0x90) ||
      (a == 0xF4 && b > 0x8F))
    return 0;
  if (!continues(byte_at(text, at + 2))) return 0;
  if (a < 0xF0) return 3;
  return continues(byte_at(text, at + 3)) ? 4 : 0;
}

/// The surrogate whose three bytes are at `at`, 0 if there is none.
unsigned encoded_surrogate(std::string_view text, std::size_t at) {
  const unsigned b = byte_at(text, at + 1), c = byte_at(text, at + 2);
  return byte_at(text, at) == 0xED && b >= 0xA0 && b <= 0xBF && continues(c)
             ? 0xD000 | (b & 0x3F) << 6 | (c & 0x3F)
             : 0;
}

bool is_high(unsigned unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool is_low(unsigned unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

std::string utf8_of(unsigned high, unsigned low) {
  const unsigned point = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
  return {static_cast<char>(0xF0 | point >> 18), static_cast<char>(0x80 | (point >> 12 & 0x3F)),
          static_cast<char>(0x80 | (point >> 6 & 0x3F)), static_cast<char>(0x80 | (point & 0x3F))};
}

/// The code unit of the escape \uXXXX at `at`, if there is one.
std::optional<unsigned> escaped_unit(std::string_view text, std::size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return std::nullopt;
  unsigned unit = 0;
  const auto [end, error] = std::from_chars(text.data() + at + 2, text.data() + at + 6, unit, 16);
  if (error != std::errc() || end != text.data() + at + 6) return std::nullopt;
  return unit;
}

/// Copies a text as far as it must: not at all while there is nothing to replace.
class Repair {
 public:
  Repair(std::string_view text, Report& report) : text_(text), report_(report) {}

  /// `escapes`: a backslash begins a JSON escape.
  void run(bool escapes) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (escapes && c == '"') in_string_ = !in_string_;
      if (escapes && !in_string_) depth_ += (c == '[' || c == '{') - (c == ']' || c == '}');
      deepest_ = std::max(deepest_, depth_);
      if (escapes && c == '\\') {
        escape();
      } else if (const std::size_t length = utf8_length(text_, at_)) {
        at_ += length;
      } else {
        bytes();
      }
    }
  }
  bool changed() const { return copied_ > 0; }
  int deepest() const { return deepest_; }
  std::string result() && { return std::move(out_.append(text_.substr(copied_))); }

 private:
  void escape() {
    const unsigned unit = escaped_unit(text_, at_).value_or(0);
    if (is_high(unit) && is_low(escaped_unit(text_, at_ + 6).value_or(0))) {
      at_ += 12;
    } else if (is_high(unit) || is_low(unit)) {
      replace(6, replacement, report_.replaced);
    } else {
      at_ += 2;
    }
  }

  void bytes() {
    const unsigned first = encoded_surrogate(text_, at_),
                   second = first ? encoded_surrogate(text_, at_ + 3) : 0;
    if (is_high(first) && is_low(second)) {
      replace(6, utf8_of(first, second), report_.repaired);
    } else {
      replace(first ? 3 : 1, replacement, report_.replaced);
    }
  }

  void replace(std::size_t length, std::string_view by, std::size_t& count) {
    out_.append(text_, copied_, at_ - copied_).append(by);
    copied_ = at_ += std::min(length, text_.size() - at_);
    ++count;
  }

  std::string_view text_;
  Report& report_;
  std::string out_;
  std::size_t at_ = 0, copied_ = 0;
  bool in_string_ = false;
  int depth_ = 0, deepest_ = 0;
};

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
  int value = 0;
  if (at + count > text.size()) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + count, value);
  if (error != std::errc() || end != text.data() + at + count || value < 0) return std::nullopt;
  return value;
}

/// Minutes east of UTC in what follows the seconds: "Z", "+02:00", "" (taken for UTC).
int zone_minutes(std::string_view zone) {
  if (zone.empty() || (zone[0] != '+' && zone[0] != '-')) return 0;
  const int minutes = digits(zone, 1, 2).value_or(0) * 60 +
                      digits(zone, zone.find(':') == 3 ? 4 : 3, 2).value_or(0);
  return zone[0] == '-' ? -minutes : minutes;
}

}  // namespace

std::optional<Json> parse_json(std::string_view text, Report& report) {
  Report counts;  // kept only if the rest is JSON: a damaged record is counted once
  Repair repair(text, counts);
  repair.run(true);
  if (repair.deepest() > deepest_json) return std::nullopt;
  Json json = repair.changed() ? Json::parse(std::move(repair).result(), nullptr, false)
                               : Json::parse(text.begin(), text.end(), nullptr, false);
  if (json.is_discarded()) return std::nullopt;
  report.replaced += counts.replaced;
  report.repaired += counts.repaired;
  return json;
}

Json json_or_null(std::string_view text, Report& report) {
  return parse_json(text, report).value_or(Json());
}

Json json_or_null(std::string_view text) {
  Report unused;
  return json_or_null(text, unused);
}

std::string repair_utf8(std::string_view text, Report& report) {
  Repair repair(text, report);
  repair.run(false);
  return std::move(repair).result();
}

const Json& member(const Json& json, const char* key) {
  static const Json none;
  const auto found = json.is_object() ? json.find(key) : json.end();
  return json.is_object() && found != json.end() ? *found : none;
}

std::string text_member(const Json& json, const char* key) {
  const Json& value = member(json, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

bool flag_member(const Json& json, const char* key) {
  const Json& value = member(json, key);
  return value.is_boolean() && value.get<bool>();
}

std::optional<Millis> parse_time(std::string_view iso) {
  namespace chrono = std::chrono;
  const auto year = digits(iso, 0, 4), month = digits(iso, 5, 2), day = digits(iso, 8, 2);
  const auto hour = digits(iso, 11, 2), minute = digits(iso, 14, 2), second = digits(iso, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second || iso[4] != '-' || iso[7] != '-' ||
      iso[13] != ':')
    return std::nullopt;
  const chrono::year_month_day date(chrono::year(*year),
                                    chrono::month(static_cast<unsigned>(*month)),
                                    chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  std::string_view rest = iso.substr(19);
  Millis fraction = 0;
  if (rest.starts_with('.')) {
    const std::size_t end = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
    for (std::size_t i = 1; i <= 3; ++i) fraction = fraction * 10 + (i < end ? rest[i] - '0' : 0);
    rest.remove_prefix(end);
  }
  const Millis minutes = Millis{chrono::sys_days(date).time_since_epoch().count()} * 1440 +
                         *hour * 60 + *minute - zone_minutes(rest);
  return (minutes * 60 + *second) * 1000 + fraction;
}

std::optional<Millis> time_of(const Json& value) {
  if (value.is_string()) return parse_time(value.get_ref<const std::string&>());
  if (!value.is_number()) return std::nullopt;
  const double number = value.get<double>();
  if (!(number > 0 && number < 1e15)) return std::nullopt;
  // Seconds until the year 5138, milliseconds since 1973.
  return std::llround(number < 1e11 ? number * 1000 : number);
}

}  // namespace dialogue
