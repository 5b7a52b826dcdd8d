#include "safetensors_header.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <stdexcept>
#include <utility>

namespace muon::safetensors {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t largest_header = 100'000'000;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

std::uint64_t bits_of(std::string_view dtype) {
  constexpr std::array<std::pair<std::string_view, std::uint64_t>, 21> types{
      {{"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6},     {"F6_E3M2", 6},     {"U8", 8},   {"I8", 8},   {"F8_E5M2", 8},
       {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16},
       {"BF16", 16},   {"I32", 32},    {"U32", 32},        {"F32", 32},        {"C64", 64}, {"F64", 64}, {"I64", 64}}};
  if (dtype == "U64") return 64;
  const auto known = std::find_if(types.begin(), types.end(), [&](const auto& type) { return type.first == dtype; });
  if (known == types.end()) fail(fmt::format("unknown dtype '{}'", dtype));
  return known->second;
}

/// Refuses a key that an object has twice; the parser alone would keep the last.
Json parse_strictly(std::string_view text) {
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) {
      // a header has two levels; deep nesting is no header
      if (keys.size() >= 8) fail("the header is nested too deeply");
      keys.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      keys.pop_back();
    } else if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
      fail(fmt::format("the name '{}' occurs twice", value.get<std::string>()));
    }
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), watch);
  } catch (const Json::parse_error& error) {
    fail(fmt::format("the header is not JSON, at byte {}", error.byte));
  }
}

std::uint64_t whole(const Json& value, const std::string& name) {
  if (!value.is_number_unsigned()) fail(fmt::format("'{}': shape and data_offsets need whole numbers", name));
  const auto number = value.get<std::uint64_t>();
  if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    fail(fmt::format("'{}': {} is too large", name, number));
  return number;
}

Entry parse_entry(const std::string& name, const Json& json) {
  const auto field = [&](const char* key, bool fits) {
    if (!fits) fail(fmt::format("'{}' has no proper {}", name, key));
  };
  field("description", json.is_object() && json.size() == 3);
  field("dtype", json.contains("dtype") && json["dtype"].is_string());
  field("shape", json.contains("shape") && json["shape"].is_array());
  field("data_offsets", json.contains("data_offsets") && json["data_offsets"].is_array() && json["data_offsets"].size() == 2);
  Entry entry;
  entry.name = name;
  entry.dtype = json["dtype"].get<std::string>();
  for (const Json& size : json["shape"]) entry.shape.push_back(static_cast<std::int64_t>(whole(size, name)));
  entry.begin = whole(json["data_offsets"][0], name);
  entry.end = whole(json["data_offsets"][1], name);
  std::uint64_t bytes = 0;
  try {
    bytes = tensor_bytes(entry.dtype, entry.shape);
  } catch (const std::runtime_error& error) {
    fail(fmt::format("'{}': {}", name, error.what()));
  }
  if (entry.begin > entry.end || entry.end - entry.begin != bytes) {
    fail(fmt::format("'{}' takes {} bytes by its shape and has the offsets {} to {}", name, bytes, entry.begin, entry.end));
  }
  return entry;
}

}  // namespace

std::uint64_t tensor_bytes(std::string_view dtype, const std::vector<std::int64_t>& shape) {
  std::uint64_t bits = bits_of(dtype);
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(bits, static_cast<std::uint64_t>(size), &bits)) fail("its shape overflows");
  }
  if (bits % 8 != 0) fail("its shape is not a whole number of bytes");
  return bits / 8;
}

std::uint64_t header_length(std::string_view first_bytes, std::uint64_t file_bytes) {
  if (file_bytes < 8 || first_bytes.size() < 8) fail(fmt::format("{} bytes are too few for a safetensors file", file_bytes));
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(first_bytes[i]);
  if (length > largest_header) fail(fmt::format("a header of {} bytes is no header (at most {})", length, largest_header));
  if (length > file_bytes - 8) fail(fmt::format("the header should have {} bytes, and {} are there", length, file_bytes - 8));
  return length;
}

Header parse_header(std::string_view text, std::uint64_t data_bytes) {
  const Json json = parse_strictly(text);
  if (!json.is_object()) fail("the header is not a JSON object");
  Header header;
  for (const auto& [name, value] : json.items()) {
    if (name != "__metadata__") {
      header.entries.push_back(parse_entry(name, value));
      continue;
    }
    if (!value.is_object()) fail("__metadata__ is not an object");
    for (const auto& [key, metadata] : value.items()) {
      if (!metadata.is_string()) fail(fmt::format("__metadata__ '{}' is not a text", key));
      header.metadata[key] = metadata.get<std::string>();
    }
  }
  std::sort(header.entries.begin(), header.entries.end(),
            [](const Entry& a, const Entry& b) { return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name); });
  std::uint64_t end = 0;
  for (const Entry& entry : header.entries) {
    if (entry.begin != end) {
      fail(fmt::format("'{}' begins at {} of the data, where {} is expected: a gap or an overlap", entry.name, entry.begin, end));
    }
    end = entry.end;
  }
  if (end != data_bytes)
    fail(fmt::format("the tensors take {} bytes, and {} are there: cut off, or not its data", end, data_bytes));
  return header;
}

std::string header_bytes(const Header& header) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!header.metadata.empty()) json["__metadata__"] = header.metadata;
  for (const Entry& entry : header.entries) {
    json[entry.name] = {{"dtype", entry.dtype}, {"shape", entry.shape}, {"data_offsets", {entry.begin, entry.end}}};
  }
  std::string text;
  try {
    text = json.dump();
  } catch (const Json::exception&) {
    fail("a name or metadata is not valid UTF-8");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > largest_header)
    fail(fmt::format("the header has {} bytes; at most {} are allowed", text.size(), largest_header));
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(text.size() >> (8 * i) & 0xff);
  return bytes + text;
}

}  // namespace muon::safetensors
