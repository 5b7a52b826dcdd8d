#include "files/safetensors_header.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <set>
#include <stdexcept>
#include <tuple>
#include <unordered_set>
#include <utility>

namespace muon::safetensors {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t largest_header = 100'000'000;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

std::uint64_t bits_of(std::string_view dtype) {
  constexpr std::array<std::pair<std::string_view, std::uint64_t>, 21> types{
      {{"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
       {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
       {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
       {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
       {"I64", 64}}};
  if (dtype == "U64") return 64;
  const auto known = std::find_if(types.begin(), types.end(),
                                  [&](const auto& type) { return type.first == dtype; });
  if (known == types.end()) fail(fmt::format("unknown dtype '{}'", dtype));
  return known->second;
}

/// Fills a header while parsing. A JSON tree would take memory for the whole text, and would
/// silently keep the last of two equal names.
class Handler : public nlohmann::json_sax<Json> {
 public:
  /// With `metadata_alone`, parsing stops after the metadata.
  explicit Handler(Header& header, bool metadata_alone = false)
      : header_(header), metadata_alone_(metadata_alone) {}

  bool start_object(std::size_t) override {
    if (++depth_ > 2 || in_list_) fail("the header is nested too deeply");
    if (depth_ == 2 && !metadata_) begin_entry();
    return true;
  }
  bool end_object() override {
    const bool inner = depth_-- == 2;
    if (inner && !metadata_) end_entry();
    return !(inner && metadata_ && metadata_alone_);
  }
  bool key(std::string& text) override {
    if (depth_ == 1) {
      if (!names_.insert(text).second) fail(fmt::format("the name '{}' occurs twice", text));
      metadata_ = text == "__metadata__";
      name_ = text;
    } else {
      field_ = text;
      if (metadata_ && header_.metadata.count(text) > 0)
        fail(fmt::format("the name '{}' occurs twice", text));
      if (!metadata_ && !fields_.insert(text).second)
        fail(fmt::format("'{}': {} occurs twice", name_, text));
    }
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ != 2 || metadata_ || in_list_ || (field_ != "shape" && field_ != "data_offsets"))
      return refuse();
    in_list_ = true;
    return true;
  }
  bool end_array() override {
    in_list_ = false;
    return true;
  }
  bool string(std::string& text) override {
    if (depth_ == 2 && metadata_ && !in_list_) {
      header_.metadata[field_] = text;
    } else if (depth_ == 2 && field_ == "dtype" && !in_list_) {
      entry_.dtype = text;
    } else {
      return refuse();
    }
    return true;
  }
  bool number_unsigned(number_unsigned_t number) override {
    if (!in_list_) return refuse();
    if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      fail(fmt::format("'{}': {} is too large", name_, number));
    if (field_ == "shape") {
      entry_.shape.push_back(static_cast<std::int64_t>(number));
    } else {
      offsets_.push_back(number);
    }
    return true;
  }
  bool number_integer(number_integer_t) override { return refuse(); }
  bool number_float(number_float_t, const std::string&) override { return refuse(); }
  bool boolean(bool) override { return refuse(); }
  bool null() override { return refuse(); }
  bool binary(Json::binary_t&) override { return refuse(); }
  bool parse_error(std::size_t byte, const std::string&, const Json::exception&) override {
    fail(fmt::format("the header is not JSON, at byte {}", byte));
  }

 private:
  bool refuse() const {
    if (depth_ == 0) fail("the header is not a JSON object");
    if (metadata_ && depth_ == 1) fail("__metadata__ is not an object");
    if (metadata_) fail(fmt::format("__metadata__ '{}' is not a string", field_));
    if (in_list_) fail(fmt::format("'{}': shape and data_offsets need whole numbers", name_));
    fail(depth_ == 1 ? fmt::format("'{}' is not an object", name_)
                     : fmt::format("'{}' has an invalid {}", name_, field_));
  }

  void begin_entry() {
    entry_ = {};
    entry_.name = name_;
    offsets_.clear();
    fields_.clear();
  }

  void end_entry() {
    if (fields_ != std::set<std::string>{"dtype", "shape", "data_offsets"} || offsets_.size() != 2)
      fail(fmt::format("'{}' needs dtype, shape and two data_offsets, and nothing else", name_));
    entry_.begin = offsets_[0];
    entry_.end = offsets_[1];
    std::uint64_t bytes = 0;
    try {
      bytes = tensor_bytes(entry_.dtype, entry_.shape);
    } catch (const std::runtime_error& error) {
      fail(fmt::format("'{}': {}", name_, error.what()));
    }
    if (entry_.begin > entry_.end || entry_.end - entry_.begin != bytes) {
      fail(fmt::format("'{}' takes {} bytes by its shape and has the offsets {} to {}", name_,
                       bytes, entry_.begin, entry_.end));
    }
    header_.entries.push_back(std::move(entry_));
  }

  Header& header_;
  bool metadata_alone_;
  int depth_ = 0;
  bool metadata_ = false, in_list_ = false;
  std::string name_, field_;
  std::set<std::string> fields_;
  std::unordered_set<std::string> names_;
  std::vector<std::uint64_t> offsets_;
  Entry entry_;
};

}  // namespace

std::uint64_t tensor_bytes(std::string_view dtype, const std::vector<std::int64_t>& shape) {
  // room: with sizes of 0 counted as 1, as LibTorch does in computing strides
  std::uint64_t bits = bits_of(dtype), room = bits;
  for (const std::int64_t size : shape) {
    const auto factor = static_cast<std::uint64_t>(std::max<std::int64_t>(size, 1));
    if (size < 0 || __builtin_mul_overflow(room, factor, &room) || room >> 62 != 0)
      fail("its shape overflows");
    bits *= static_cast<std::uint64_t>(size);
  }
  if (bits % 8 != 0) fail("its shape is not a whole number of bytes");
  return bits / 8;
}

std::uint64_t header_length(std::string_view first_bytes, std::uint64_t file_bytes) {
  if (file_bytes < 8 || first_bytes.size() < 8)
    fail(fmt::format("{} bytes are too few for a safetensors file", file_bytes));
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;)
    length = length << 8 | static_cast<unsigned char>(first_bytes[i]);
  if (length > largest_header)
    fail(fmt::format("the header would have {} bytes; at most {} are allowed", length,
                     largest_header));
  if (length > file_bytes - 8)
    fail(
        fmt::format("the header should have {} bytes, but only {} follow", length, file_bytes - 8));
  return length;
}

Header parse_header(std::string_view text, std::uint64_t data_bytes) {
  Header header;
  Handler handler(header);
  Json::sax_parse(text.begin(), text.end(), &handler);
  std::sort(header.entries.begin(), header.entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t end = 0;
  for (const Entry& entry : header.entries) {
    if (entry.begin != end) {
      fail(fmt::format("'{}' begins at {} of the data, where {} is expected: a gap or an overlap",
                       entry.name, entry.begin, end));
    }
    end = entry.end;
  }
  if (end != data_bytes)
    fail(
        fmt::format("the tensors take {} bytes, but {} follow the header: cut off, or not its data",
                    end, data_bytes));
  return header;
}

std::map<std::string, std::string> parse_metadata(std::string_view text) {
  Header header;
  Handler handler(header, /*metadata_alone=*/true);
  Json::sax_parse(text.begin(), text.end(), &handler);
  return std::move(header.metadata);
}

std::string header_bytes(const Header& header) {
  std::string text = "{";
  try {
    const auto separated = [&] { return text.size() > 1 ? "," : ""; };
    if (!header.metadata.empty())
      text += fmt::format("\"__metadata__\":{}", Json(header.metadata).dump());
    for (const Entry& entry : header.entries) {
      text += fmt::format(R"({}{}:{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", separated(),
                          Json(entry.name).dump(), entry.dtype, Json(entry.shape).dump(),
                          entry.begin, entry.end);
    }
    text += "}";
  } catch (const Json::exception&) {
    fail("a name or metadata is not valid UTF-8");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > largest_header)
    fail(fmt::format("the header has {} bytes; at most {} are allowed", text.size(),
                     largest_header));
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(text.size() >> (8 * i) & 0xff);
  return bytes + text;
}

}  // namespace muon::safetensors
